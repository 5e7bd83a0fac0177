import shutil

import pandas as pd
import pytest
from conftest import SHARED, draw, user_error

from deepcovid.data import audit, manifest


def test_a_row_per_image_with_what_its_name_says(data):
    table = manifest.make(data, 0)
    assert list(table.columns) == list(manifest.COLUMNS)
    assert len(table) == 56
    assert table.image.is_monotonic_increasing
    row = table[table.image.str.contains("Edema")].iloc[0]
    assert (row.label, row.finding, row["mode"], row.width) == (0, "Edema", "L", 48)
    assert row.patient.startswith("phantom0")
    covid = table[table.image.str.contains("train/covid")]
    assert covid.label.eq(1).all()
    assert covid.patient.nunique() == 10


def test_validation_takes_whole_patients_of_both_classes(data):
    table = manifest.make(data, 0.25, seed=3)
    held_out = table[table.split == "validation"]
    assert set(held_out.label) == {0, 1}
    assert not set(held_out.patient) & set(table.patient[table.split == "train"])
    assert len(table[table.split == "test"]) == 20
    assert manifest.make(data, 0.25, seed=3).equals(table)
    assert not manifest.make(data, 0.25, seed=4).split.equals(table.split)


def test_a_class_that_gave_enough_with_the_other_gives_no_more():
    table = pd.DataFrame({"split": "train", "label": [0, 0, 1, 1], "patient": ["p", "q", "p", "q"]})
    found = manifest.carve_validation(table, 0.5, 0).groupby("split").patient.unique()
    assert sorted(map(list, found)) == [["p"], ["q"]]


def test_a_release_with_its_own_copies_is_known_by_them(data, tmp_path):
    with user_error("augment_positives 5"):
        manifest.refuse_without_copies(data)
    own = shutil.copytree(data, tmp_path / "own")
    covid = own / "train" / "covid"
    some = next(iter(sorted(covid.iterdir())))
    some.rename(covid / "covid_original_a.jpg_01234567-89ab-cdef-0123-456789abcdef.jpg")
    manifest.refuse_without_copies(own)


def test_the_releases_copies_follow_their_original(data, tmp_path):
    shutil.copytree(data, tmp_path / "own")
    folder = tmp_path / "own" / "train" / "covid"
    uuid = "96bc1d8f-48f9-4b55-b91b-07470ed947b0"
    draw(folder / "my scan.jpeg.jpg", 900, 70)
    draw(folder / f"covid_original_my scan.jpeg_{uuid}.jpeg.jpg", 901, 70)
    table = manifest.make(tmp_path / "own", 0)
    copy = table[table.augmented_from != ""]
    assert copy.augmented_from.tolist() == ["train/covid/my scan.jpeg.jpg"]
    original = table[table.image == "train/covid/my scan.jpeg.jpg"].iloc[0]
    assert copy.patient.iloc[0] == original.patient
    assert manifest.counts(table).loc["train", "COVID-19, augmented"] == 1


def broken(table: pd.DataFrame, how: str) -> pd.DataFrame:
    table = table.copy()
    if how == "label":
        table.loc[0, "label"] = 2
    elif how == "split":
        table.loc[0, "split"] = "dev"
    elif how == "twice":
        table.loc[1, "image"] = table.image[0]
    elif how == "sha1":
        table.loc[0, "sha1"] = "abc"
    elif how == "another split":
        train = table.index[table.split == "train"][0]
        table.loc[train, "augmented_from"] = table.image[table.split == "validation"].iloc[0]
    elif how == "copy in test":
        table.loc[table.index[table.split == "test"][0], "augmented_from"] = "x"
    elif how == "also in validation":
        train = table.index[table.split == "train"][0]
        table.loc[train, "patient"] = table.patient[table.split == "validation"].iloc[0]
    elif how == "missing: patient":
        table = table.drop(columns="patient")
    elif how == "one class only":
        table = table[(table.split != "test") | (table.label == 0)]
    return table


