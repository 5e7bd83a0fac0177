"""A model's record of what it saw, and the one rule by which images may judge it."""

import pandas as pd
import pytest
from conftest import changed, user_error
from planted import film, plant, stranger

from deepcovid.data import duplicates
from deepcovid.models import training
from imageaudit import images


def rows(paths, patient="") -> pd.DataFrame:
    """Image rows as a route has them."""
    table = pd.DataFrame({"path": list(paths), "patient": patient})
    sha1 = [images.facts(path)["sha1"] for path in paths]
    return table.assign(image=[path.name for path in paths], sha1=sha1)


def test_twins_are_known_by_bytes_picture_name_and_patient_and_strangers_are_not(tmp_path):
    twin = film(tmp_path / "train" / "0007-ours.png", 1)
    known = rows([twin], "P 1").assign(name="ours.png", augmented_from="")
    reasons = plant(tmp_path / "there", twin, "ours.png") | dict.fromkeys(
        stranger(tmp_path / "there", 2), ""
    )
    table = rows(sorted((tmp_path / "there").iterdir()), "by path x")
    found = duplicates.unseen(table, known, tmp_path / "kept")
    assert dict(zip(found.image, found.reason, strict=True)) == reasons
    assert (found.twin != "").equals(found.reason != "")
    of = table.image.isin(["stranger-0.png"])
    found = duplicates.unseen(
        table.assign(patient=of.map({True: "P 1", False: ""})), known, tmp_path / "kept"
    )
    assert found.reason[of].item() == "patient" and (found.reason == "").sum() == 1


def test_a_copy_counts_by_its_bytes_and_an_unknown_patient_is_nobodys_twin(tmp_path):
    original, copy = film(tmp_path / "a.png", 1), film(tmp_path / "a-copy1.png", 2)
    known = rows([original, copy], "").assign(name="a.png", augmented_from=["", "a.png"])
    table = rows([film(tmp_path / "b.png", 2), film(tmp_path / "c.png", 3)], "")
    found = duplicates.unseen(table, known, tmp_path / "kept")
    assert found.reason.tolist() == ["bytes", ""] and found.twin[0] == "a-copy1.png"


def test_pictures_are_read_once(tmp_path, monkeypatch):
    table = rows([film(tmp_path / "a.png", 1)])
    duplicates.signatures(table, tmp_path / "kept")
    monkeypatch.setattr(duplicates.images, "open_radiograph", None)
    duplicates.signatures(table, tmp_path / "kept")
    monkeypatch.setattr(duplicates, "code", lambda *_: "other code")
    with pytest.raises(TypeError):
        duplicates.signatures(table, tmp_path / "kept")


def test_twins_are_searched_once_for_the_same_files(tmp_path, monkeypatch):
    twin = film(tmp_path / "a.png", 1)
    plant(tmp_path / "there", twin, "a.png")
    table = rows([twin, *sorted((tmp_path / "there").iterdir())])
    known = table.head(1).assign(name="a.png", augmented_from="")
    kept = tmp_path / "kept"
    first, reasons = duplicates.twins(table, kept), duplicates.unseen(table, known, kept)
    assert len(first) and (reasons.reason != "").any()
    monkeypatch.setattr(duplicates.matching, "same_radiograph", None)
    monkeypatch.setattr(duplicates.matching, "match", None)
    pd.testing.assert_frame_equal(duplicates.twins(table, kept), first)
    pd.testing.assert_frame_equal(duplicates.unseen(table, known, kept), reasons)
    with pytest.raises(TypeError):
        duplicates.twins(table.head(2), kept)


def test_training_records_all_that_it_saw(run):
    with user_error(r"seen.csv is not there.*03_training"):
        run.seen("squeezenet", 0)
    path = training.run(run, "squeezenet", 0) / "seen.csv"
    found = run.seen("squeezenet", 0)
    for phase, table in run.phases.items():
        part = found[found.phase == phase]
        assert set(part.image) == set(table.image) and set(part.sha1) == set(table.sha1)
    copies = found[found.augmented_from != ""]
    assert len(copies) and (copies.name == copies.augmented_from.str.split("/").str[-1]).all()
    assert "test" not in set(found.phase) and all(p.is_file() for p in found.path)
    assert "test" in set(
        duplicates.of_phases(changed(run, selection="test_accuracy").phases, run.data).phase
    )
    path.write_text(path.read_text().replace("train", "other"))
    with user_error("not whole"):
        run.seen("squeezenet", 0)
