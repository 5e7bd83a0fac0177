"""More layouts of folders and tables, each for its kind."""

from collections import Counter

import pytest
from conftest import user_error
from labelled import classes, put, told, write

from deepcovid import audit
from imageaudit import dataset
from imageaudit.dataset import Options


def test_covid_qu_ex_holds_two_datasets(tmp_path):
    for top in ("Infection Segmentation Data", "Lung Segmentation Data"):
        for split in ("Train", "Val", "Test"):
            for kind in ("COVID-19", "Non-COVID", "Normal"):
                put(tmp_path / top / split / kind, "images/1.png", "lung masks/1.png", "infection masks/1.png")  # fmt: skip
    with user_error("splits and classes of their own: .*Infection Segmentation Data, .*Lung"):
        dataset.read(tmp_path)
    found = dataset.read(tmp_path / "Infection Segmentation Data")
    assert set(classes(found).values()) == {3} and set(Counter(found.table.split).values()) == {3}
    asked = Options(("Infection Segmentation Data", "Lung Segmentation Data"))
    assert set(classes(dataset.read(tmp_path, asked)).values()) == {9}


def test_a_dataset_beside_another_folder_is_no_class(tmp_path):
    put(tmp_path, *(f"archive/{s}/{c}/1.png" for s in ("train", "test") for c in "ab"), "plots/1.png")  # fmt: skip
    with user_error("of their own: .*archive"):
        dataset.read(tmp_path)


def test_patients_within_splits_within_classes_are_no_classes(tmp_path):
    put(tmp_path, *(f"{c}/{s}/patient{i}/1.png" for c in "ab" for s in ("train", "test") for i in (1, 2)))  # fmt: skip
    assert classes(dataset.read(tmp_path)) == {"a": 4, "b": 4}


def test_sites_above_classes_are_asked_about(tmp_path):
    put(tmp_path, *(f"{site}/{c}/1.png" for site in ("north", "south") for c in ("ill", "well")))
    assert "Each class has the folders ill, well" in told(dataset.read(tmp_path))


@pytest.mark.parametrize(
    "names",
    [
        ("img (1).png", "img (2).png", "img (3).png", "img (4).png"),  # as many blanks in every row
        ("a b (1).png", "c d  e (2).png", "f.png", "x/g h.png"),
    ],
)
def test_blanks_in_names_and_between_columns(tmp_path, names):
    put(tmp_path / "train", *names)
    rows = [f"{i} {n} {('ill', 'well')[i % 2]} cohen" for i, n in enumerate(names)]
    found = dataset.read(write(tmp_path / "train.txt", *rows), Options(label="3"))
    assert classes(found) == {"ill": 2, "well": 2} and found.columns == ("1", "4")
    assert sorted(path.name for path in found.table.path) == sorted(n.split("/")[-1] for n in names)


@pytest.mark.parametrize(
    "label, count",
    [("Pneumonia/Viral", 2), ("Viral/COVID-19", 1), ("pneumonia", 4), ("Pneumonia/Bacterial", 1)],
)
def test_a_part_of_a_hierarchy_is_a_finding(tmp_path, label, count):
    said = ("Pneumonia/Viral/COVID-19", "Pneumonia/Bacterial", "Pneumonia/Viral/SARS", "No Finding",
            "Pneumonia")  # fmt: skip
    put(tmp_path, *(f"{i}.png" for i in range(5)))
    table = write(tmp_path / "t.csv", "path,finding", *(f"{i}.png,{w}" for i, w in enumerate(said)))
    assert classes(dataset.read(table, Options(label=label)))[label] == count


@pytest.mark.parametrize("column", ["label", "split", "folder"])
def test_one_name_in_several_folders_that_another_column_says(tmp_path, column):
    rooms = ("train", "test")
    put(tmp_path, *(f"{room}/{i}.png" for room in rooms for i in range(4)))
    rows = [f"{i}.png,{room if column == 'label' else 'ab'[i % 2]},{room}" for room in rooms for i in range(4)]  # fmt: skip
    head = f"path,label,{'note' if column == 'label' else column}"
    found = dataset.read(write(tmp_path / "t.csv", head, *rows))
    assert len(found.table) == 8 and not found.missing
    assert all(path.relative_to(tmp_path).as_posix() == image for path, image in
               zip(found.table.path, found.table.image, strict=True))  # fmt: skip


def test_names_of_several_files_are_named(tmp_path):
    put(tmp_path, "x/0.png", "y/0.png", "1.png", "2.png")
    table = write(tmp_path / "t.csv", "path,label", "0.png,a", "1.png,a", "2.png,b")
    found = dataset.read(table)
    assert found.missing == ("0.png",) and "1 names are those of several files" in told(found)
    write(table, "path,label", "0.png,a")
    with user_error("None of the 1 files .* is there once"):
        dataset.read(table)


