"""sources.py: raw sources give the list of the release, or a draw by its rule."""

import csv
import shutil

import pandas as pd
import pytest
from releases import PLACES, picture, ship, tree

from deepcovid.__main__ import main
from deepcovid.data import pack, sources
from deepcovid.runs import UserError

KINDS = ("No Finding", *sources.FINDINGS)
COVID_HEADER = csv.reader([
    "patientid,offset,sex,age,finding,RT_PCR_positive,survival,intubated,intubation_present,"
    "went_icu,in_icu,needed_supplemental_O2,extubated,temperature,pO2_saturation,leukocyte_count,"
    "neutrophil_count,lymphocyte_count,view,modality,date,location,folder,filename,doi,url,license,"
    "clinical_notes,other_notes"
]).__next__()  # fmt: skip


def covid_row(patient, filename, finding="Pneumonia/Viral/COVID-19", view="PA", modality="X-ray"):
    row = {"patientid": patient, "finding": finding, "view": view, "modality": modality}
    row |= {"folder": "images", "filename": filename, "sex": "F", "location": "Köln, Germany"}
    return {column: row.get(column, "") for column in COVID_HEADER}


def film_row(patient, study, view, *positive, frontal="Frontal", uncertain=()):
    path = f"CheXpert-v1.0-small/train/patient{patient:05}/study{study}/{view}.jpg"
    values = {kind: "1.0" if kind in positive else "" for kind in KINDS}
    values |= dict.fromkeys(uncertain, "-1.0")
    ap = "AP" if frontal == "Frontal" else ""
    return {"Path": path, "Sex": "Male", "Age": "41", "Frontal/Lateral": frontal, "AP/PA": ap,
            **values}  # fmt: skip


@pytest.fixture
def raw(tmp_path):
    """A small covid-chestxray-dataset checkout and CheXpert-v1.0-small folder."""
    covid, chexpert = tmp_path / "covid-chestxray-dataset", tmp_path / "CheXpert-v1.0-small"
    covid_rows = [covid_row(p, f"bild {p}-{i} ü.jpg") for p in range(6) for i in range(2)]
    covid_rows += [
        covid_row(7, "side.jpg", view="L"),
        covid_row(8, "ct.jpg", modality="CT"),
        covid_row(9, "sars.jpg", finding="Pneumonia/Viral/SARS"),
    ]
    film_rows = [
        film_row(100 * k + p, s, "view1_frontal", kind, uncertain=("Edema",) * (kind != "Edema"))
        for k, kind in enumerate(KINDS)
        for p in range(6)
        for s in (1, 2)
    ]
    film_rows += [
        film_row(9001, 1, "view2_lateral", "Edema", frontal="Lateral"),
        film_row(9002, 1, "view1_frontal", "Edema", "Fracture"),
        film_row(9003, 1, "view1_frontal"),
    ]
    for n, row in enumerate(covid_rows):
        path = covid / "images" / row["filename"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(n))
    for n, row in enumerate(film_rows):
        path = tmp_path / row["Path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(1000 + n))
    pd.DataFrame(covid_rows).to_csv(covid / "metadata.csv", index=False)
    pd.DataFrame(film_rows).to_csv(chexpert / "train.csv", index=False)
    pd.DataFrame(columns=list(film_rows[0])).to_csv(chexpert / "valid.csv", index=False)
    return covid, chexpert


@pytest.fixture
def listed(raw, tmp_path, monkeypatch):
    """A list over the raw sources, with one augmented copy that they do not hold."""
    covid, chexpert = raw
    film = "train/patient00{:03}/study1/view1_frontal.jpg"
    rows = [
        ("train", "covid", "bild 0-0 ü.jpg", "images/bild 0-0 ü.jpg"),
        ("test", "covid", "bild 1-0 ü.jpg", "images/bild 1-0 ü.jpg"),
        ("train", "non", "Edema-patient00500-study1-view1_frontal.jpg", film.format(500)),
        ("test", "non", "patient00003-study1-view1_frontal.jpg", film.format(3)),
    ]
    roots = {"covid": covid, "non": chexpert}
    rows = [(s, c, n, source, (roots[c] / source).read_bytes()) for s, c, n, source in rows]
    copy = ("train", "covid", "covid_original_bild 0-0 ü.jpg_1.jpg", "", b"copy")
    ship(monkeypatch, tmp_path, [*rows, copy])
    return rows


def test_build_makes_exactly_the_list(raw, listed, tmp_path):
    built = sources.build(*raw, tmp_path / "out")
    found = {k: v for k, v in tree(tmp_path / "out").items() if not k.endswith(".csv")}
    assert found == {f"{s}/{c}/{n}": data for s, c, n, _, data in listed}
    assert all(f"1 {place}" in built for place in PLACES)
    assert "augmented copies are in no raw source" in built and "not from the bytes" not in built
    covid = pd.read_csv(tmp_path / "out" / "covid-metadata.csv")
    assert dict(zip(covid["name"], covid.patientid, strict=True)) == {
        "bild 0-0 ü.jpg": 0,
        "bild 1-0 ü.jpg": 1,
    }
    film = pd.read_csv(tmp_path / "out" / "chexpert-metadata.csv")
    assert list(film.columns[:3]) == ["split", "name", "Path"] and film.Edema.tolist() == [1, -1]
    found = pack.verify(tmp_path / "out")
    assert len(found.present) == 4 and found.missing == [
        "train/covid/covid_original_bild 0-0 ü.jpg_1.jpg"
    ]


def test_build_names_all_that_is_missing_at_once(raw, listed, tmp_path):
    covid, chexpert = raw
    (covid / "images" / "bild 1-0 ü.jpg").unlink()
    (chexpert / listed[2][3]).write_text("no picture")
    (chexpert / listed[3][3]).write_bytes(b"")
    with pytest.raises(UserError) as error:
        sources.build(*raw, tmp_path / "out")
    for _, _, name, _, _ in listed[1:]:
        assert name in str(error.value)
    assert listed[0][2] not in str(error.value) and not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".part-*"))


