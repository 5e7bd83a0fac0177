"""Files that are damaged, or made to harm: a clear message each, and nothing that runs."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import draw, user_error
from PIL import Image

from benchmarks.robustness import damage, fuzz
from deepcovid import __main__ as cli
from deepcovid import profiles, runs
from deepcovid.data import manifest
from deepcovid.fair_test import severity
from deepcovid.report import site
from imageaudit import images

HOSTILE = "x\n\x1b[31m\u202e'\"<img src=x onerror=alert(1)>![x](http:a).png"


def test_damaged_tables_settings_notes_checkpoints_and_archives_are_refused():
    """The long run: `python -m benchmarks.robustness.damage`."""
    found = damage.run(each=12, seed=1)
    assert found["faults"] == []
    assert all(sum(came.values()) == 12 for came in found["files"].values())
    refused = {name for name, came in found["files"].items() if "refused" in came}
    assert refused >= {"manifest.csv", "scores.csv", "profile.yaml", "note.json", "archive.zip"}


def test_a_file_that_is_cut_is_refused_or_whole_all_the_same():
    files = fuzz.seeds()
    assert len(files) > 90
    some = {name: files[name] for name in sorted(files)[::6]}
    assert {"refused"} <= set(fuzz.cut(some, 6)) <= {"refused", "whole all the same"}


@pytest.mark.parametrize("kind", ["JPEG 2000", "MPEG2", "HEVC", "High-Throughput"])
def test_dicom_without_a_decoder_is_refused_by_name(tmp_path, kind):
    files = fuzz.seeds()
    name, data = next((n, d) for n, d in files.items() if kind in n)
    assert fuzz.one(data, tmp_path / "x") != "read", name


def test_names_that_would_harm_a_terminal_or_a_page_are_shown_safely(tmp_path):
    for split in ("train", "test"):
        for name in ("covid", "non"):
            draw(tmp_path / split / name / f"{name}-{split}.png", len(split + name))
    hostile = tmp_path / "train" / "covid" / HOSTILE.replace("/", "")
    draw(hostile, 3)
    table = manifest.make(tmp_path, 0)
    again = manifest.read(manifest.write(table, tmp_path / "manifest.csv"))
    assert list(again.image) == list(table.image) and len(again) == 5
    page = site.table(table[["image"]])
    assert "\x1b" not in page and "<img" not in page and "\n!" not in page and "onerror" in page
    hostile.write_bytes(b"no picture")
    with pytest.raises(runs.UserError) as refused:
        manifest.make(tmp_path, 0)
    told = str(refused.value)
    assert all(line.isprintable() for line in told.splitlines()) and "\\x1b[31m" in told


def test_links_in_a_circle_and_out_of_the_folder_do_no_harm(tmp_path):
    draw(tmp_path / "a" / "x.png", 1)
    before = runs.state(tmp_path / "a")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a", target_is_directory=True)
    assert runs.state(tmp_path / "a") == before
    (tmp_path / "a" / "secret.png").symlink_to("/etc/passwd")
    assert [path.name for path in images.find(tmp_path / "a")] == ["secret.png", "x.png"]
    assert "no picture of a known format" in images.refusal(tmp_path / "a" / "secret.png")


@pytest.mark.parametrize("value", ["", "nan", "19", "-1", "x"])
def test_a_sum_of_severities_that_is_none_is_refused_by_image(tmp_path, value):
    path = tmp_path / "brixia.csv"
    path.write_text(f"image,S-Global,J-Global\na.png,3,4\nb.png,3,{value}\n")

    class Opened:
        profile = type("P", (), {"severity": str(path)})

    with user_error("J-Global of b.png is no number from 0 to 18"):
        severity.graded(Opened, None)


def test_a_fuzzed_file_that_is_read_is_a_finite_input(tmp_path):
    picture = Image.fromarray(np.full((40, 48), 7, np.uint8))
    picture.save(tmp_path / "x.tif")
    assert fuzz.one((tmp_path / "x.tif").read_bytes(), tmp_path / "y") == "read"


def test_what_a_settings_file_holds_is_shown_safely(tmp_path, capsys, monkeypatch):
    path = Path(shutil.copytree(profiles.PROFILES, tmp_path / "profiles")) / "own.yaml"
    for module in (profiles, cli):
        monkeypatch.setattr(module, "PROFILES", path.parent)
    for text in ("like: demo\nepoch\u202e: 3\n", "epochs:\u202e: demo\n", "like: 'x\u001b[31m'\n"):
        path.write_text(text)
        assert cli.main(["own"]) == 2
        told = capsys.readouterr().err
        assert all(line.isprintable() for line in told.splitlines()), told