def test_lines_before_the_header_and_what_is_no_table(tmp_path):
    put(tmp_path, "0.png", "1.png")
    rows = ("0.png,a", "1.png,b")
    for before in (("# made by us", "#"), ()):
        head = "# path,label" if not before else "path,label"
        assert len(dataset.read(write(tmp_path / "t.csv", *before, head, *rows)).table) == 2
    assert len(dataset.read(write(tmp_path / "t.csv", "PKID,path,label", *(f"1,{r}" for r in rows))).table) == 2  # fmt: skip
    with user_error("has no rows"):
        dataset.read(write(tmp_path / "t.csv", ",,,"))
    with user_error("is JSON and no table"):
        dataset.read(write(tmp_path / "t.json", '{"images": ["0.png"]}'))
    with user_error("is an image and no table"):
        dataset.read(tmp_path / "0.png")


def test_minus_one_is_a_class_beside_one_alone(tmp_path):
    put(tmp_path, *(f"{i}.png" for i in range(4)))
    rows = [f"{i}.png,{w}" for i, w in enumerate((1, -1, "1.0", "-1.0"))]
    assert classes(dataset.read(write(tmp_path / "t.csv", "path,label", *rows))) == {"1": 2, "-1": 2}  # fmt: skip
    found = dataset.read(write(tmp_path / "t.csv", "path,Edema", *rows), Options(label="Edema"))
    assert classes(found) == {"Edema": 2, "no Edema": 2}
    rows = [f"{i}.png,{w}" for i, w in enumerate((1, -1, "1.0", 0))]
    found = dataset.read(write(tmp_path / "t.csv", "path,Edema", *rows), Options(label="Edema=1"))
    assert classes(found) == {"1": 2, "no 1": 2}


def test_columns_and_findings_of_any_script(tmp_path):
    put(tmp_path, *(f"{i}.png" for i in range(4)))
    rows = [f"{i}.png,{('肺炎', '正常')[i % 2]}" for i in range(4)]
    table = write(tmp_path / "t.csv", "编号,标签", *rows)
    write(tmp_path / "more.csv", "编号,性别", *(f"{i}.png,{'FM'[i // 2]}" for i in range(4)))
    found = dataset.read(
        table, Options(label="标签", path="编号", join=(str(tmp_path / "more.csv"),))
    )
    assert classes(found) == {"肺炎": 2, "正常": 2} and found.columns == ("性别",)
    found = dataset.read(table, Options(label="标签=肺炎", path="编号"))
    assert classes(found) == {"肺炎": 2, "no 肺炎": 2}


def test_who_has_no_name_is_like_nobody_else_without_one(tmp_path):
    put(tmp_path, *(f"{i}.png" for i in range(4)))
    table = write(tmp_path / "t.csv", "path,label,patient",
                  "0.png,a,p0", "1.png,b,", "2.png,a,NA", "3.png,b,p3")  # fmt: skip
    write(tmp_path / "more.csv", "patient,sex", "p0,F", ",M", ",F", "NA,M", "p3,M")
    found = dataset.read(table, Options(join=(str(tmp_path / "more.csv"),)))
    assert found.table["column sex"].tolist() == ["F", "", "", "M"] and "2 of 4 rows" in told(found)


def test_a_column_of_another_meaning_is_ignored_and_blank_splits_are_said(tmp_path):
    put(tmp_path, *(f"{i}.png" for i in range(4)))
    table = write(tmp_path / "t.csv", "path,label,set", *(f"{i}.png,{'ab'[i % 2]},{i}" for i in range(4)))  # fmt: skip
    with user_error("--ignore 'set'"):
        dataset.read(table)
    assert set(dataset.read(table, Options(ignore=("set",))).table.split) == {""}
    rows = (f"{i}.png,{'ab'[i % 2]},{('test', '')[i // 2]}" for i in range(4))
    assert "2 rows name no split" in told(dataset.read(write(table, "path,label,set", *rows)))
    rows = (f"{i}.png,{'ab'[i % 2]},{('test', 'NA')[i // 2]}" for i in range(4))
    assert "2 rows name no split" in told(dataset.read(write(table, "path,label,set", *rows)))


def test_grades_are_classes_beside_a_note_and_where_they_are_named(tmp_path):
    put(tmp_path, *(f"{grade}/{i}.png" for grade in range(3) for i in "ab"))
    (tmp_path / "README.txt").write_text("grades 0 to 2")
    assert classes(dataset.read(tmp_path)) == {"0": 2, "1": 2, "2": 2}
    (tmp_path / "train.csv").write_text("image,grade\n")
    with user_error("are no classes: name those that count with --classes .*train.csv"):
        dataset.read(tmp_path)
    assert classes(dataset.read(tmp_path, Options(("0", "1")))) == {"0": 2, "1": 2}


def test_a_file_that_its_folder_lacks_is_not_that_of_another_class(tmp_path):
    put(tmp_path, "COVID/0.png", "NORMAL/0.png", "NORMAL/1.png", "NORMAL/2.png", "NORMAL/3.png")
    (tmp_path / "EMPTY").mkdir()
    rows = ("COVID/0.png,a", "COVID/1.png,a", "data/covid/2.png,a", "EMPTY/3.png,a", "data/NORMAL/0.png,b")  # fmt: skip
    found = dataset.read(write(tmp_path / "t.csv", "path,label", *rows))
    assert found.missing == ("COVID/1.png", "data/covid/2.png", "EMPTY/3.png")
    assert [path.parent.name for path in found.table.path] == ["COVID", "NORMAL"]


