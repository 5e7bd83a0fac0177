"""Is an external set external, and a split that is clean afterwards."""

import json

import pandas as pd
import pytest
from conftest import draw, user_error

import imageaudit
from imageaudit import cli, dataset


def silent(*_):
    pass


@pytest.fixture
def other(dataset, tmp_path):
    """A second dataset: a file, a radiograph shrunk, and a patient of the first; the rest its own."""
    from PIL import Image

    folder, theirs = dataset(), tmp_path / "other"
    files = sorted((folder / "left").glob("*.png"))
    draw(theirs / "x" / "patient70001-b.png", 801)
    draw(folder / "left" / "patient70001-a.png", 800)
    (theirs / "x" / "copy.png").write_bytes(files[0].read_bytes())
    Image.open(files[1]).resize((40, 40)).save(theirs / "small.jpg", quality=90)
    for seed in range(3):
        draw(theirs / f"own{seed}.png", 900 + seed)
    return folder, theirs


def test_what_two_datasets_share_is_named_on_page_json_and_by_the_status(other, tmp_path, capsys):
    folder, theirs = other
    out = tmp_path / "out"
    assert cli.main([str(folder), "--against", str(theirs), "--out", str(out)]) == 3
    (found,) = [f for f in json.loads((out / "audit.json").read_text())["findings"] if f["kind"] == "external"]  # fmt: skip
    assert {row["b"]: row["why"] for row in found["rows"]} == {
        "x/copy.png": "the same file", "small.jpg": "the same radiograph",
        "x/patient70001-b.png": "the same patient"}  # fmt: skip
    assert "3 of 29 images are also in other" in found["words"]
    assert "the same radiograph" in (out / "index.html").read_text()
    for path in (theirs / "x").iterdir():
        path.unlink()
    (theirs / "small.jpg").unlink()
    assert cli.main([str(folder), "--against", str(theirs), "--out", str(out)]) == 0
    with user_error("There is no"):
        imageaudit.audit(folder, out, against=tmp_path / "nowhere")


def test_short_numbers_of_patients_are_no_proof(dataset, tmp_path):
    folder = dataset()
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    table = pd.DataFrame({"path": names, "label": [n[0] for n in names]})
    draw(tmp_path / "b" / "1.png", 700), draw(tmp_path / "b" / "2.png", 701)
    for numbers, raised in ((range(28), False), (range(70000, 70028), True)):
        table.assign(patient=list(numbers)).to_csv(folder / "t.csv", index=False)
        theirs = pd.DataFrame({"path": ["1.png", "2.png"], "patient": list(numbers)[:2]})
        theirs.to_csv(tmp_path / "b" / "t.csv", index=False)
        found = imageaudit.audit(folder / "t.csv", tmp_path / "out", against=tmp_path / "b" / "t.csv", say=silent)  # fmt: skip
        assert found.findings.loc["external"].raised == raised


@pytest.mark.parametrize("splits", [("",), ("train", "test")])
def test_a_clean_split_is_found_clean(dataset, tmp_path, splits):
    folder = dataset(splits=splits)
    last, one = folder / splits[-1], sorted((folder / splits[0] / "left").iterdir())
    (last / "left" / "again.png").write_bytes(one[0].read_bytes())
    (last / "right" / "other.png").write_bytes(one[1].read_bytes())
    for part, seed in ((splits[0], 900), (splits[0], 901), (splits[-1], 902)):
        draw(folder / part / "left" / f"patient3-{seed}.png", seed)
    file = tmp_path / "clean" / "splits.csv"
    before = imageaudit.audit(folder, tmp_path / "out", clean_splits=file, say=silent)
    assert before.findings.loc["conflict"].raised and "clean splits" in before.report
    after = imageaudit.audit(file, tmp_path / "again", say=silent)
    kinds = after.findings.raised
    assert (
        not kinds.get("leak", False) and not kinds.get("conflict", False) and not kinds["patients"]
    )
    assert not kinds["doubles"] and not after.alarm
    table = pd.read_csv(file, dtype=str)
    assert len(table) == before.report["images"] - 3 and set(table.split) == {"train", "test"}
    assert table.split[table.patient == "patient3"].nunique() == 1
    if len(splits) == 2:
        assert (table.split[table.patient == "patient3"] == "train").all()


def test_a_table_is_read_without_labels(tmp_path):
    for i in (1, 2):
        draw(tmp_path / "sub-01234" / f"{i}.png", i)
    (tmp_path / "t.tsv").write_text("participant_id\tage\nsub-01234\t3\n")
    found = dataset.read_any(tmp_path / "t.tsv")
    assert len(found.table) == 2 and set(found.table.patient) == {"participant_id sub-01234"}
