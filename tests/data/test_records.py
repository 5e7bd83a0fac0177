"""records.py: tables beside the images, file names and DICOM headers tell patients and findings."""

import shutil

import numpy as np
import pytest
from conftest import draw, user_error
from pictures import RAMP, write_dicom

from deepcovid.data import manifest, records

COVID = "name,patientid,sex,age,view,modality"
CHEXPERT = "name,Sex,Age,AP/PA"


@pytest.fixture
def own(data, tmp_path):
    """A copy of the shared data folder that a test may spoil."""
    return shutil.copytree(data, tmp_path / "own")


def write(folder, file, *lines):
    (folder / file).write_text("\n".join(lines) + "\n")


def rows(folder) -> dict[str, dict]:
    return manifest.make(folder, 0).set_index("image").to_dict("index")


def test_class_and_patient_come_from_the_class_folder_and_the_path(own):
    draw(own / "train" / "covid" / "hospital A" / "001.png", 901)
    draw(own / "train" / "covid" / "hospital B" / "001.png", 902)
    draw(own / "train" / "non" / "hospital A" / "001.png", 903)
    draw(own / "test" / "non" / "001.png", 904)
    write(own, "covid-metadata.csv", COVID, "train/covid/hospital B/001.png,17,M,60,PA,X-ray")
    table = rows(own)
    found = {image: row for image, row in table.items() if image.endswith("001.png")}
    assert [row["label"] for row in found.values()] == [0, 1, 1, 0]
    assert len({row["patient"] for row in found.values()}) == 4
    assert found["train/covid/hospital A/001.png"]["finding"] == "COVID-19"
    assert found["train/covid/hospital B/001.png"]["patient"] == "covid-chestxray 17"
    assert found["train/non/hospital A/001.png"]["source"] == "hospital A"
    # many images of one name are no reason to refuse a validation split
    held_out = manifest.make(own, 0.3)
    assert (held_out.split == "validation").any()


def test_one_name_for_several_images_is_refused(own):
    for hospital in "AB":
        draw(own / "train" / "covid" / hospital / "001.png", 901 + ord(hospital))
    write(own, "covid-metadata.csv", COVID, "001.png,17,M,60,PA,X-ray")
    with user_error("several images.*train/covid/A/001.png, train/covid/B/001.png"):
        manifest.make(own, 0)
    (own / "covid-metadata.csv").unlink()
    write(own, "patients.csv", "name,patient", "001.png,17")
    with user_error("patients.csv.*several images"):
        manifest.make(own, 0)


@pytest.mark.parametrize("word", [" ", "NA", "nan", "N/A", "unknown"])
def test_a_patient_without_a_name_is_no_patient(own, word):
    names = [f"scan {i}.png" for i in range(3)]
    for i, name in enumerate(names):
        draw(own / "train" / "covid" / name, 900 + i)
    write(own, "covid-metadata.csv", COVID, *(f"{n},{word},M,60,PA,X-ray" for n in names))
    write(own, "patients.csv", "name,patient", *(f"{n},{word}" for n in names))
    patients = {row["patient"] for image, row in rows(own).items() if "scan" in image}
    assert len(patients) == 3
    assert {row["patient"] for row in records.read(own / "patients.csv").values()} == {""}


def test_a_series_by_days_is_of_one_patient_in_its_folder_alone(own):
    for i, place in enumerate(("a/x-day1", "a/x-day12", "b/x-day1", "a/y-day1")):
        draw(own / "train" / "covid" / f"{place}.png", 900 + i)
    of = {image: row["patient"] for image, row in rows(own).items() if "-day" in image}
    assert of["train/covid/a/x-day1.png"] == of["train/covid/a/x-day12.png"]
    assert len(set(of.values())) == 3


def test_one_patients_table_for_both_classes(own):
    covid, non = (sorted((own / "train" / name).iterdir())[-3:] for name in ("covid", "non"))
    write(own, "patients.csv", "image,patient", f"train\\covid\\{covid[0].name},7",
          f"train/non/{non[0].name}, 7", f"train/non/{non[1].name},8", f"train/non/{non[2].name},")  # fmt: skip
    table = rows(own)
    assert table[f"train/covid/{covid[0].name}"]["patient"] == "listed 7"
    assert table[f"train/non/{non[0].name}"]["patient"] == "listed 7"
    assert table[f"train/non/{non[1].name}"]["patient"] == "listed 8"
    assert "phantom" in table[f"train/non/{non[2].name}"]["patient"]
    write(own, "patients.csv", "name,patient_id", f"{covid[1].name},9")
    assert rows(own)[f"train/covid/{covid[1].name}"]["patient"] == "listed 9"


