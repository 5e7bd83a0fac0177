"""Folders and tables of any user become one table, or a message that says what is wrong."""

import pandas as pd
import pytest
from conftest import draw, user_error

from imageaudit import dataset as datasets
from imageaudit import patients
from imageaudit.dataset import Options


def test_a_folder_of_classes(dataset):
    found = datasets.read(dataset(("a", "b", "c"), 2))
    assert found.table.label.tolist() == ["a", "a", "b", "b", "c", "c"]
    assert set(found.table.split) == {""} and set(found.table.patient) == {""}
    assert found.table.image[0] == "a/1-0.png" and found.table.path[0].is_file()


def test_splits_above_the_classes_and_what_lies_beside_them(dataset):
    folder = dataset(splits=("Training", "val", "test"), count=1)
    draw(folder / "notes" / "x.png", 0)
    draw(folder / "test" / "loose.png", 0)
    draw(folder / "test" / "lung-masks" / "x.png", 0)
    found = datasets.read(folder)
    assert found.table.groupby("split").size().to_dict() == {"train": 2, "validation": 2, "test": 2}
    told = " ".join(found.notes)
    assert "notes" in told and "loose.png" in told and "lung-masks" in told


def test_classes_that_are_asked_for(dataset):
    folder = dataset(("left", "right", "up"), 1)
    assert set(datasets.read(folder, Options(("left", "up"))).table.label) == {"left", "up"}
    with user_error("no class 'right2'. Did you mean right"):
        datasets.read(folder, Options(("left", "right2")))


@pytest.mark.parametrize(
    "name, patient",
    [
        ("a/patient00012/study1/view1.jpg", "patient00012"),
        ("sub-07_xray.png", "sub-07"),
        ("sub-solid/1.png", ""),
        ("00001280_004.png", "ChestX-ray14 00001280"),
        ("fever-day3.png", "series fever"),
        ("1.png", ""),
    ],
)
def test_whose_an_image_is_by_its_name(name, patient):
    assert patients.by_name(name) == patient


def table_of(folder, **columns):
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    table = pd.DataFrame({"path": names, "label": [n.split("/")[0] for n in names], **columns})
    table.to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def test_a_table_with_further_columns(dataset):
    folder = dataset(count=2)
    file = table_of(
        folder, **{"Patient ID": [1, 1, 2, 3], "site": list("xxyy"), "note": list("abcd")}
    )
    found = datasets.read(file, Options(ignore=("note",)))
    assert found.columns == ("site",) and found.table["column site"].tolist() == list("xxyy")
    assert found.table.patient.tolist() == ["Patient ID 1"] * 2 + ["Patient ID 2", "Patient ID 3"]


def test_columns_may_be_called_like_ours(dataset):
    folder = dataset(count=2)
    file = table_of(folder, image=list("abcd"), Label=list("efgh"), Patient=list("ijkl"), sha1="x")
    found = datasets.read(file)
    assert found.columns == ("image", "Label", "sha1") and found.table.label[0] == "left"


def test_a_table_with_semicolons_names_alone_and_files_that_are_missing(dataset):
    folder = dataset(count=2)
    rows = ["Image Index;Finding", "1-0.png;left", "gone.png;left", "3-0.png;right", "4-1.png;"]
    (folder / "t.csv").write_text("\n".join(rows))
    found = datasets.read(folder / "t.csv")
    assert found.missing == ("gone.png",) and found.table.label.tolist() == ["left", "right"]
    assert "1 rows have no label" in " ".join(found.notes)


@pytest.mark.parametrize(
    "text, match",
    [
        ("path,kind\na.png,x\n", "no column 'label'. Its columns are: path, kind"),
        ("path,label\n", "has no rows"),
        ("path,label\na.png,x\nb.png,y\n", "None of the 2 files .* is there; the first is a.png"),
        ("path,label\na.png,x\na.png,y\n", "gives images more than one label: a.png"),
        ("path,label,split\na.png,x,fold 1\n", "a split is train, validation or test"),
        ("", "cannot be read as a table"),
        ('path,label\n"a', "cannot be read as a table"),
    ],
)
def test_tables_that_are_refused(tmp_path, text, match):
    (tmp_path / "t.csv").write_text(text)
    with user_error(match):
        datasets.read(tmp_path / "t.csv")


def test_folders_that_are_refused(tmp_path):
    with user_error("There is no"):
        datasets.read(tmp_path / "nothing")
    with user_error("of no class: two are needed"):
        datasets.read(tmp_path)
    draw(tmp_path / "one" / "x.png", 0)
    with user_error("of one class only, 'one': two are needed"):
        datasets.read(tmp_path)
    (tmp_path / "latin.csv").write_bytes("path,label\na.png,Müll\n".encode("latin-1"))
    with user_error("not in UTF-8"):
        datasets.read(tmp_path / "latin.csv")
