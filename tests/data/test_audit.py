import json
import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED, changed, user_error
from PIL import Image

from deepcovid import profiles
from deepcovid.data import audit, duplicates, images, manifest, phantom
from deepcovid.data import figures as data_figures
from deepcovid.data import tables as data_tables

REAL = SHARED / "data" / "covid-xray-5k"
COUNTS = dict(zip(phantom.GROUPS, (8, 12, 6, 12), strict=True))
COVID = "patientid,sex,age,view,modality"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Phantoms of 26 patients or so; the demo's drawing, fewer."""
    return phantom.write(tmp_path_factory.mktemp("audit") / "phantom", 0, COUNTS, 160)


@pytest.fixture
def own(drawn, tmp_path, monkeypatch):
    """A profile on a copy of `drawn` that a test may spoil."""
    monkeypatch.setattr(profiles, "RUNS", tmp_path / "runs")
    shutil.copytree(drawn, tmp_path / "own")
    return profiles.load("demo", {"data": str(tmp_path / "own")})


def audited(run):
    manifest.run(run)
    return audit.run(run)


def plant(source, target):
    """A re-encoded, resized, slightly cropped double of an image under another patient's name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    duplicates.doctored(Image.open(source)).save(target, "JPEG", quality=80)


def test_different_phantoms_are_no_duplicates_and_all_is_valid_json(own):
    found = audited(own)
    text = (own.folder / "audit.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == found
    assert str(own.data_folder.parent) not in text
    assert all(pair["same_patient"] for pair in found["near_duplicates"]["pairs"])
    assert found["originals"] == 38 and found["near_duplicates"]["doctored"]["found"] >= 36
    assert found["disagreements"] == [] and found["of_release"] == 0
    for absent in ("views", "sex", "age", "released_augmentation"):
        assert found[absent] == {"available": False}
    for row in found["acquisition"]:  # all drawn alike
        assert row.get("auc") in (None, 0.5)


def test_a_planted_double_is_found_within_and_across_splits_and_outside(own, tmp_path):
    covid = sorted((own.data_folder / "train" / "covid").iterdir())
    plant(covid[0], own.data_folder / "test" / "covid" / "covid-phantom77777-1.jpg")
    plant(covid[3], own.data_folder / "train" / "covid" / "covid-phantom88888-1.jpg")
    non = sorted((own.data_folder / "test" / "non").iterdir())[0]
    plant(non, tmp_path / "elsewhere" / "non" / "00000001_000.jpg")
    found = audited(changed(own, external=str(tmp_path / "elsewhere")))["near_duplicates"]
    two = [pair["where"] for pair in found["pairs"] if not pair["same_patient"]]
    assert sorted(two) == ["external and test", "test and train", "train"]
    assert len(found["patients_recorded_as_two"]) == 2
    assert found["test_images_also_in_train"] == ["test/covid/covid-phantom77777-1.jpg"]
    assert found["external_images_also_here"] == ["external/non/00000001_000.jpg"]
    assert data_tables.pair_counts({"near_duplicates": found}).iloc[:, 0].sum() == 3
    data_figures.near_duplicates(found)


def test_a_mirror_image_and_another_patient_are_no_doubles():
    pixels = [phantom.radiograph("COVID-19", seed, 160).image for seed in (5, 6)]
    looks = [duplicates.look(Image.fromarray(p)) for p in (*pixels, pixels[0][:, ::-1].copy())]
    assert (duplicates.agreements(looks[0], looks) >= duplicates.SAME).tolist() == [
        True,
        False,
        False,
    ]


def test_a_crop_is_followed_beyond_what_the_hash_sees():
    pixels = phantom.radiograph("No Finding", 9, 256).image
    part = Image.fromarray(pixels[12:-12, 12:-12])
    one, other = duplicates.look(Image.fromarray(pixels)), duplicates.look(part)
    assert np.bitwise_count(one.bits ^ other.bits).sum() > duplicates.SCREEN
    assert duplicates.agreements(one, [other])[0] >= duplicates.SAME


def test_an_unreadable_external_image_is_refused_by_name(own, tmp_path):
    for name in ("covid/b.png", "non/a.png"):
        (tmp_path / "elsewhere" / name).parent.mkdir(parents=True)
        (tmp_path / "elsewhere" / name).write_bytes(b"")
    with user_error("a.png(.|\n)*b.png"):
        audited(changed(own, external=str(tmp_path / "elsewhere")))


def test_an_audit_is_made_again_only_when_something_changed(own, tmp_path, monkeypatch):
    first = audited(own)
    made = []
    monkeypatch.setattr(
        audit, "near_duplicates", lambda *_: made.append(1) or first["near_duplicates"]
    )
    assert audited(own) == first and not made
    covid = sorted((own.data_folder / "train" / "covid").iterdir())
    plant(covid[0], own.data_folder / "test" / "covid" / "covid-phantom77777-1.jpg")
    audited(own)
    plant(covid[1], tmp_path / "elsewhere" / "covid" / "a.jpg")
    outside = changed(own, external=str(tmp_path / "elsewhere"))
    audited(outside)
    plant(covid[2], tmp_path / "elsewhere" / "covid" / "a.jpg")
    audited(outside)
    audited(outside)
    write_metadata(own.data_folder, [f"{covid[0].name},1,M,50,PA,X-ray"])
    audited(outside)
    assert len(made) == 4


def write_metadata(folder, lines, header="name," + COVID):
    (folder / "covid-metadata.csv").write_text("\n".join([header, *lines]) + "\n")


def test_views_sex_and_age_come_from_the_tables_and_mismatches_are_listed(own):
    names = sorted(p.name for p in (own.data_folder / "test" / "covid").iterdir())
    rows = [f"{name},{i},M,{50 + i},{'PA' if i else 'AP'},X-ray" for i, name in enumerate(names)]
    write_metadata(own.data_folder, [*rows, "gone.png,99,F,40,PA,X-ray"])
    found = audited(own)
    mismatch = found["metadata"]["covid"]
    assert mismatch["rows"] == 7 and mismatch["rows_without_file"] == ["gone.png"]
    assert len(mismatch["files_without_row"]) == 8
    views = data_tables.frame(found["views"]["by_split_and_class"], "split", "class")
    assert views.loc[("test", "COVID-19"), ["PA", "AP"]].tolist() == [5, 1]
    age = data_tables.frame(found["age"]["by_split_and_class"], "split", "class")
    assert age.loc[("test", "COVID-19"), ["stated", "least", "most"]].tolist() == [6, 50, 55]
    assert age.loc[("test", "Non-COVID"), "median"] != age.loc[("test", "COVID-19"), "median"]
    data_figures.shares(found["views"]["by_split_and_class"])


def test_bad_tables_are_refused_together(own):
    write_metadata(own.data_folder, ["a.png,M", "a.png,F"], header="name,sex")
    (own.data_folder / "chexpert-metadata.csv").write_text(
        "name,Sex,Age,AP/PA\nb.png,Male,1,AP\nb.png,Male,1,AP\n"
    )
    with user_error("covid-metadata.csv lacks .*patientid, age(.|\n)*chexpert.*more than once: b"):
        audit.metadata(own.data_folder)
    (own.data_folder / "chexpert-metadata.csv").write_bytes(b"name,Sex\n\xff\xfe\n")
    with user_error("chexpert-metadata.csv cannot be read"):
        audit.metadata(own.data_folder)


def test_what_separates_the_classes_is_learned_in_training_only():
    rows = [
        {"folder": folder, "label": label, "mode": mode, "width": width}
        for folder in ("train", "test")
        for label, mode, width in [(1, "RGB", 900), (1, "RGB", 800), (0, "L", 320), (0, "L", 390)]
    ]
    of = pd.DataFrame(rows).reindex(columns=["folder", "label", *audit.PROPERTIES])
    table = data_tables.acquisition_table({"acquisition": audit.acquisition(of)})
    assert table.auc["mode"] == table.auc["width"] == 1
    assert np.isnan(table.auc["view"])
    flipped = of.assign(width=of.width.where(of.folder == "train", -of.width))
    table = data_tables.acquisition_table({"acquisition": audit.acquisition(flipped)})
    assert table.auc["width"] == 0  # a rule that fails on test images is not turned round for them


def test_several_images_of_a_patient_are_worth_fewer():
    of = pd.DataFrame({"patient": list("aaaabbcd"), "folder": "test", "class": "COVID-19"})
    of = pd.concat([of, of.assign(patient=[*"ijklmno", "a"], folder="train")])
    found = audit.patients(of)
    row = found["by_split_and_class"][0]
    assert (row["images"], row["patients"], row["most_images_of_a_patient"]) == (8, 4, 4)
    assert row["effective_images"] == pytest.approx(8**2 / (16 + 4 + 1 + 1))
    assert row["half_width_by_patient"] == pytest.approx(row["half_width"] * np.sqrt(22 / 8))
    assert found["patients_in_both_splits"] == ["a"]


def test_the_releases_copies_are_counted_and_compared(own):
    folder = own.data_folder / "train" / "covid"
    name = sorted(folder.iterdir())[0].name
    pixels = images.open_radiograph(folder / name)
    for i, copy in enumerate((pixels, pixels.transpose(Image.Transpose.FLIP_LEFT_RIGHT))):
        uuid = f"96bc1d8f-48f9-4b55-b91b-07470ed947b{i}"
        copy.save(folder / f"covid_original_{name.removesuffix('.png')}.png_{uuid}.png")
    found = audited(own)["released_augmentation"]
    assert found["copies_look"] == {
        "unchanged": 1, "moved a little": 0, "mirrored": 1, "too changed to tell": 0,
        "original missing": 0,
    }  # fmt: skip
    assert found["originals_by_copies"] == {"0": 7, "2": 1}
    assert found["mean_images_per_original"] == 1.25
    data_figures.released_copies(found)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real COVID-Xray-5k is not here")
def test_the_real_dataset_leaks_a_radiograph_and_its_width_gives_it_away(monkeypatch):
    monkeypatch.setattr(manifest, "refuse_unreadable", lambda *_: None)  # slow, tested elsewhere
    table = manifest.make(REAL, 0)
    of = audit.facts(table, audit.metadata(REAL))
    assert of.of_release.all()
    rows = data_tables.frame(audit.counts(table), "split", "class")
    assert rows.originals.tolist() == [84, 2000, 100, 3000]
    assert rows.images.tolist() == [420, 2000, 100, 3000]
    auc = data_tables.acquisition_table({"acquisition": audit.acquisition(of)}).auc
    assert auc["width"] > 0.9 and auc["mode"] > 0.9 and auc["age"] < 0.7
    names = ("test/covid/AR-1.jpg", "test/covid/AR-2.jpg", "train/covid/extubation-1.jpg")
    looks = [duplicates.look(images.open_radiograph(REAL / name)) for name in names]
    assert (duplicates.agreements(looks[2], looks[:2]) >= duplicates.SAME).all()
