"""From originals to the files that the study used, byte for byte; and a copy compared with these."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from PIL import Image

from deepcovid.data.originals import FOLDERS, blob_sha1, known, listed, packed
from deepcovid.io import atomic_write, read_table
from imageaudit import images

SHORTER_SIDE, QUALITY = 256, 85  # pixels, of JPEG
CASE = r"radiopaedia\.org/cases/([^/?#]+)"
PARTS = ("covid-xray-5k", "external", "covid-chestxray-others")  # of a folder of all data
TEXT = {"dtype": str, "keep_default_na": False}
COVID_COLUMNS = ["patientid", "offset", "sex", "age", "finding", "survival", "view", "modality",
                 "date", "location", "license"]  # fmt: skip


def pack(originals: Path, folder: Path) -> pd.DataFrame:
    """Make each file of `packed.csv` whose original is in `originals/ORIGIN/FILE`; see `verify`.

    An image of the release may be in its raw source instead. What is in `folder` is kept; a table
    is made again, of the images that are there.
    """
    rows = packed()
    for row in rows[rows.file != ""].itertuples():
        places, target = (originals / row.origin / row.file, originals / row.raw), folder / row.path
        source = next((place for place in places if place.is_file()), None)
        if source and (make := TABLES.get(row.path)):
            pack_table(make(source, rows), target)
        elif source and not target.exists():
            pack_image(source, target)
    return verify(folder)


def pack_table(table: pd.DataFrame, target: Path) -> None:
    """Write a table as ours were written: lines of a `...metadata.csv` end as the csv module's do."""
    with atomic_write(target) as partial:
        end = "\r\n" if target.name.endswith("metadata.csv") else "\n"
        table.to_csv(partial, index=False, lineterminator=end)


def pack_image(source: Path, target: Path) -> None:
    """Write a radiograph as JPEG, its shorter side 256 pixels or less; grey stays grey."""
    with Image.open(source) as picture:
        grey = picture.mode in ("1", "L", "LA", "I", "I;16", "F")
        picture = picture.convert("L" if grey else "RGB")
    scale = min(1, SHORTER_SIDE / min(picture.size))
    size = tuple(round(side * scale) for side in picture.size)
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    with atomic_write(target) as partial:
        picture.save(partial, "JPEG", quality=QUALITY, optimize=True)


def verify(folder: Path) -> pd.DataFrame:
    """What of each file that the study used is in `folder`, which holds all data, or COVID-Xray-5k alone.

    `path`, `origin`, and `state`: `the same`, byte for byte; `original`, byte for byte as the release
    has it; `different`; `missing`; and `foreign` are further images among those of the release.
    Raises UserError without a folder.
    """
    rows, base = packed(), folder / "covid-xray-5k"
    if not any((folder / part).is_dir() for part in PARTS):
        rows, base = rows[rows.origin == "release"], folder
        rows = rows.assign(path=rows.path.str.removeprefix("covid-xray-5k/"))
    release = rows.file.where(rows.origin == "release", "")
    places = [next(filter(Path.is_file, (folder / path, base / file)), None)
              for path, file in zip(rows.path, release, strict=True)]  # fmt: skip
    with ThreadPoolExecutor() as pool:
        sha1 = pd.Series(pool.map(lambda place: place and blob_sha1(place), places), rows.index)
    state = pd.Series("different", rows.index).mask(sha1.isna(), "missing")
    state = state.mask(sha1 == release.map(known().git_blob_sha1), "original")
    rows["state"] = state.mask(sha1 == rows.git_blob_sha1, "the same")
    there = {path for path in images.find(folder) if path.is_relative_to(base)}
    spare = sorted(there - {*places})
    foreign = [path.relative_to(folder).as_posix() for path in spare
               if path.relative_to(base).as_posix().startswith(FOLDERS)]  # fmt: skip
    foreign = pd.DataFrame({"path": foreign, "origin": "unknown", "state": "foreign"})
    return pd.concat([rows[["path", "origin", "state"]], foreign], ignore_index=True)


def is_whole(found: pd.DataFrame) -> bool:
    """Did `verify` find every file, as the study or the release has it, and no other?"""
    return bool(found.state.isin(["the same", "original"]).all())


