"""verify.py: a copy of the release is told from it, image by image."""

import shutil
import warnings

import pandas as pd
import pytest
from conftest import SHARED
from PIL import Image
from releases import picture, release, ship

from deepcovid.data import sources, verify
from deepcovid.runs import UserError

REAL = SHARED / "data" / "covid-xray-5k"


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A whole copy of a release of eight images, two with the same content, one an RGBA PNG."""
    files = release("")
    names = list(files)
    files[names[1]] = files[names[0]]
    files = {(k[:-3] + "png" if k == names[3] else k): v for k, v in files.items()}
    rows = [(*name.split("/"), "", data) for name, data in files.items()]
    # names are unique in the real list, over all folders
    rows = [(s, c, f"{s} {c} {n}", source, data) for s, c, n, source, data in rows]
    ship(monkeypatch, tmp_path, rows)
    folder = tmp_path / "my copy"
    for split, label, name, _, data in rows:
        path = folder / split / label / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_whole_copy(copy):
    found = verify.verify(copy)
    assert len(found.present) == 8
    assert not any((found.repacked, found.changed, found.missing, found.misplaced, found.twice,
                    found.foreign))  # fmt: skip
    assert "8 of the 8" in str(found) and "whole and unchanged" in str(found)


def test_content_counts_not_place_or_name(copy):
    flat = copy.parent / "elsewhere"
    flat.mkdir()
    for number, path in enumerate(sorted(copy.rglob("*.*g"))):
        path.rename(flat / f"{number}.bin")
    found = verify.verify(flat)
    assert len(found.present) == 8 and not found.misplaced and not found.foreign


def test_missing_changed_foreign_misplaced_twice(copy):
    paths = sorted(copy.rglob("*.*g"))  # test/covid 0 1, test/non 2 3, train/covid 4 5, non 6 7
    place = [path.relative_to(copy).as_posix() for path in paths]
    paths[0].unlink()
    paths[1].write_bytes(picture(500))  # of the right size: tampered with
    paths[2].write_bytes(paths[2].read_bytes()[:400])
    paths[3].write_bytes(picture(501, (60, 20)))
    shutil.move(paths[6], copy / "test" / "non" / "moved.jpg")
    shutil.copy(paths[7], copy / "train" / "non" / "again.jpg")
    (copy / "train" / "covid" / "foreign.jpg").write_bytes(picture(502))
    (copy / "masks").mkdir()
    (copy / "masks" / "mask.png").write_bytes(picture(503))
    (copy / "train" / "notes.txt").write_text("no image")
    found = verify.verify(copy)
    assert found.present == place[4:]
    assert found.missing == [place[0]]
    assert found.changed == place[1:4]
    assert found.misplaced == ["test/non/moved.jpg"]
    assert found.twice in (["train/non/again.jpg"], [place[7]])
    assert found.foreign == ["train/covid/foreign.jpg"]
    assert found.repacked == []
    text = str(found)
    for line in ("4 of the 8", "1 missing", "3 changed", "1 in the folder", "1 foreign", place[0]):
        assert line in text
    assert "whole" not in text


def test_of_two_equal_images_the_missing_one_is_named(copy):
    first = sorted((copy / "train" / "covid").iterdir())[0]
    first.unlink()
    found = verify.verify(copy)
    assert found.missing == [first.relative_to(copy).as_posix()]


def test_downsized_copy_is_said_to_be_repacked(copy):
    for path in sorted(copy.rglob("*.*g")):
        name = path.name if path.suffix == ".jpg" else path.name + ".jpg"
        with Image.open(path) as image:
            small = image.resize((12, 10))
        path.unlink()
        small.save(path.with_name(name), "JPEG")
    kept = next((copy / "test" / "non").iterdir())
    small.resize((24, 20)).save(kept)  # too small to be downsized, but encoded anew
    broken = next((copy / "train" / "non").iterdir())
    broken.write_bytes(broken.read_bytes()[:300])
    found = verify.verify(copy)
    assert (len(found.repacked), len(found.changed), len(found.missing)) == (7, 1, 0)
    assert found.present == [] and found.foreign == []
    assert "repacked copy: 7 images" in str(found)


def test_long_lists_are_cut(copy):
    for number in range(25):
        (copy / "train" / "non" / f"{number}.jpg").write_bytes(picture(600 + number))
    text = str(verify.verify(copy))
    assert "25 foreign" in text and "... and 15 more" in text and len(text.splitlines()) == 13


def test_verify_needs_a_folder(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        verify.verify(tmp_path / "nowhere")


def test_real_copy_is_a_repacked_one():
    if not REAL.is_dir():
        pytest.skip("the radiographs (../shared/data/covid-xray-5k) are not here")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = verify.verify(REAL)
    # of five the size is unknown, so that nothing but the name can be compared
    assert (len(found.repacked), len(found.changed), len(found.missing)) == (5515, 5, 0)
    assert found.present == found.foreign == found.misplaced == found.twice == []
    fingerprint = pd.read_csv(REAL / "fingerprint.csv", dtype=str, keep_default_na=False)
    shipped = sources.known()[fingerprint.columns.drop("packed")]
    pd.testing.assert_frame_equal(shipped, fingerprint.drop(columns="packed"))