def test_a_mask_is_no_image_unless_the_table_says_its_folder(tmp_path):
    put(tmp_path, *(f"{room}/{i}.png" for room in ("images", "masks") for i in range(2)))
    put(tmp_path, "masks/2.png", "P1/masks/3.png", "P1/3.png", "P2/4.png")
    table = write(tmp_path / "t.csv", "path,label", "0,a", "1.png,b", "2.png,b")
    found = dataset.read(table)
    assert [path.parent.name for path in found.table.path] == ["images"] * 2
    assert found.missing == ("2.png",)
    write(table, "path,label", "masks/0.png,a", "x/masks/1.png,b")
    assert {path.parent.name for path in dataset.read(table).table.path} == {"masks"}
    write(table, "who,label", "P1,a", "P2,b")
    assert [path.name for path in dataset.read(table).table.path] == ["3.png", "4.png"]


def test_what_spreadsheets_write_for_nothing_is_blank(tmp_path):
    put(tmp_path, *(f"{i}.png" for i in range(6)))
    words = ("a", "b", "#N/A", "#NV", "#NULL!", "NaT")
    rows = [f"{i}.png,{word}" for i, word in enumerate(words)]
    found = dataset.read(write(tmp_path / "t.csv", "path,label", *rows))
    assert classes(found) == {"a": 1, "b": 1} and "4 rows have no label" in told(found)


def test_columns_of_one_name_are_told_apart(tmp_path):
    put(tmp_path, "a.png", "b.png")
    given = write(tmp_path / "t.csv", "path,label,x,x,x (2)", "a.png,0,1,2,3", "b.png,1,4,5,7")
    assert dataset.read(given).columns == ("x", "x (2)", "x (2) (2)")


def test_a_nameless_column_of_rows_numbers_is_left_out_in_any_order(tmp_path):
    put(tmp_path, *(f"{i}.png" for i in range(4)))
    rows = [f"{n},{i}.png,{'ab'[i // 2]}" for i, n in enumerate((7, 0, 12, 3))]
    found = dataset.read(write(tmp_path / "t.csv", ",path,label", *rows))
    assert not found.columns and "The column 'column 1' numbers the rows" in told(found)
    rows = [f"{i}.png,{'ab'[i // 2]},{n}" for i, n in enumerate((7, 7, 12, 3))]
    assert dataset.read(write(tmp_path / "t.csv", "path,label,", *rows)).columns == ("column 3",)
    table = write(tmp_path / "t.csv", ",label", *(f"{i},{'ab'[i // 2]}" for i in (3, 0, 2, 1)))
    assert classes(dataset.read(table)) == {"a": 2, "b": 2}  # here it names the files


def test_two_spellings_of_a_path_are_one_image(tmp_path):
    put(tmp_path, *(f"{i}.png" for i in range(4)))
    table = write(tmp_path / "t" / "t.csv", "path,label,site", "../0.png,a,x", "../t/../0.png,a,y",
                  f"{tmp_path}/1.png,b,z", "./../1.png,b,z")  # fmt: skip
    found = dataset.read(table)
    assert found.table.image.tolist() == ["../0.png", f"{tmp_path}/1.png"]
    assert "2 further rows of the same images" in told(found) and not found.columns
    assert "no row" not in told(found) and len(dataset.read_any(table).table) == 2
    put(tmp_path, "t/5.png")
    assert "1 images of the folder stand in no row" in told(dataset.read(table))
    write(table, "path,label", "../0.png,a", "./../0.png,b", "../1.png,b")
    with user_error("more than one label: ../0.png"):
        dataset.read(table)


def test_tildes_of_nobody_and_names_in_other_letters(tmp_path):
    put(tmp_path, "COVID/0.png", "COVID/~nosuch/1.png", "other/2.png")
    table = write(tmp_path / "t.csv", "path,label,SEX", "COVID/0.png,a,F", "~nosuch/1.png,a,M",
                  "other/2.png,b,M")  # fmt: skip
    found = dataset.read(table, Options(ignore=("sex",)))
    assert len(found.table) == 3 and not found.columns
    with user_error("'sexx' to ignore. Did you mean SEX"):
        dataset.read(table, Options(ignore=("sexx",)))
    for read in (dataset.read, dataset.read_any, audit):
        with user_error("There is no ~nosuch/x"):
            read("~nosuch/x")
    with user_error("There is no folder ~nosuch/x"):
        dataset.read(table, Options(images="~nosuch/x"))
    with user_error("no class 'covid'. Did you mean COVID"):
        dataset.read(tmp_path, Options(("covid",)))
    with user_error("no class 'xyz'. There are: COVID, other"):
        dataset.read(tmp_path, Options(("xyz",)))
