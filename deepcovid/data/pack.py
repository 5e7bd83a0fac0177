"""From originals to the files that the study used, byte for byte, and which files of a copy are the
same."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from PIL import Image

from deepcovid.data.originals import FOLDERS, blob_sha1, known, listed, packed
from deepcovid.io import atomic_write, read_table
from deepcovid.runs import escape_control_chars
from imageaudit import images

SHORTER_SIDE, QUALITY = 256, 85  # pixels, of JPEG
CASE = r"radiopaedia\.org/cases/([^/?#]+)"
TEXT = {"dtype": str, "keep_default_na": False}
COVID_COLUMNS = ["patientid", "offset", "sex", "age", "finding", "survival", "view", "modality",
                 "date", "location", "license"]  # fmt: skip
WHOLE = ("present", "packed")  # states of an image that is the release's, or made of it as ours was


def pack(originals: Path, folder: Path) -> pd.DataFrame:
    """Make each file of `packed.csv` whose original is in `originals/ORIGIN/FILE`; see `compare`.

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
    return compare(folder)


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
    scale = SHORTER_SIDE / min(picture.size)
    if scale < 1:
        size = tuple(round(side * scale) for side in picture.size)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    with atomic_write(target) as partial:
        picture.save(partial, "JPEG", quality=QUALITY, optimize=True)


def compare(folder: Path) -> pd.DataFrame:
    """How many files of each origin are in `folder` byte for byte, are others, or are missing."""
    rows = packed()
    with ThreadPoolExecutor() as pool:
        sha1 = list(pool.map(lambda path: path.is_file() and blob_sha1(path), folder / rows.path))
    state = rows.git_blob_sha1.eq(sha1).map({True: "the same", False: "different"})
    state[[not found for found in sha1]] = "missing"
    table = pd.crosstab(rows.origin, state).rename_axis(index=None, columns=None)
    return table.reindex(columns=["the same", "different", "missing"], fill_value=0)


def verify(folder: Path) -> pd.Series:
    """What became of each image of the release in `folder/train|test/covid|non`, by its place.

    These may be written in any case, with folders in them. `present`: byte for byte; `packed`: byte
    for byte as `pack` makes it, and as this study used it; `changed`: other bytes of this name;
    `missing`; and, by their path, images that are `foreign`: not in the release, or not in this place.
    Masks beside them bear the same names. UserError without a folder.
    """
    there, found = {}, {}
    for path in images.find(folder):
        place = "/".join((*path.relative_to(folder).parts[:-1], "", "")[:2]).lower()
        if place in FOLDERS:
            there.setdefault(f"{place}/{path.name}", []).append(path)
    release, rows = known().git_blob_sha1, packed()
    ours = rows[rows.origin == "release"].set_index("file").git_blob_sha1.reindex(release.index)
    for place in release.index:
        if paths := there.get(place) or there.get(f"{place}.jpg"):  # `.jpg`: packed anew
            found[place] = paths.pop(0)
    with ThreadPoolExecutor() as pool:
        sha1 = pd.Series(list(pool.map(blob_sha1, found.values())), list(found), dtype=object)
    sha1 = sha1.reindex(release.index)
    state = pd.Series("changed", release.index).mask(sha1.isna(), "missing")
    state = state.mask(sha1 == ours, "packed").mask(sha1 == release, "present")
    spare = [path.relative_to(folder).as_posix() for paths in there.values() for path in paths]
    return pd.concat([state, pd.Series("foreign", sorted(spare), dtype=object)])


def report(folder: Path, state: pd.Series) -> str:
    """What `verify` found, in words."""
    count, number = state.value_counts(), (state != "foreign").sum()
    text = f"{escape_control_chars(folder)}: {count.get('present', 0):,} of the {number:,} images of COVID-Xray-5k are there, byte for byte"  # fmt: skip
    text += f", and {count.packed:,} as this study packed them." if "packed" in count else "."
    for kind, why in (("missing", ""), ("changed", " (the release's name, other bytes)"),
                      ("foreign", " (not in the release, or not in this place)")):  # fmt: skip
        text += listed(sorted(state.index[state == kind]), kind + why)
    return text + "\nNothing is missing, changed or foreign." * bool(state.isin(WHOLE).all())


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
    about = read_table(source, ["image_id"], **TEXT).set_index("image_id")
    found = []
    for path in rows.path[rows.path.str.fullmatch(r"external/.*\.jpg")]:
        image = path.removeprefix("external/")
        name = image.rpartition("/")[2].removesuffix(".jpg").split("-")
        if image.startswith("non/"):
            patient = "nih-" + name[1].partition("_")[0]
            found.append(
                {"image": image, "label": "non", "patient": patient, "source": "ChestX-ray8"}
            )
            continue
        row = about.loc[name[2]]
        found.append({
            "image": image, "label": "covid", "patient": f"hannover-{name[1]}", "view": name[3].upper(),
            "sex": row.sex.upper(), "age": row.age, "modality": row.modality,
            "offset": row.admission_offset, "source": "Hannover Medical School", "licence": "CC BY 3.0",
        })  # fmt: skip
    columns = ("image", "label", "patient", "view", "sex", "age", "modality", "offset", "source",
               "licence")  # fmt: skip
    return pd.DataFrame(found, columns=columns)


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


TABLES: dict[str, Callable] = {
    "covid-xray-5k/covid-metadata.csv": covid,
    "covid-xray-5k/chexpert-metadata.csv": chexpert,
    "brixia.csv": severities,
    "external/metadata.csv": external,
    "covid-chestxray-others/metadata.csv": collection,
}