def report(found: pd.DataFrame) -> str:
    """What `verify` found, in words: files by origin and state, and the first of those amiss."""
    table = pd.crosstab(found.origin, found.state).rename_axis(index=None, columns=None)
    states = ("missing", "different", "foreign")
    amiss = (listed(found.path[found.state == state].tolist(), state) for state in states)
    return str(table) + "".join(amiss)


def release_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a raw source's table about images of the release, by `split` and `name`."""
    images = known()[["split", "name", "source"]]
    return images.merge(table.drop_duplicates("source"), on="source").drop(columns="source")


def covid(source: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """`covid-metadata.csv`: what covid-chestxray-dataset's table says of the COVID-19 images."""
    table = read_table(source, ["folder", "filename", *COVID_COLUMNS], **TEXT)
    table["source"] = table.folder + "/" + table.filename
    return release_rows(table[["source", *COVID_COLUMNS]])


def chexpert(source: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """`chexpert-metadata.csv`: what CheXpert's table says of the Non-COVID images."""
    table = read_table(source, ["Path"], **TEXT)
    return release_rows(table.assign(source=table.Path.str.partition("/")[2]))


def severities(source: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """`brixia.csv`: the published scores of the images that the study has, by their path."""
    images = rows[rows.origin.isin(["release", "covid-chestxray"]) & rows.path.str.endswith(".jpg")]
    place = dict(zip(images.file.str.rpartition("/")[2], images.path, strict=True))
    table = read_table(source, ["filename"], **TEXT)
    table.insert(0, "image", table.pop("filename").map(place))
    return table.dropna(subset="image")


def external(source: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """`external/metadata.csv`: what Hannover's table and the names of ChestX-ray8 say."""
    images = rows.path[rows.path.str.fullmatch(r"external/.*\.jpg")].str.removeprefix("external/")
    name = images.str.rpartition("/")[2].str.removesuffix(".jpg").str.split("-")
    label = images.str.partition("/")[0]
    about = read_table(source, ["image_id"], **TEXT).set_index("image_id")
    about = about.reindex(name.str[2]).set_index(images.index)
    hospital = label.map({"covid": "hannover-", "non": "nih-"})
    return pd.DataFrame({
        "image": images, "label": label, "patient": hospital + name.str[1].str.partition("_")[0],
        "view": name.str[3].str.upper(), "sex": about.sex.str.upper(), "age": about.age,
        "modality": about.modality, "offset": about.admission_offset,
        "source": label.map({"covid": "Hannover Medical School", "non": "ChestX-ray8"}),
        "licence": label.map({"covid": "CC BY 3.0"}),
    })  # fmt: skip


def collection(source: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """`covid-chestxray-others/metadata.csv`: what the collection's own table says of its images.

    A finding that the table leaves open stays open here; the study took it from the case's title.
    """
    about = read_table(source, ["filename", "url"], **TEXT)
    about = about.drop_duplicates("filename").set_index("filename")
    images = rows[(rows.origin == "covid-chestxray") & rows.path.str.endswith(".jpg")]
    table = about.reindex(images.file.str.rpartition("/")[2]).reset_index().fillna("")
    name = images.path.str.split("/")
    case = table.url.str.extract(CASE)[0]
    made = {
        "name": name.str[2].to_numpy(), "label": name.str[1].to_numpy(),
        "finding": table.finding.str.rpartition("/")[2], "patientid": table.patientid,
        "case": case.fillna("patient " + table.patientid),
        "published_at": table.url.str.extract(r"//(?:www\.)?([^/]+)")[0].fillna(""),
        "finding_from": "metadata",
    }  # fmt: skip
    columns = ["name", "label", "finding", "patientid", "case", "offset", "sex", "age", "view", "date",
               "location", "published_at", "license", "finding_from"]  # fmt: skip
    return table.assign(**made)[columns]


TABLES = {
    "covid-xray-5k/covid-metadata.csv": covid,
    "covid-xray-5k/chexpert-metadata.csv": chexpert,
    "brixia.csv": severities,
    "external/metadata.csv": external,
    "covid-chestxray-others/metadata.csv": collection,
}
