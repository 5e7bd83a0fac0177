"""sources.py: archives come whole and safe, raw sources give the list, a copy is told apart."""

import csv
import hashlib
import http.server
import io
import re
import shutil
import tarfile
import threading
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from deepcovid.__main__ import main
from deepcovid.data import sources
from deepcovid.runs import UserError

REAL = Path(__file__).parents[2] / "shared" / "data" / "covid-xray-5k"
PLACES = [f"{split}/{label}" for split in sources.SPLITS for label in sources.CLASSES]


def picture(value: int, size=(24, 20)) -> bytes:
    """A JPEG whose bytes depend on `value`."""
    out = io.BytesIO()
    noise = np.random.default_rng(value).integers(0, 256, size[::-1], np.uint8)
    Image.fromarray(noise).save(out, "JPEG")
    return out.getvalue()


def release(top="data/", names=("train", "test", "covid", "non")) -> dict[str, bytes]:
    train, test, covid, non = names
    return {
        f"{top}{split}/{label}/Bild {i} ä.jpg": picture(10 * n + i)
        for n, (split, label) in enumerate([(s, c) for s in (train, test) for c in (covid, non)])
        for i in range(2)
    }


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def write_tar(path: Path, members: dict[str, bytes], **special) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))
        for name, (kind, target) in special.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            file.addfile(entry)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


# --- download ---------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves /archive.zip after as many broken answers as `server.breaks` says; counts requests."""
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    payload = write_zip(tmp_path / "served.zip", release()).read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.requests += 1
            broken = self.server.requests <= self.server.breaks
            if not self.path.startswith("/archive.zip"):
                return self.send_error(404)
            body = self.server.payload
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if broken else body)

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.payload, running.breaks, running.requests = payload, 0, 0
        running.address = f"http://127.0.0.1:{running.server_port}/archive.zip?dl=1"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def test_download_records_its_hash_and_is_not_repeated(server, tmp_path):
    target = tmp_path / "here" / "release.zip"
    assert sources.download(server.address, target) == target
    assert target.read_bytes() == server.payload
    sha256 = hashlib.sha256(server.payload).hexdigest()
    assert (target.parent / "release.zip.sha256").read_text() == f"{sha256}  release.zip\n"
    sources.download(server.address, target)
    sources.download(server.address, target, sha256)
    assert server.requests == 1
    assert sorted(p.name for p in target.parent.iterdir()) == ["release.zip", "release.zip.sha256"]


def test_download_is_tried_again(server, tmp_path):
    server.breaks = 2
    assert sources.download(server.address, tmp_path / "a.zip").read_bytes() == server.payload
    assert server.requests == 3


@pytest.mark.parametrize("fault", ["interrupted", "wrong hash", "web page", "not there", "scheme"])
def test_failed_download_leaves_nothing(server, tmp_path, fault):
    address, sha256, target = server.address, None, tmp_path / "to" / "a.zip"
    if fault == "interrupted":
        server.breaks = 99
    elif fault == "wrong hash":
        sha256 = "0" * 64
    elif fault == "web page":
        server.payload = b"<html>This file is no longer shared.</html>" * 50
    elif fault == "not there":
        address = address.replace("archive", "gone")
    else:
        address = "gopher://127.0.0.1/a.zip"
    with pytest.raises(UserError, match=re.escape(address)):
        sources.download(address, target, sha256)
    assert not target.exists() and tree(target.parent) == {}


def test_half_a_file_from_elsewhere_is_not_taken_for_the_archive(server, tmp_path):
    target = tmp_path / "a.zip"
    target.write_bytes(server.payload[:100])
    assert sources.download(server.address, target).read_bytes() == server.payload
    target.write_bytes(server.payload[:-1])  # damaged after its hash was recorded
    assert sources.download(server.address, target).read_bytes() == server.payload


