"""Each image is opened once; its properties are the file's, and people's names stay where they are."""

import numpy as np
import pytest
from conftest import draw
from pictures import GREY, write_dicom
from PIL import Image

from imageaudit import inspection, patients


def test_facts_of_files_and_what_is_refused(tmp_path):
    draw(tmp_path / "a.png", 1)
    Image.fromarray(np.stack([GREY, GREY // 2, GREY], axis=2)).save(tmp_path / "b.jpg", quality=70)
    (tmp_path / "c.png").write_bytes(b"\x89PNG no")
    Image.fromarray(np.full((9, 9), 7, np.uint8)).save(tmp_path / "d.png")
    facts, pictures, refused = inspection.inspect([tmp_path / f"{n}" for n in ("a.png", "b.jpg", "c.png", "d.png", "e")], None)  # fmt: skip
    assert facts.index.tolist() == [0, 1, 3] and pictures.shape == (
        3,
        inspection.SIDE,
        inspection.SIDE,
    )
    assert facts["format"].tolist() == ["PNG", "JPEG", "PNG"]
    assert facts.colour.tolist() == ["grey", "coloured", "grey"]
    assert facts["empty"].tolist() == [False, False, True]
    assert facts["JPEG quantisation"][1] > 10 and facts["JPEG quantisation"][0] == ""
    assert len(refused) == 2 and "c.png" in refused[0] and "e" in refused[1]


def test_dicom_tags_without_names(tmp_path):
    path = write_dicom(tmp_path / "x", (16 * GREY.astype(np.uint16)), Manufacturer="Maker",
                       PatientName="Doe^Jane", PatientID="77", PatientAge="041Y", StudyDate="20200131",
                       ReferringPhysicianName="Anonymous", PixelSpacing=[0.2, 0.2])  # fmt: skip
    told, _ = inspection.inspect_image(path)
    assert told["format"] == "DICOM" and told["tags"]["manufacturer"] == "Maker"
    assert told["tags"]["age"] == "41" and told["tags"]["acquisition year"] == "2020"
    assert told["tags"]["pixel spacing"] == "0.2"
    assert told["naming"] == ["PatientName"] and "Doe" not in str(told)
    assert told["patient"] not in ("", "77")


def test_what_was_seen_is_kept_and_a_changed_file_is_seen_anew(tmp_path, monkeypatch):
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for i, path in enumerate(paths):
        draw(path, i)
    monkeypatch.setattr(inspection, "CHUNK", 2)
    first = inspection.inspect(paths, tmp_path / "kept")
    opened, inspect_image = [], inspection.inspect_image
    monkeypatch.setattr(
        inspection, "inspect_image", lambda path: opened.append(path) or inspect_image(path)
    )
    again = inspection.inspect(paths, tmp_path / "kept")
    assert not opened and again[0].equals(first[0]) and np.array_equal(again[1], first[1])
    draw(paths[4], 9, size=96)
    assert inspection.inspect(paths, tmp_path / "kept")[0].width[4] == 96 and opened == [paths[4]]


@pytest.mark.parametrize("value", ["", "Anonymous", "^", "REMOVED", "0000"])
def test_emptied_tags_name_nobody(value):
    assert patients.is_emptied(value)


@pytest.mark.parametrize("value", ["ANONYMOUS", "0000", "REMOVED", "none", ""])
def test_a_patient_id_that_names_nobody_is_no_patient(tmp_path, value):
    path = write_dicom(tmp_path / "x", 16 * GREY.astype(np.uint16), PatientID=value)
    assert inspection.inspect_image(path)[0]["patient"] == ""


def test_a_pseudonym_is_a_patient(tmp_path):
    path = write_dicom(tmp_path / "x", 16 * GREY.astype(np.uint16), PatientID="Anon-0042")
    assert inspection.inspect_image(path)[0]["patient"] != ""
