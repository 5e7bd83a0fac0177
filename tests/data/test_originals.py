"""originals.py and pack.py: originals come from their origins, and become the files that were used."""

import http.server
import threading
from functools import partial

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED
from PIL import Image
from releases import picture, ship, tree

from deepcovid.__main__ import main
from deepcovid.data import originals, pack

REAL = SHARED / "data"


def test_every_file_has_an_origin_and_every_origin_a_licence():
    files, origins = originals.packed(), originals.origins()
    assert set(files.origin) == set(origins.index)
    assert origins.licence.ne("").all() and origins.citation.ne("").all()
    assert (origins.url.ne("") | origins.note.ne("")).all()
    assert origins.url[origins.url != ""].str.fullmatch(r"https://\S+/[0-9a-f]{40}/").all()
    assert files.path.is_unique and files.git_blob_sha1.str.fullmatch("[0-9a-f]{40}").all()
    assert files[files.file != ""].groupby("origin").size().to_dict() == {
        "brixia": 1, "chestx-ray8": 600, "chexpert": 1, "covid-chestxray": 233, "hannover": 121, "release": 5520,
    }  # fmt: skip


def test_the_list_of_the_release_is_the_published_one():
    table = originals.known()
    # Table 1 of the paper, but 420 images of train/covid, as published: 84 and 336 made of them
    assert table.groupby(["split", "label"]).size().to_dict() == {
        ("test", "covid"): 100, ("test", "non"): 3000, ("train", "covid"): 420, ("train", "non"): 2000,
    }  # fmt: skip
    assert (table.source == "").sum() == 336
    assert table["name"].is_unique and table.git_blob_sha1.str.fullmatch("[0-9a-f]{40}").all()
    assert table.source[table.source != ""].is_unique
    raw = originals.packed().raw
    assert raw.str.startswith("covid-chestxray/images/").sum() == 184
    assert raw.str.startswith("chexpert/train/patient").sum() == 5000 and (raw != "").sum() == 5184


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Two origins on this machine, one file of which is not there; the folder that is served."""
    folder = tmp_path / "published"
    (folder / "png").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (300, 520), np.uint8)
    for name, mode in (("a b.png", "L"), ("c.png", "RGBA")):
        Image.fromarray(pixels).convert(mode).save(folder / "png" / name)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.log_message = lambda *words: None
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        rows = [("here", f"http://127.0.0.1:{server.server_port}/", "CC0", "Nobody 2020", ""),
                ("by hand", "", "none", "Nobody 2021", "Write to them.")]  # fmt: skip
        origins = pd.DataFrame(rows, columns=["name", "url", "licence", "citation", "note"])
        origins.to_csv(tmp_path / "origins.csv", index=False)
        files = [("x/one.jpg", "here", "png/a b.png"), ("x/two.jpg", "here", "png/c.png"),
                 ("x/gone.jpg", "here", "png/gone.png"), ("x/mask.png", "by hand", "")]  # fmt: skip
        table = pd.DataFrame(files, columns=["path", "origin", "file"])
        table.assign(git_blob_sha1="0" * 40).to_csv(tmp_path / "packed.csv", index=False)
        monkeypatch.setattr(originals, "ORIGINS", tmp_path / "origins.csv")
        monkeypatch.setattr(originals, "PACKED", tmp_path / "packed.csv")
        yield folder
        server.shutdown()


def test_what_is_published_comes_and_what_is_not_is_said(published, tmp_path, capsys):
    data = tmp_path / "originals"
    assert main(["obtain", "all", "-p", "data", str(data)]) == 0
    said = capsys.readouterr().out
    assert "here: 2 of 3 files" in said and "Licence: CC0" in said and "png/gone.png" in said
    assert "by hand: 0 of 0 files" in said
    name = "png/a b.png"
    assert (data / "here" / name).read_bytes() == (published / name).read_bytes()
    (published / "png" / "gone.png").write_bytes((published / "png" / "c.png").read_bytes())
    (published / name).unlink()  # what is there is not asked for again
    assert "here: 3 of 3 files" in originals.obtain(data, "here")


def test_originals_are_packed_and_compared(published, tmp_path, capsys):
    (tmp_path / "o" / "here").mkdir(parents=True)
    (tmp_path / "data" / "external").mkdir(parents=True)
    (published / "png").rename(tmp_path / "o" / "here" / "png")
    assert main(["pack", str(tmp_path / "o"), "-p", "data", str(tmp_path / "data")]) == 0
    one, two = (Image.open(tmp_path / "data" / "x" / f"{name}.jpg") for name in ("one", "two"))
    assert (one.mode, two.mode, one.size, two.size) == ("L", "RGB", (444, 256), (444, 256))
    assert one.format == "JPEG"
    state = pack.verify(tmp_path / "data").set_index("path").state
    assert state.to_dict() == {
        "x/one.jpg": "different", "x/two.jpg": "different", "x/gone.jpg": "missing", "x/mask.png": "missing",
    }  # fmt: skip
    files = pd.read_csv(originals.PACKED, dtype=str, keep_default_na=False)
    files.loc[0, "git_blob_sha1"] = pack.blob_sha1(tmp_path / "data" / "x" / "one.jpg")
    files.to_csv(originals.PACKED, index=False)
    assert pack.verify(tmp_path / "data").state[0] == "the same"
    assert main(["verify", "-p", "data", str(tmp_path / "data")]) == 1


def test_the_release_is_packed_of_its_raw_sources_where_it_is_not_there(tmp_path, monkeypatch):
    rows = [("train", "covid", "a ü.jpeg", "images/a ü.jpeg", picture(1)),
            ("test", "non", "patient00003-study1.jpg", "train/patient00003/study1/v.jpg", picture(2)),
            ("train", "covid", "covid_original_a.jpg", "", picture(3))]  # fmt: skip
    ship(monkeypatch, tmp_path, rows)
    with originals.PACKED.open("a") as file:
        file.write(f"covid-xray-5k/chexpert-metadata.csv,{'0' * 40},chexpert,train.csv\n")
    for (*_, source, data), origin in zip(rows[:2], ("covid-chestxray", "chexpert"), strict=True):
        path = tmp_path / "o" / origin / source
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    (tmp_path / "o" / "chexpert" / "train.csv").write_text(
        f"Path,Sex,Edema\nv1/{rows[1][3]},Male,-1.0\nv1/train/other.jpg,Male,\n"
    )
    found = pack.pack(tmp_path / "o", tmp_path / "data")
    assert found.state.tolist() == ["different", "different", "missing", "different"]
    folder = tmp_path / "data" / "covid-xray-5k"
    assert sorted(tree(folder)) == ["chexpert-metadata.csv", "test/non/patient00003-study1.jpg", "train/covid/a ü.jpeg.jpg"]  # fmt: skip
    assert (folder / "chexpert-metadata.csv").read_text().splitlines() == [
        "split,name,Path,Sex,Edema", f"test,patient00003-study1.jpg,v1/{rows[1][3]},Male,-1.0",
    ]  # fmt: skip


def test_a_small_picture_is_not_enlarged(tmp_path):
    Image.new("L", (300, 200)).save(tmp_path / "a.png")
    pack.pack_image(tmp_path / "a.png", tmp_path / "a.jpg")
    assert Image.open(tmp_path / "a.jpg").size == (300, 200)


def test_tables_are_made_of_the_published_ones(tmp_path):
    """Of as much of the sources' tables as ours hold: the very files that were used."""
    if not (REAL / "brixia.csv").is_file():
        pytest.skip("the tables (../shared/data) are not here")
    rows, as_text = originals.packed(), {"dtype": str, "keep_default_na": False}
    file = dict(zip(rows.path, rows.file.str.rpartition("/")[2], strict=True))
    used = pd.read_csv(REAL / "brixia.csv", **as_text)
    used.insert(0, "filename", used.pop("image").map(file))
    used.loc[len(used)] = ["of Brescia alone.png", *used.iloc[0, 1:]]
    used.to_csv(tmp_path / "scores.csv", index=False)
    used = pd.read_csv(REAL / "external" / "metadata.csv", **as_text)
    used = used[used.label == "covid"].assign(image_id=lambda t: t.image.str.split("-").str[2])
    used.rename(columns={"offset": "admission_offset"}).to_csv(tmp_path / "data.csv", index=False)
    used = pd.read_csv(REAL / "covid-chestxray-others" / "metadata.csv", **as_text)
    used["filename"] = ("covid-chestxray-others/" + used.label + "/" + used["name"]).map(file)
    case = used.case.where(~used.case.str.startswith("patient "), "")
    used["url"] = "https://www." + used.published_at + ("/cases/" + case).where(case != "", "/x")
    used["finding"] = "Pneumonia/" + used.finding
    used.drop(columns=["case", "published_at"]).to_csv(tmp_path / "metadata.csv", index=False)
    source = dict(zip(originals.known()["name"], originals.known().source, strict=True))
    used = pd.read_csv(REAL / "covid-xray-5k" / "covid-metadata.csv", **as_text)
    used["folder"], used["filename"] = (
        "images",
        used["name"].map(source).str.removeprefix("images/"),
    )
    used.drop(columns=["split", "name"]).to_csv(tmp_path / "covid.csv", index=False)
    used = pd.read_csv(REAL / "covid-xray-5k" / "chexpert-metadata.csv", **as_text)
    used.drop(columns=["split", "name"])[::-1].to_csv(tmp_path / "train.csv", index=False)
    for make, source, path in (
        (pack.covid, "covid.csv", "covid-xray-5k/covid-metadata.csv"),
        (pack.chexpert, "train.csv", "covid-xray-5k/chexpert-metadata.csv"),
        (pack.severities, "scores.csv", "brixia.csv"),
        (pack.external, "data.csv", "external/metadata.csv"),
        (pack.collection, "metadata.csv", "covid-chestxray-others/metadata.csv"),
    ):
        pack.pack_table(make(tmp_path / source, rows), tmp_path / path)
        made, expected = (pd.read_csv(place / path, **as_text) for place in (tmp_path, REAL))
        if "finding_from" in expected:
            expected["finding_from"] = "metadata"
        else:
            assert (tmp_path / path).read_bytes() == (REAL / path).read_bytes()
        pd.testing.assert_frame_equal(made, expected)
