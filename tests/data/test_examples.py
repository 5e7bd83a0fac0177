"""examples.py: the radiographs that may be shown are the chosen ones, and git holds no other."""

import subprocess
from types import SimpleNamespace

import pytest
from PIL import Image

from deepcovid.data import augmentation, examples, manifest
from deepcovid.models.run import Run
from deepcovid.runs import ROOT, file_digest
from imageaudit import images


def test_the_published_radiographs_are_few_small_and_of_different_patients():
    table = examples.hannover()
    assert [file_digest(path) for path in table.path] == table.sha256.tolist()
    assert 4 <= len(table) <= 6 and table.patient.is_unique and set(table["view"]) == {"PA", "AP"}
    assert sum(path.stat().st_size for path in table.path) < 300_000
    for path in table.path:
        with Image.open(path) as picture:
            assert max(picture.size) <= 320 and not picture.getexif()
    told = (examples.SHOWN / "README.md").read_text()
    assert "CC BY 3.0" in told and "10.6084/m9.figshare.12275009" in told and "Winther" in told


def test_git_holds_no_other_picture():
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True)
    tracked = {ROOT / line for line in listed.stdout.splitlines()}
    pictures = {path for path in tracked if path.suffix.lower() in images.SUFFIXES}
    assert pictures == set(examples.hannover().path)


def test_the_published_study_shows_these_and_one_with_images_its_own(own):
    pictures, titles = examples.radiographs(SimpleNamespace(published=True), 4)
    assert len(pictures) == len(titles) == 4 and "PA" in titles[0]
    assert examples.copies(SimpleNamespace(published=True)) == ([], [])
    manifest.run(own)
    training = augmentation.run(own)
    study = SimpleNamespace(published=False, run=lambda name: Run(own))
    pictures, titles = examples.radiographs(study, 3)
    assert titles[0] == "COVID-19" and len(set(titles)) == len(pictures) == 3
    pictures, titles = examples.copies(study)
    assert titles == ["original", "copy 1", "copy 2", "copy 3"] and len(pictures) == 4
    training[training.augmented_from == ""].to_csv(own.folder / "training.csv", index=False)
    assert examples.copies(study) == ([], [])


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        ("results/radiographs/hannover-024e7871-fff13f3a-pa.jpg", False),
        ("results/radiographs/other.jpg", True),
        ("results/radiographs/hannover-1.png", True),
        ("results/paper/hannover-1-pa.jpg", True),
    ],
)
def test_git_ignores_all_pictures_but_these(name, ignored):
    command = ["git", "-C", ROOT, "check-ignore", "--quiet", "--no-index", name]
    assert (subprocess.run(command).returncode == 0) == ignored
