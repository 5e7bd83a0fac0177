import json

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED, changed, draw

from deepcovid.data import audit, figures, manifest, tables
from imageaudit import images, matching

REAL = SHARED / "data" / "covid-xray-5k"
COVID = "patientid,sex,age,view,modality"


def test_different_phantoms_are_no_duplicates_and_all_is_valid_json(own, audited):
    found = audited(own)
    text = (own.folder / "audit.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == found
    assert str(own.data_folder.parent) not in text
    assert all(pair["same_patient"] for pair in found["near_duplicates"]["pairs"])
    assert found["originals"] == 38 and found["of_release"] == 0
    near = found["near_duplicates"]["histograms"]
    above = np.array(near["agreement"][:-1]) >= found["near_duplicates"]["same_from_agreement"]
    assert np.array(near["agreement_doctored"])[above].sum() >= 36
    assert len(tables.disagreements(found)) == 0
    for absent in ("views", "released_augmentation"):
        assert found[absent] == {"available": False}
    for row in found["acquisition"]:  # all drawn alike
        assert row.get("auc") in (None, 0.5)


def test_an_audit_is_made_again_only_when_something_changed(
    own, tmp_path, monkeypatch, audited, plant
):
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
    draw(tmp_path / "elsewhere" / "non" / "b.png", 1)
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


def test_views_and_age_come_from_the_tables(own, audited):
    names = sorted(p.name for p in (own.data_folder / "test" / "covid").iterdir())
    rows = [f"{name},{i},M,{50 + i},{'PA' if i else 'AP'},X-ray" for i, name in enumerate(names)]
    write_metadata(own.data_folder, [*rows, "gone.png,99,F,40,PA,X-ray"])
    found = audited(own)
    views = tables.frame(found["views"]["by_split_and_class"], "split", "class")
    assert views.loc[("test", "COVID-19"), ["PA", "AP"]].tolist() == [5, 1]
    age = tables.acquisition(found).loc["age"]
    assert (age.covid, age.non_covid) == (6, 0)
    figures.shares(found["views"]["by_split_and_class"])


def test_what_separates_the_classes_is_learned_in_training_only():
    rows = [
        {"folder": folder, "label": label, "mode": mode, "width": width}
        for folder in ("train", "test")
        for label, mode, width in [(1, "RGB", 900), (1, "RGB", 800), (0, "L", 320), (0, "L", 390)]
    ]
    of = pd.DataFrame(rows).reindex(columns=["folder", "label", *audit.PROPERTIES])
    table = tables.acquisition({"acquisition": audit.acquisition(of)})
    assert table.auc["colour mode"] == table.auc["width in pixels"] == 1
    assert np.isnan(table.auc["view"])
    flipped = of.assign(width=of.width.where(of.folder == "train", -of.width))
    table = tables.acquisition({"acquisition": audit.acquisition(flipped)})
    assert (
        table.auc["width in pixels"] == 0
    )  # a rule that fails on test images is not turned round for them


def test_several_images_of_a_patient_are_worth_fewer():
    of = pd.DataFrame({"patient": list("aaaabbcd"), "folder": "test", "class": "COVID-19"})
    of = pd.concat([of, of.assign(patient=[*"ijklmno", "a"], folder="train")], ignore_index=True)
    of["image"] = of.index.map("{}.png".format)  # 4 and 5 are of b, 7 of d, 8 of i
    pairs = [("4.png", "8.png"), ("7.png", "8.png"), ("5.png", "external/1.png")]
    row = audit.patients(of, [dict(zip("ab", pair, strict=True)) for pair in pairs])[0]
    assert (row["images"], row["patients"], row["most_images_of_a_patient"]) == (8, 4, 4)
    assert row["effective_images"] == pytest.approx(8**2 / (16 + 4 + 1 + 1), abs=0.05)
    assert (row["patients_by_picture"], row["in_both_splits"]) == (3, 2)  # bd with i, and a


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the real COVID-Xray-5k is not here")
def test_the_real_dataset_leaks_a_radiograph_and_its_width_gives_it_away(monkeypatch):
    monkeypatch.setattr(images, "check", lambda *_: [])  # slow, tested elsewhere
    table = manifest.make(REAL, 0)
    of = audit.facts(table, REAL)
    assert of.of_release.all()
    rows = tables.frame(audit.counts(table), "split", "class")
    assert rows.originals.tolist() == [84, 2000, 100, 3000]
    assert rows.images.tolist() == [420, 2000, 100, 3000]
    auc = tables.acquisition({"acquisition": audit.acquisition(of)}).auc
    assert auc["width in pixels"] > 0.9 and auc["colour mode"] > 0.9 and auc["age"] < 0.7
    names = ("test/covid/AR-1.jpg", "test/covid/AR-2.jpg", "train/covid/extubation-1.jpg")
    seen = [matching.signature(images.open_radiograph(REAL / name)) for name in names]
    assert all(matching.compare(seen[2], other) >= matching.SAME for other in seen[:2])
