"""The tables and folders of the best-known public datasets, as small stand-ins."""

import gzip
import os
from collections import Counter

import pytest
from conftest import user_error
from labelled import classes, put, told, write

from imageaudit import dataset
from imageaudit.dataset import Options


@pytest.fixture
def chexpert(tmp_path):
    folder = tmp_path / "CheXpert-v1.0-small"
    names = [f"patient0000{i}/study1/view1_frontal.jpg" for i in range(1, 6)]
    put(folder, *(f"train/{name}" for name in names))
    values = ("1.0,0.0", "0.0,1.0", "-1.0,", ",1.0", "1.0,")
    rows = [f"CheXpert-v1.0-small/train/{n},Male,{v}" for n, v in zip(names, values, strict=True)]
    return write(folder / "train.csv", "Path,Sex,Edema,Pleural Effusion", *rows)


def test_chexpert(chexpert):
    found = dataset.read(chexpert, Options(label="Edema"))
    assert classes(found) == {"Edema": 2, "no Edema": 2} and found.columns[0] == "Sex"
    assert found.table.patient.tolist() == ["patient00001", "patient00002", "patient00004", "patient00005"]  # fmt: skip
    assert "1 uncertain" in told(found) and "1 blank rows count as 0" in told(found)
    with user_error("no column 'label'.*--label 'Pleural Effusion'"):
        dataset.read(chexpert)


def test_chestxray14(tmp_path):
    names = [f"0000000{i}_00{j}.png" for i in (1, 2, 3) for j in (0, 1)]
    put(tmp_path, *(f"images_00{1 + i % 2}/images/{name}" for i, name in enumerate(names)))
    labels = ["Effusion|Infiltration", "Effusion", "No Finding", "Infiltration", "Effusion|Mass",
              "No Finding"]  # fmt: skip
    rows = [f"{n},{w},{n[9:12]},{n[:8]},PA,," for n, w in zip(names, labels, strict=True)]
    header = "Image Index,Finding Labels,Follow-up #,Patient ID,View Position,Spacing,"
    table = write(tmp_path / "Data_Entry_2017.csv", header, *rows)
    found = dataset.read(table, Options(label="Effusion"))
    assert classes(found) == {"Effusion": 3, "no Effusion": 3}
    assert found.table.patient.nunique() == 3 and "column 7" not in " ".join(found.columns)
    assert not found.missing
    with user_error("several labels, such as 'Effusion.Infiltration'.*--label FINDING"):
        dataset.read(table)


def test_rsna(tmp_path):
    put(tmp_path, *(f"stage_2_train_images/000{i}-aa.png" for i in range(4)))
    rows = ["0000-aa,1,2,3,4,1", "0000-aa,5,6,7,8,1", "0001-aa,,,,,0", "0002-aa,1,1,2,2,1",
            "0003-aa,,,,,0"]  # fmt: skip
    table = write(tmp_path / "stage_2_train_labels.csv", "patientId,x,y,width,height,Target", *rows)
    found = dataset.read(table)
    assert classes(found) == {"1": 2, "0": 2} and "1 further rows" in told(found)
    write(table, "patientId,Target", "0000-aa,1", "0000-aa,0", "0001-aa,0")
    with user_error("more than one label: 0000-aa"):
        dataset.read(table)


def test_covid_chestxray(tmp_path):
    put(tmp_path, *(f"images/{i}.png" for i in range(4)))
    rows = [f'{i},{w},images,{i}.png,"seen, noted"' for i, w in enumerate(
        ("Pneumonia/Viral/COVID-19", "Pneumonia", "Pneumonia/Viral/SARS", "No Finding"))]  # fmt: skip
    table = write(tmp_path / "metadata.csv", "patientid,finding,folder,filename,notes", *rows)
    found = dataset.read(table, Options(label="COVID-19"))
    assert classes(found) == {"COVID-19": 1, "no COVID-19": 3} and len(found.table) == 4
    found = dataset.read(table, Options(label="finding=Viral"))
    assert classes(found) == {"Viral": 2, "no Viral": 2}