def test_local_file_does_as_well(tmp_path):
    archive = write_zip(tmp_path / "my copy.zip", release())
    assert sources.download(archive, tmp_path / "unused.zip") == archive
    with pytest.raises(UserError, match="SHA-256"):
        sources.download(str(archive), tmp_path / "unused.zip", "0" * 64)
    with pytest.raises(UserError, match=r"gone\.zip"):
        sources.download(tmp_path / "gone.zip", tmp_path / "unused.zip")
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(UserError, match=r"text\.zip"):
        sources.download(tmp_path / "text.zip", tmp_path / "unused.zip")


# --- unpack -----------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [write_zip, write_tar])
@pytest.mark.parametrize(
    ("top", "names"),
    [
        ("", ("train", "test", "covid", "non")),
        ("data_upload_v3/", ("train", "test", "covid", "non")),
        ("a/b/", ("Train", "TEST", "Covid-19", "Non-COVID")),
    ],
)
def test_unpack_finds_the_release_and_names_it_right(tmp_path, write, top, names):
    archive = write(tmp_path / "archive", release(top, names) | {f"{top}readme.md": b"hello"})
    folder = sources.unpack(archive, tmp_path / "to" / "data set")
    expected = release("")
    found = tree(folder)
    assert found.pop("readme.md") == b"hello"
    assert found.keys() == expected.keys()
    assert sorted(found.values()) == sorted(expected.values())
    assert [p.name for p in folder.parent.iterdir()] == ["data set"]
    assert folder.stat().st_mode & 0o055 == 0o055


def refused(archive: Path, folder: Path, reason: str):
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(UserError, match=reason):
        sources.unpack(archive, folder)
    assert sorted(folder.parent.rglob("*")) == before, "something was left behind"


@pytest.mark.parametrize("write", [write_zip, write_tar])
@pytest.mark.parametrize(
    "name", ["../evil.jpg", "data/../../evil.jpg", "/evil.jpg", "..\\evil.jpg", "C:\\evil.jpg"]
)
def test_no_path_leaves_the_target(tmp_path, write, name):
    archive = write(tmp_path / "a", release() | {name: b"evil"})
    (tmp_path / "in").mkdir()
    refused(archive, tmp_path / "in" / "data", "evil")


def test_dots_in_names_are_no_way_up(tmp_path):
    archive = write_zip(tmp_path / "a", release() | {"data/train/non/a..b...jpg": b"x"})
    assert (sources.unpack(archive, tmp_path / "to") / "train/non/a..b...jpg").exists()


def test_links_and_devices_are_refused(tmp_path):
    (tmp_path / "in").mkdir()
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
        archive = write_tar(tmp_path / "a.tgz", release(), trap=(kind, "../../outside"))
        refused(archive, tmp_path / "in" / "data", "trap")
    with zipfile.ZipFile(write_zip(tmp_path / "a.zip", release()), "a") as file:
        entry = zipfile.ZipInfo("trap")
        entry.external_attr = 0o120777 << 16
        file.writestr(entry, "../../outside")
    refused(tmp_path / "a.zip", tmp_path / "in" / "data", "trap")


def test_bombs_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    archive = write_zip(tmp_path / "a.zip", release())
    monkeypatch.setattr(sources, "MAX_BYTES", 1000)
    refused(archive, tmp_path / "in" / "data", "too many")
    monkeypatch.setattr(sources, "MAX_BYTES", 10**9)
    monkeypatch.setattr(sources, "MAX_FILES", 7)
    refused(archive, tmp_path / "in" / "data", "too many")


def test_damaged_and_foreign_archives_leave_nothing(tmp_path):
    (tmp_path / "in").mkdir()
    folder = tmp_path / "in" / "data"
    whole = write_tar(tmp_path / "whole.tgz", release()).read_bytes()
    (tmp_path / "cut.tgz").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.tgz", folder, r"cut\.tgz cannot be unpacked")
    data = bytearray(write_zip(tmp_path / "flip.zip", release()).read_bytes())
    data[200] ^= 255  # within the first picture: its checksum no longer fits
    (tmp_path / "flip.zip").write_bytes(data)
    refused(tmp_path / "flip.zip", folder, "CRC")
    partial = {name: data for name, data in release().items() if "test/non" not in name}
    refused(write_zip(tmp_path / "p.zip", partial), folder, "test/non")
    refused(tmp_path / "gone.zip", folder, r"gone\.zip")
    doubtful = release() | {"data/train/covid (2)/x.jpg": picture(1)}  # which of the two is meant?
    refused(write_zip(tmp_path / "d.zip", doubtful), folder, "does not hold")