def test_a_patient_of_both_classes_stays_in_one_split(own):
    images = [f"train/{p.parent.name}/{p.name}" for p in (own / "train").glob("*/*.png")]
    number = {image: i % 6 for i, image in enumerate(sorted(images))}
    write(own, "patients.csv", "image,patient", *(f"{k},{v}" for k, v in number.items()))
    for seed in range(5):
        table = manifest.make(own, 0.3, seed)
        train, held_out = (table[table.split == split] for split in ("train", "validation"))
        assert not set(train.patient) & set(held_out.patient)
        assert set(train.label) == set(held_out.label) == {0, 1}
        assert held_out.patient.nunique() == 2  # 30% of six, not of each class anew
    write(own, "patients.csv", "image,patient", *(f"{k},7" for k in number))
    with user_error(r"too few patients \(1\).*patients.csv"):
        manifest.make(own, 0.5)


def test_the_dicom_header_tells_the_patient_but_not_the_number(own):
    stored = np.rint(4095 * RAMP).astype(np.uint16)
    for place, number in (("train/covid/a", "Doe 1"), ("train/non/b", "Doe 1"), ("train/non/c", "2"),
                          ("train/non/d", ""), ("train/non/e", "")):  # fmt: skip
        write_dicom(own / f"{place}.dcm", stored, PatientID=number)
    of = {image: row["patient"] for image, row in rows(own).items() if image.endswith(".dcm")}
    a, b, c, d, e = (of[image] for image in sorted(of, key=lambda image: image[-5:]))
    assert a == b and len({a, c, d, e}) == 4
    assert not any("Doe" in patient for patient in of.values())
    write(own, "patients.csv", "name,patient", "a.dcm,9")
    assert rows(own)["train/covid/a.dcm"]["patient"] == "listed 9"


def test_findings_go_by_their_columns_names_however_they_are_written(own):
    folder = own / "train" / "non"
    for i in range(4):
        draw(folder / f"patient0000{i}-study1-view1_frontal.png", 900 + i)
    draw(folder / "mine.png", 910)
    write(own, "chexpert-metadata.csv", f"Edema,No Finding,{CHEXPERT},Fracture,Device maker",
          "1,0,patient00000-study1-view1_frontal.png,Male,60,AP,True,1",
          "1.0,,patient00001-study1-view1_frontal.png,Male,60,AP,-1.0,1",
          ",1,patient00002-study1-view1_frontal.png,Male,60,AP,0.0,1",
          ",,patient00003-study1-view1_frontal.png,Male,60,AP,,1",
          ",,mine.png,Male,60,AP,1,")  # fmt: skip
    found = {image: row["finding"] for image, row in rows(own).items()}
    shown = [found[f"train/non/patient0000{i}-study1-view1_frontal.png"] for i in range(4)]
    assert shown == ["Edema; Fracture", "Edema", "No Finding", "not stated"]
    assert found["train/non/mine.png"] == "Fracture"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read as a table"),
        (b"name,Sex,Age,AP/PA\n\xff\xfe\n", "cannot be read as a table: .utf-8. codec"),
        (b"name;Sex;Age;AP/PA\nx.png;Male;1;AP\n", "lacks name, Sex, .*; it has 'name;Sex;Age"),
        (b"name,Sex,Age,AP/PA\nx.png,Male,1,AP\n x.png,Male,1,AP\n", "lists more than once: x.png"),
    ],
)
def test_a_bad_table_is_refused_before_any_image_is_read(own, monkeypatch, content, reason):
    monkeypatch.setattr(records, "dicom_patient", pytest.fail)
    (own / "chexpert-metadata.csv").write_bytes(content)
    with user_error(f"chexpert-metadata.csv {reason}"):
        manifest.make(own, 0)
    write(own, "chexpert-metadata.csv", CHEXPERT)
    write(own, "patients.csv", "picture,patient", "x.png,1")
    with user_error("patients.csv lacks name"):
        manifest.make(own, 0)


def test_a_patients_table_about_other_images_is_refused(own):
    write(own, "patients.csv", "image,patient", "mine/train/covid/x.png,1")
    with user_error("names no image that is here; they are called like train/"):
        manifest.make(own, 0)


def test_rows_of_a_patients_table_that_name_no_image_are_said(own, capsys):
    name = sorted((own / "train" / "covid").iterdir())[0].name
    write(own, "patients.csv", "image,patient", f"{name},1", f"train/covid/{name},1")
    rows(own)
    assert "no image" not in capsys.readouterr().out
    write(own, "patients.csv", "image,patient", f"{name},1", "train/covid/gone.png,2", "x.png,3")
    rows(own)
    assert "2 of 3 rows name no image that is here; the first is train/covid/gone.png" in capsys.readouterr().out  # fmt: skip


def test_tables_from_spreadsheets_are_read(own):
    name = sorted((own / "train" / "covid").iterdir())[0].name
    (own / "patients.csv").write_bytes(f"name,patient\r\n{name},7\r\n".encode("utf-8-sig"))
    assert rows(own)[f"train/covid/{name}"]["patient"] == "listed 7"