def test_covidx_has_no_header_and_blanks_in_names(tmp_path):
    names = ("a (1).png", "b.png", "COVID 12.png", "c.png")
    put(tmp_path, *(f"train/{name}" for name in names))
    rows = [f"{i} {n} {w} cohen" for i, (n, w) in enumerate(zip(names, ("positive", "negative") * 2, strict=True))]  # fmt: skip
    table = write(tmp_path / "train.txt", *rows)
    found = dataset.read(table, Options(label="3", patient="1"))
    assert sorted(found.table.image) == sorted(names) and classes(found) == {"positive": 2, "negative": 2}  # fmt: skip
    assert found.table.patient.nunique() == 4 and "no header" in told(found)
    with user_error("no header; its first row is 1 = 0, 2 = a"):
        dataset.read(table)


def test_mimic_joins_its_tables(tmp_path):
    ids = [(f"p10/p1000000{i}/s5000000{i}", f"d{i}-e", i) for i in range(4)]
    put(tmp_path, *(f"files/{folder}/{name}.jpg" for folder, name, _ in ids))
    study = [f"1000000{i},5000000{i}" for *_, i in ids]
    split = write(tmp_path / "split.csv", "dicom_id,study_id,subject_id,split",
                  *(f"{n},5000000{i},1000000{i},{'test' if i > 1 else 'train'}" for _, n, i in ids))  # fmt: skip
    labels = write(tmp_path / "chexpert.tsv", "subject_id\tstudy_id\tEdema",
                   *(s.replace(",", "\t") + f"\t{i % 2}.0" for i, s in enumerate(study)))  # fmt: skip
    found = dataset.read(split, Options(label="Edema", join=(str(labels),)))
    assert classes(found) == {"Edema": 2, "no Edema": 2}
    assert found.table.split.tolist() == ["train", "train", "test", "test"]
    assert found.table.patient[0] == "subject_id 10000000" and "4 of 4 rows" in told(found)


@pytest.mark.parametrize(
    "text, columns",
    [
        ("path,label\n0.png,a,\n1.png,b,\n", ()),  # trailing delimiters
        ("sep=;\npath;label;age\n0.png;a;3\n1.png;b;3,5\n", ("age",)),
        (",path,label\n0,0.png,a\n1,1.png,b\n", ()),  # a row counter without a name
        ("path\tlabel\n0\ta\n1\tb\n", ()),
        ("path label\n0.PNG a\n1.PNG b\n", ()),
        ("image,label\n0,a\n1,b\n", ()),
        ("path|label|site\n0.png|a|x\n1.png|b|y\n", ("site",)),
    ],
)
def test_separators_and_names_without_ending(tmp_path, text, columns):
    put(tmp_path, "0.png", "1.png", "2.png")
    (tmp_path / "t.csv").write_text(text)
    found = dataset.read(tmp_path / "t.csv")
    assert classes(found) == {"a": 1, "b": 1} and found.columns == columns
    assert "1 images of the folder stand in no row" in told(found)
    if columns == ("age",):
        assert found.table["column age"].tolist() == ["3", "3.5"]


def test_spellings_of_one_label_and_of_one_patient(tmp_path):
    put(tmp_path, *(f"{i}.png" for i in range(6)))
    rows = ["0.png,Normal,007", "1.png,normal ,7", "2.png,NORMAL,7.0", "3.png,ill,8", "4.png,nan,9",
            "5.png,NA,10"]  # fmt: skip
    found = dataset.read(write(tmp_path / "t.csv", "path,label,patient", *rows))
    assert sorted(classes(found).values()) == [1, 3] and "2 rows have no label" in told(found)
    assert found.table.patient.nunique() == 2


def test_more_than_twenty_classes_are_asked_about(tmp_path):
    put(tmp_path, *(f"{i}.png" for i in range(21)))
    table = write(tmp_path / "t.csv", "path,label", *(f"{i}.png,kind {i}" for i in range(21)))
    with user_error("has 21 classes.*--classes A,B"):
        dataset.read(table)
    assert len(classes(dataset.read(table, Options(("kind 1", "kind 2"))))) == 2


def test_images_elsewhere_and_paths_of_any_length(tmp_path):
    put(tmp_path, "far/a/0.png", "far/b/0.png")
    table = write(tmp_path / "near" / "t.csv", "path,label", "a/0.png,x", "b/0.png,y", "c" * 5000 + ",y")  # fmt: skip
    found = dataset.read(table, Options(images=str(tmp_path / "far")))
    assert [path.parent.name for path in found.table.path] == ["a", "b"] and len(found.missing) == 1
    with user_error("There is no"):
        dataset.read("x" * 5000)