def test_unpack_never_mixes_with_what_is_there(tmp_path):
    archive = write_zip(tmp_path / "a.zip", release())
    folder = tmp_path / "data"
    folder.mkdir()
    sources.unpack(archive, folder)  # empty is as good as absent
    with pytest.raises(UserError, match="there already"):
        sources.unpack(archive, folder)


# --- build ------------------------------------------------------------------------------------

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


RULE = {"train": (4, 3, 2), "test": (5, 4, 3)}  # 12 images of 6 patients of each kind


def ship(monkeypatch, tmp_path, rows) -> None:
    """Let `rows` (split, label, name, source, bytes) be the list that the package ships."""
    table = pd.DataFrame(
        [
            {"split": s, "label": c, "name": n, "source": source,
             "git_blob_sha1": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(),
             "bytes": len(data), "format": "JPEG", "mode": "L", "width": 24, "height": 20}
            for s, c, n, source, data in rows
        ]
    )  # fmt: skip
    table.to_csv(tmp_path / "list.csv", index=False)
    monkeypatch.setattr(sources, "LIST", tmp_path / "list.csv")


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
    assert built.counts == dict.fromkeys(PLACES, 1)
    assert (built.missing, built.changed, built.without_row) == ([], [], [])
    assert built.augmented == 1 and "augmented copies are in no raw source" in str(built)
    covid = pd.read_csv(tmp_path / "out" / "covid-metadata.csv")
    assert dict(zip(covid["name"], covid.patientid, strict=True)) == {
        "bild 0-0 ü.jpg": 0,
        "bild 1-0 ü.jpg": 1,
    }
    film = pd.read_csv(tmp_path / "out" / "chexpert-metadata.csv")
    assert list(film.columns[:3]) == ["split", "name", "Path"] and film.Edema.tolist() == [1, -1]
    found = sources.verify(tmp_path / "out")
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
    built = sources.build(*raw, tmp_path / "out", allow_missing=True)
    assert len(built.missing) == 3 and built.counts == {"train/covid": 1}
    assert not list(tmp_path.glob(".part-*"))


def test_build_tells_changed_files_and_files_without_a_row(raw, listed, tmp_path):
    covid, chexpert = raw
    (chexpert / listed[3][3]).write_bytes(picture(77))
    (covid / "images" / "stray.jpg").write_bytes(picture(1))
    table = pd.read_csv(covid / "metadata.csv", dtype=str)
    table[table.filename != "bild 0-0 ü.jpg"].to_csv(covid / "metadata.csv", index=False)
    built = sources.build(*raw, tmp_path / "out")
    assert built.changed == [f"test/non/{listed[3][2]}"]
    assert built.without_row == ["images/bild 0-0 ü.jpg", "images/stray.jpg"]
    assert sum(built.counts.values()) == 4


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


def test_draw_follows_the_rule(raw, tmp_path):
    built = sources.build(*raw, tmp_path / "out", release=False, rule=RULE, seed=3)
    assert built.counts == {"train/covid": 4, "train/non": 29, "test/covid": 5, "test/non": 43}
    assert built.augmented == 0
    film = pd.read_csv(tmp_path / "out" / "chexpert-metadata.csv")
    assert (film["Frontal/Lateral"] == "Frontal").all()
    assert (film[list(KINDS)] == 1).sum(axis=1).eq(1).all()
    per_kind = (film[list(KINDS)] == 1).groupby(film.split).sum()
    assert set(per_kind.loc["train"]) == {2, 3} and per_kind.loc["train", "No Finding"] == 3
    assert set(per_kind.loc["test"]) == {3, 4} and per_kind.loc["test", "No Finding"] == 4
    named = film[film.split == "train"]
    assert all(row[row["name"].split("-patient")[0]] == 1 for _, row in named.iterrows())
    covid = pd.read_csv(tmp_path / "out" / "covid-metadata.csv")
    for table, patient in ((covid, covid.patientid), (film, film.Path.str.split("/").str[2])):
        assert table.groupby(patient).split.nunique().eq(1).all(), "a patient is in two splits"
        assert table.groupby(patient).size().max() == 2, "the test needs patients of two images"
    assert not {"side.jpg", "ct.jpg", "sars.jpg"} & set(covid["name"])