@pytest.mark.parametrize(
    "how",
    [
        "label",
        "split",
        "twice",
        "sha1",
        "another split",
        "copy in test",
        "also in validation",
        "missing: patient",
        "one class only",
    ],
)
def test_a_manifest_with_wrong_rows_is_refused_and_not_written(data, tmp_path, how):
    good = manifest.make(data, 0.25)
    path = tmp_path / "manifest.csv"
    manifest.write(good, path)
    assert manifest.read(path).equals(good)
    wrong = broken(good, how)
    with user_error(how.removeprefix("copy ")):
        manifest.write(wrong, path)
    assert manifest.read(path).equals(good)
    wrong.to_csv(path, index=False)
    with user_error(how.removeprefix("copy ")):
        manifest.read(path)


def test_missing_and_empty_folders_are_named_together(data, tmp_path):
    with user_error("no data folder .*nowhere"):
        manifest.make(tmp_path / "nowhere", 0)
    shutil.copytree(data, tmp_path / "own")
    shutil.rmtree(tmp_path / "own" / "train" / "covid")
    for path in (tmp_path / "own" / "test" / "non").iterdir():
        path.unlink()
        path.with_suffix(".txt").write_text("no image")
    with user_error("No images in train/covid, test/non"):
        manifest.make(tmp_path / "own", 0)


def test_masks_among_the_images_are_refused(data, tmp_path):
    shutil.copytree(data, tmp_path / "own")
    draw(tmp_path / "own" / "train" / "covid" / "masks" / "1.png", 1)
    with user_error("1 images lie in folders of masks.*covid/masks/1.png"):
        manifest.make(tmp_path / "own", 0)


def test_images_for_validation_that_nobody_would_read_are_refused(data, tmp_path):
    own = shutil.copytree(data, tmp_path / "own")
    (own / "val" / "covid").mkdir(parents=True)
    draw(own / ".val" / "covid" / "1.png", 1)
    assert len(manifest.make(own, 0))
    draw(own / "val" / "covid" / "1.png", 1)
    with user_error("own/val would not be read.*validation_fraction"):
        manifest.make(own, 0)


def test_class_folders_of_any_case_are_taken(data, tmp_path):
    own = shutil.copytree(data, tmp_path / "own")
    (own / "train" / "covid").rename(own / "train" / "COVID")
    (own / "train" / "non").rename(own / "train" / "Non")
    (own / "test").rename(own / "TEST")
    table = manifest.make(own, 0)
    assert table.label.sum() == 20 and set(table.finding) == {"COVID-19", "Edema", "No Finding"}
    assert table.image.str.startswith("train/COVID/").sum() == 12
    assert manifest.counts(table).equals(manifest.counts(manifest.make(data, 0)))
    of = audit.facts(table, own)
    assert of.groupby(["folder", "class"]).size().tolist() == [8, 12, 12, 24]
    assert [row["images"] for row in audit.counts(table)] == [12, 24, 8, 12]
    (own / "train" / "covid").mkdir()
    with user_error("train holds COVID and covid: keep one"):
        manifest.make(own, 0)


def test_all_unreadable_images_are_refused_at_once(data, tmp_path):
    shutil.copytree(data, tmp_path / "own")
    folder = tmp_path / "own" / "train" / "non"
    first = sorted(folder.iterdir())[0]
    first.write_bytes(first.read_bytes()[:90])
    (folder / "notes.jpg").write_text("not an image")
    with user_error(f"2 of 57(.|\n)*{first.name}(.|\n)*notes.jpg"):
        manifest.make(tmp_path / "own", 0)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real COVID-Xray-5k is not here")
def test_the_real_dataset_has_the_known_counts_and_patients():
    folder = SHARED / "data" / "covid-xray-5k"
    table = manifest.make(folder, 0)
    assert manifest.counts(table).to_numpy().tolist() == [[84, 336, 2000], [100, 0, 3000]]
    assert set(table.augmented_from) - {""} <= set(table.image)
    covid = manifest.originals(table[table.label == 1])
    assert covid.patient.str.fullmatch(r"covid-chestxray \d+").sum() == 180
    assert set(covid.patient[covid.image.str.contains("4-x-day")]) == {"by path train/covid/4-x"}
    assert (table[table.label == 0].source == "CheXpert").all()