def test_masks_beside_the_images_are_no_images(tmp_path):
    for kind in ("COVID", "Normal"):
        put(tmp_path, *(f"{kind}/{part}/{kind}-{i}.png" for part in ("images", "masks") for i in (1, 2)))  # fmt: skip
        put(tmp_path, f"{kind}/lung masks/1.png", f"{kind}/images/{kind}-1_mask.png")
    found = dataset.read(tmp_path)
    assert classes(found) == {"COVID": 2, "Normal": 2}
    assert "Masks are no images, left out: 4 in COVID" in told(found)


def test_kermany_one_wrapper_too_many_and_patients_in_names(tmp_path):
    for split in ("train", "test"):
        put(tmp_path / "chest_xray" / split, "PNEUMONIA/person1_bacteria_1.png",
            "NORMAL/IM-0115-0001.jpeg", "NORMAL/IM-0115-0002.jpeg")  # fmt: skip
    with user_error("chest_xray has: audit that"):
        dataset.read(tmp_path)
    found = dataset.read(tmp_path / "chest_xray")
    assert set(found.table.patient) == {"person1", "im-0115"}


@pytest.mark.parametrize(
    "name, patient",
    [
        ("a/sub-S03044_ses-E07985_run-1_vp-ap_cr.png", "sub-s03044"),
        ("p10/p10000032/s50414267/02aa804e.jpg", "p10000032"),
        ("train/PNEUMONIA/person1007_virus_1690.jpeg", "person1007"),
        ("x/NORMAL2-IM-0285-0001.jpeg", "normal2-im-0285"),
        ("train/NORMAL/NORMAL-1003233-0001.jpeg", "1003233"),
        ("CNV/CNV-1016042-2.jpeg", "1016042"),
        ("x/submarine.png", ""),
        ("x/p1/1.png", ""),
    ],
)
def test_patients_in_names(name, patient):
    assert dataset.patients.by_name(name) == patient


def test_a_pattern_says_patient_and_split(tmp_path):
    put(tmp_path, *(f"{c}/{s}-{c}{i}-x.png" for c in "ab" for s in ("train", "test") for i in (1, 2)))  # fmt: skip
    found = dataset.read(tmp_path, Options(patient=r"-(\w\d)-", split=r"(train|test)-"))
    assert set(found.table.patient) == {"a1", "a2", "b1", "b2"}
    assert Counter(found.table.split) == {"train": 4, "test": 4}


def test_classes_above_splits(tmp_path):
    put(tmp_path, *(f"{c}/{s}/{i}.png" for c in ("COVID", "Normal") for s in ("train", "test") for i in (1, 2)))  # fmt: skip
    assert Counter(dataset.read(tmp_path).table.split) == {"train": 4, "test": 4}


def test_links_are_followed_once_and_what_is_no_image_is_named(tmp_path):
    put(tmp_path, "store/a/1.png", "data/b/1.png")
    (tmp_path / "data" / "a").mkdir()
    (tmp_path / "data" / "a" / "sub").symlink_to(tmp_path / "store" / "a")
    (tmp_path / "store" / "a" / "back").symlink_to(tmp_path / "data" / "a")
    (tmp_path / "data" / "c").mkdir()
    for ending in ("avif", "jp2", "npy", "nii.gz"):
        (tmp_path / "data" / "b" / f"x.{ending}").write_bytes(b"something")
    found = dataset.read(tmp_path / "data")
    assert classes(found) == {"a": 1, "b": 1} and "There is no image in c" in told(found)
    for ending in (".avif", ".jp2", ".npy", ".nii.gz"):
        assert f"1 {ending}" in told(found)