def test_draw_depends_on_the_seed_only(raw, tmp_path):
    names = []
    for number, seed in enumerate((1, 1, 2)):
        sources.build(*raw, tmp_path / f"{number}", release=False, rule=RULE, seed=seed)
        names.append(sorted(tree(tmp_path / f"{number}")))
    assert names[0] == names[1] != names[2]


def test_no_seed_plants_a_patient_in_two_splits(raw):
    tables = sources.read_tables(*raw)
    for seed in range(20):
        plan = sources.drawn(*tables, RULE, seed)
        patient = plan.source.str.extract(r"(patient\d+|bild \d+)")[0]
        assert plan.groupby(patient).split.nunique().eq(1).all()
        assert plan.source.is_unique


def test_too_small_sources_say_what_they_lack(raw, tmp_path):
    with pytest.raises(UserError) as error:
        sources.build(*raw, tmp_path / "out", release=False)
    text = str(error.value)
    assert "images of covid" in text and all(f"images of {kind}" in text for kind in KINDS)
    assert not (tmp_path / "out").exists()


def test_links_save_space(raw, listed, tmp_path):
    sources.build(*raw, tmp_path / "out", link=True)
    source = raw[1] / listed[3][3]
    assert (tmp_path / "out" / "test" / "non" / listed[3][2]).samefile(source)


# --- the commands -----------------------------------------------------------------------------


def test_obtain_unpacks_an_address_or_a_local_archive(server, tmp_path):
    for n, where in enumerate((server.address, str(write_zip(tmp_path / "own.zip", release())))):
        folder = tmp_path / f"obtained {n}"
        assert main(["obtain", "-p", "data", str(folder), where]) == 0
        assert set(tree(folder)) == {name.removeprefix("data/") for name in release()}


def test_build_command(raw, listed, tmp_path, capsys):
    folder = tmp_path / "built"
    assert main(["build", *map(str, raw), "-p", "data", str(folder)]) == 0
    assert len(tree(folder)) > len(PLACES) and str(folder) in capsys.readouterr().out
    assert main(["build", str(raw[0]), "-p", "data", str(folder)]) == 2
    assert main(["build", *map(str, raw)]) == 2
    assert main(["verify", "one", "-p", "data", str(folder)]) == 2


# --- verify -----------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A whole copy of a release of eight images, two with the same content, one an RGBA PNG."""
    files = release("")
    names = list(files)
    files[names[1]] = files[names[0]]
    files = {(k[:-3] + "png" if k == names[3] else k): v for k, v in files.items()}
    rows = [(*name.split("/"), "", data) for name, data in files.items()]
    # names are unique in the real list, over all folders
    rows = [(s, c, f"{s} {c} {n}", source, data) for s, c, n, source, data in rows]
    ship(monkeypatch, tmp_path, rows)
    folder = tmp_path / "my copy"
    for split, label, name, _, data in rows:
        path = folder / split / label / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_whole_copy(copy):
    found = sources.verify(copy)
    assert len(found.present) == 8
    assert not any((found.repacked, found.changed, found.missing, found.misplaced, found.twice,
                    found.foreign))  # fmt: skip
    assert "8 of the 8" in sources.report(found) and "whole and unchanged" in sources.report(found)