def test_build_tells_changed_files(raw, listed, tmp_path):
    (raw[1] / listed[3][3]).write_bytes(picture(77))
    built = sources.build(*raw, tmp_path / "out")
    assert built.endswith(
        f"1 built, but not from the bytes of the release:\n  test/non/{listed[3][2]}"
    )


def test_broken_sources_are_named_all_at_once(raw, tmp_path):
    covid, chexpert = raw
    for path, gone in ((covid / "metadata.csv", ["view", "filename"]),
                       (chexpert / "train.csv", ["Pleural Other", "Path"])):  # fmt: skip
        pd.read_csv(path, dtype=str).drop(columns=gone).to_csv(path, index=False)
    shutil.rmtree(covid / "images")
    (chexpert / "valid.csv").write_text("")
    with pytest.raises(UserError) as error:
        sources.build(*raw, tmp_path / "out")
    for word in ("view, filename", "Path, Pleural Other", "images", "metadata.csv", "valid.csv"):
        assert word in str(error.value)
    with pytest.raises(UserError, match=r"metadata\.csv.*\n.*train\.csv"):
        sources.build(tmp_path / "no", tmp_path / "where", tmp_path / "out")


def test_build_command(raw, listed, tmp_path, capsys):
    folder = tmp_path / "built"
    assert main(["build", *map(str, raw), "-p", "data", str(folder)]) == 0
    assert len(tree(folder)) > len(PLACES) and str(folder) in capsys.readouterr().out
    assert main(["build", str(raw[0]), "-p", "data", str(folder)]) == 2
    assert main(["build", *map(str, raw)]) == 2
    assert main(["verify", "one", "-p", "data", str(folder)]) == 2


# --- verify -----------------------------------------------------------------------------------


def test_shipped_list_is_the_published_one():
    table = sources.known()
    counts = table.groupby(["split", "label"]).size().to_dict()
    # Table 1 of the paper, but 420 images of train/covid, as published: 84 and 336 made of them
    assert counts == {("test", "covid"): 100, ("test", "non"): 3000, ("train", "covid"): 420,
                      ("train", "non"): 2000}  # fmt: skip
    assert (table.source == "").sum() == 336
    assert table["name"].is_unique and table.git_blob_sha1.str.fullmatch("[0-9a-f]{40}").all()
    assert table.source[table.source != ""].is_unique
    assert sources.LIST.stat().st_size < 900_000