def test_names_that_are_no_utf_8(tmp_path):
    put(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a" / "1.png").rename(tmp_path / "a" / os.fsdecode(b"caf\xe9.png"))
    found = dataset.read(tmp_path)
    assert found.table.image[0].encode("utf-8") and found.table.path[0].is_file()


@pytest.mark.parametrize("packed", [False, True])
def test_padchest_holds_lists_in_its_cells(tmp_path, packed):
    put(tmp_path, *(f"{i % 2}/21684_{i}.png" for i in range(4)))
    said = ("['normal']", "['pleural effusion', 'cardiomegaly']", "['cardiomegaly']", "[]")
    rows = [f'{i},21684_{i}.png,{i % 2},84{i // 2}.0,"{w}"' for i, w in enumerate(said)]
    table = write(tmp_path / "PADCHEST.csv", ",ImageID,ImageDir,PatientID,Labels", *rows)
    if packed:
        table = table.with_suffix(".csv.gz")
        table.write_bytes(gzip.compress((tmp_path / "PADCHEST.csv").read_bytes()))
    found = dataset.read(table, Options(label="cardiomegaly"))
    assert classes(found) == {"cardiomegaly": 2, "no cardiomegaly": 1}
    assert found.table.patient.nunique() == 2
    with user_error("several labels.*frequent are: cardiomegaly, normal"):
        dataset.read(table)


def test_vindr_has_a_row_for_each_reader_or_box(tmp_path):
    put(tmp_path, *(f"train/{c}.png" for c in "abcd"))
    votes = {"a": "110", "b": "111", "c": "000", "d": "001"}
    rows = [f"{c},R{i},{v}" for c, given in votes.items() for i, v in enumerate(given)]
    table = write(tmp_path / "image_labels_train.csv", "image_id,rad_ID,Cardiomegaly", *rows)
    found = dataset.read(table, Options(label="Cardiomegaly"))
    assert found.table.label.tolist() == ["Cardiomegaly"] * 2 + ["no Cardiomegaly"] * 2
    assert "Readers (rad_ID) differ on 2 images: the majority" in told(found)
    rows = ["a,Cardiomegaly,1", "a,Mass,2", "b,No finding,1", "c,Mass,1", "d,Cardiomegaly,1"]
    table = write(tmp_path / "train.csv", "image_id,class_name,rad_id", *rows)
    found = dataset.read(table, Options(label="Cardiomegaly"))
    assert classes(found) == {"Cardiomegaly": 2, "no Cardiomegaly": 2}
    with user_error("more than one label: a"):
        dataset.read(table)


def test_bids_names_folders_of_participants_and_sessions(tmp_path):
    names = [f"sub-S{i}/ses-E{i}/mod-rx/sub-S{i}_ses-E{i}_run-{r}_cr.png" for i in range(4) for r in (1, 2)]  # fmt: skip
    put(tmp_path, *names)
    rows = [f"sub-S{i}\tses-E{i}\t['{('pneumonia', 'normal')[i % 2]}', 'x']" for i in range(4)]
    table = write(tmp_path / "labels.tsv", "PatientID\tReportID\tLabels", *rows)
    found = dataset.read(table, Options(label="pneumonia"))
    assert classes(found) == {"pneumonia": 4, "no pneumonia": 4}
    assert found.table.patient.nunique() == 4
    people = write(tmp_path / "participants.tsv", "participant_id\tgroup", *(f"sub-S{i}\t{i % 2}" for i in range(4)))  # fmt: skip
    scans = write(tmp_path / "scans.tsv", "filename\tview", *(f"{name}\tpa" for name in names))
    found = dataset.read(scans, Options(label="group", join=(str(people),)))
    assert classes(found) == {"no group": 4, "group": 4} and "8 of 8 rows" in told(found)


def test_a_study_has_several_images_and_is_a_folder_or_a_key(tmp_path):
    put(tmp_path, *(f"files/p10/p1000/s500{i}/{i}{v}.jpg" for i in range(2) for v in "ab"))
    studies = write(tmp_path / "chexpert.csv", "subject_id,study_id,Edema", "1000,5000,1.0", "1000,5001,0.0")  # fmt: skip
    split = write(tmp_path / "split.csv", "dicom_id,study_id,subject_id,split",
                  *(f"{i}{v},500{i},1000,{'validate' if i else 'train'}" for i in range(2) for v in "ab"))  # fmt: skip
    found = dataset.read(studies, Options(label="Edema", join=(str(split),)))
    assert classes(found) == {"Edema": 2, "no Edema": 2}
    assert Counter(found.table.split) == {"train": 2, "validation": 2}
    found = dataset.read(studies, Options(label="Edema"))
    assert classes(found) == {"Edema": 2, "no Edema": 2} and "folder that 'study_id'" in told(found)
    twice = write(tmp_path / "two.csv", "study_id,Edema", "5000,1", "5001,0", "5001,1")
    more = write(tmp_path / "three.csv", "study_id,site", "5000,x", "5001,y", "5001,z")
    with user_error("says different things of 5001"):
        dataset.read(twice, Options(label="Edema", join=(str(more),)))


def test_parts_of_one_table_and_lists_of_a_split(tmp_path):
    put(tmp_path, *(f"images_001/images/0000000{i}_000.png" for i in range(6)))
    head = "Image Index,Finding Labels"
    rows = [f"0000000{i}_000.png,{'Mass' if i % 2 else 'No Finding'}" for i in range(6)]
    table = write(tmp_path / "Data_Entry.csv", head, *rows)
    for name, part in (("train_val_list", rows[:4]), ("test_list", rows[4:])):
        write(tmp_path / f"{name}.txt", *(row.split(",")[0] for row in part))
    lists = tuple(str(tmp_path / f"{name}.txt") for name in ("train_val_list", "test_list"))
    assert Counter(dataset.read(table, Options(join=lists)).table.split) == {"train": 4, "test": 2}
    for name, part in (("train", rows[:3]), ("valid", rows[3:])):
        write(tmp_path / f"{name}.csv", head, *part)
    found = dataset.read(tmp_path / "train.csv", Options(join=(str(tmp_path / "valid.csv"),)))
    assert Counter(found.table.split) == {"train": 3, "validation": 3}
    with user_error("images_001.*It holds tables.*Data_Entry.csv"):
        put(tmp_path, "images_002/images/x.png")
        dataset.read(tmp_path)


@pytest.mark.parametrize(
    "names, splits",
    [
        ("{s}_images/{c}/{i}.png", ("train", "test")),
        ("{c}/{s}/{i}.png", ("Training Set", "holdout")),
        ("stage_2_{s}_images/{c}/{i}.png", ("train", "test")),
    ],
)
def test_folders_that_name_a_split(tmp_path, names, splits):
    put(tmp_path, *(names.format(s=s, c=c, i=i) for s in splits for c in "ab" for i in (1, 2)))
    found = dataset.read(tmp_path)
    assert classes(found) == {"a": 4, "b": 4}
    assert Counter(found.table.split) == {"train": 4, "test": 4}


def test_masks_have_many_names_and_segmentation_data_holds_images(tmp_path):
    room = tmp_path / "Lung Segmentation Data" / "Train"
    for kind in ("COVID-19", "Normal"):
        put(
            room,
            *(f"{kind}/{part}/1.png" for part in ("images", "lung masks", "annotations", "GT")),
        )
        put(room, f"{kind}/images/1-seg.png", f"{kind}/images/1_GT.png")
    assert classes(dataset.read(room.parent)) == {"COVID-19": 1, "Normal": 1}


@pytest.mark.parametrize(
    "text, columns",
    [
        ("sep=\t\npath\tlabel\n0.png\ta\n1.png\tb\n", {}),
        ("path;label;dose\n0.png;a;1.234,5\n1.png;b;2.000,0\n", {"dose": ["1234.5", "2000.0"]}),
        ("index,path,label\n7,0.png,a\n8,1.png,b\n", {}),
        ("path,label,note\n0.png,a,x\u2028y\n1.png,b,z\n", {"note": ["x\u2028y", "z"]}),
        ("id,label\n0,a\n1,b\n", {}),
    ],
)
def test_odd_columns(tmp_path, text, columns):
    put(tmp_path, "0.png", "1.png")
    (tmp_path / "t.csv").write_text(text)
    found = dataset.read(tmp_path / "t.csv")
    assert classes(found) == {"a": 1, "b": 1} and list(found.columns) == list(columns)
    for name, values in columns.items():
        assert found.table[f"column {name}"].tolist() == values


def test_patients_of_no_name_and_a_split_without_one(tmp_path):
    put(tmp_path, *(f"{i}.png" for i in range(4)))
    people = ("ANONYMOUS", "none", "0000", "Anon-0042")
    rows = [
        f"{i}.png,{'ab'[i % 2]},{p},{'TRAIN' if i < 2 else 'TEST'}" for i, p in enumerate(people)
    ]
    found = dataset.read(write(tmp_path / "t.csv", "path,label,PatientID,Dataset_type", *rows))
    assert found.table.patient.tolist() == ["", "", "", "PatientID Anon-0042"]
    assert Counter(found.table.split) == {"train": 2, "test": 2}
    write(tmp_path / "t.csv", "path,label,PatientID", *(f"{i}.png,{'ab'[i % 2]},{i}" for i in range(4)))  # fmt: skip
    assert dataset.read(tmp_path / "t.csv").table.patient.nunique() == 4