def test_content_counts_not_place_or_name(copy):
    flat = copy.parent / "elsewhere"
    flat.mkdir()
    for number, path in enumerate(sorted(copy.rglob("*.*g"))):
        path.rename(flat / f"{number}.bin")
    found = sources.verify(flat)
    assert len(found.present) == 8 and not found.misplaced and not found.foreign


def test_missing_changed_foreign_misplaced_twice(copy):
    paths = sorted(copy.rglob("*.*g"))  # test/covid 0 1, test/non 2 3, train/covid 4 5, non 6 7
    place = [path.relative_to(copy).as_posix() for path in paths]
    paths[0].unlink()
    paths[1].write_bytes(picture(500))  # of the right size: tampered with
    paths[2].write_bytes(paths[2].read_bytes()[:400])
    paths[3].write_bytes(picture(501, (60, 20)))
    shutil.move(paths[6], copy / "test" / "non" / "moved.jpg")
    shutil.copy(paths[7], copy / "train" / "non" / "again.jpg")
    (copy / "train" / "covid" / "foreign.jpg").write_bytes(picture(502))
    (copy / "masks").mkdir()
    (copy / "masks" / "mask.png").write_bytes(picture(503))
    (copy / "train" / "notes.txt").write_text("no image")
    found = sources.verify(copy)
    assert found.present == place[4:]
    assert found.missing == [place[0]]
    assert found.changed == place[1:4]
    assert found.misplaced == ["test/non/moved.jpg"]
    assert found.twice in (["train/non/again.jpg"], [place[7]])
    assert found.foreign == ["train/covid/foreign.jpg"]
    assert found.repacked == []
    text = sources.report(found)
    for line in ("4 of the 8", "1 missing", "3 changed", "1 in the folder", "1 foreign", place[0]):
        assert line in text
    assert "whole" not in text


def test_of_two_equal_images_the_missing_one_is_named(copy):
    first = sorted((copy / "train" / "covid").iterdir())[0]
    first.unlink()
    found = sources.verify(copy)
    assert found.missing == [first.relative_to(copy).as_posix()]


def test_downsized_copy_is_said_to_be_repacked(copy):
    for path in sorted(copy.rglob("*.*g")):
        name = path.name if path.suffix == ".jpg" else path.name + ".jpg"
        with Image.open(path) as image:
            small = image.resize((12, 10))
        path.unlink()
        small.save(path.with_name(name), "JPEG")
    kept = next((copy / "test" / "non").iterdir())
    small.resize((24, 20)).save(kept)  # too small to be downsized, but encoded anew
    broken = next((copy / "train" / "non").iterdir())
    broken.write_bytes(broken.read_bytes()[:300])
    found = sources.verify(copy)
    assert (len(found.repacked), len(found.changed), len(found.missing)) == (7, 1, 0)
    assert found.present == [] and found.foreign == []
    assert "repacked copy: 7 images" in sources.report(found)


def test_long_lists_are_cut(copy):
    for number in range(25):
        (copy / "train" / "non" / f"{number}.jpg").write_bytes(picture(600 + number))
    text = sources.report(sources.verify(copy))
    assert "25 foreign" in text and "... and 15 more" in text and len(text.splitlines()) == 13


def test_verify_needs_a_folder(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        sources.verify(tmp_path / "nowhere")


# --- the real list ----------------------------------------------------------------------------


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


def test_real_copy_is_a_repacked_one():
    if not REAL.is_dir():
        pytest.skip("the radiographs (../shared/data/covid-xray-5k) are not here")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = sources.verify(REAL)
    # of five the size is unknown, so that nothing but the name can be compared
    assert (len(found.repacked), len(found.changed), len(found.missing)) == (5515, 5, 0)
    assert found.present == found.foreign == found.misplaced == found.twice == []
    fingerprint = pd.read_csv(REAL / "fingerprint.csv", dtype=str, keep_default_na=False)
    shipped = sources.known()[fingerprint.columns.drop("packed")]
    pd.testing.assert_frame_equal(shipped, fingerprint.drop(columns="packed"))
