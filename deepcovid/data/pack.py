"""From originals to the files that the study used, byte for byte, and which files of a copy are the
same."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from deepcovid.data.originals import packed
from deepcovid.data.sources import CLASSES, SPLITS, blob_sha1, known, listed
from deepcovid.io import atomic_write, read_table
from deepcovid.runs import escape_control_chars
from imageaudit import images

SHORTER_SIDE, QUALITY = 256, 85  # pixels, of JPEG
CASE = r"radiopaedia\.org/cases/([^/?#]+)"


def pack(originals: Path, folder: Path) -> pd.DataFrame:
    """Make each file of `packed.csv` whose original is in `originals/ORIGIN/FILE`; see `compare`.

    What is in `folder` is kept; a table is made again, of the images that are there.
    """
    rows = packed()
    for row in rows[rows.file != ""].itertuples():
        source, target = originals / row.origin / row.file, folder / row.path
        if not source.is_file():
            continue
        if make := TABLES.get(row.path):
            pack_table(make(source, rows), target)
        elif not target.exists():
            pack_image(source, target)
    return compare(folder)


def pack_table(table: pd.DataFrame, target: Path) -> None:
    """Write a table as ours were written: lines of a `metadata.csv` end as the csv module's do."""
    with atomic_write(target) as partial:
        end = "\r\n" if target.name == "metadata.csv" else "\n"
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


@dataclass(frozen=True)
class Verification:
    """A copy of COVID-Xray-5k against the release. The lists but the last hold `split/class/name` of
    the release and are its 5,520 images together; `foreign` holds paths within the copy."""

    folder: Path
    present: list[str]  # byte for byte
    packed: list[str]  # byte for byte as `pack` makes them, and as this study used them
    changed: list[str]  # its name, but other bytes
    missing: list[str]
    foreign: list[str]  # images that the release does not have, or not in this place

    @property
    def sound(self) -> bool:
        """Is every image of the release in its place, and no other among them?"""
        return not (self.missing + self.changed + self.foreign)

    def __str__(self) -> str:
        lists = (self.present, self.packed, self.changed, self.missing)
        text = (
            f"{escape_control_chars(self.folder)}: {len(self.present):,} of the "
            f"{sum(map(len, lists)):,} images of COVID-Xray-5k are there, byte for byte"
        )
        text += f", and {len(self.packed):,} as this study packed them." if self.packed else "."
        text += listed(self.missing, "missing")
        text += listed(self.changed, "changed (the release's name, other bytes)")
        text += listed(self.foreign, "foreign (not in the release, or not in this place)")
        return text + "\nNothing is missing, changed or foreign." * self.sound


def verify(folder: Path) -> Verification:
    """Compare `folder/train|test/covid|non`, written in any case and with folders in them, with the
    release, by place and name: masks beside them bear the same names. UserError without a folder.
    """
    there, found = {}, {}
    for path in images.find(folder):
        split, kind = [part.lower() for part in (*path.relative_to(folder).parts[:-1], "", "")][:2]
        if split in SPLITS and kind in CLASSES:
            there.setdefault(f"{split}/{kind}/{path.name}", []).append(path)
    rows = known()
    release = rows.set_index(rows.split + "/" + rows.label + "/" + rows["name"]).git_blob_sha1
    rows = packed()
    rows = rows[rows.origin == "release"].set_index("file").git_blob_sha1
    for place in release.index:
        if paths := there.get(place) or there.get(f"{place}.jpg"):  # `.jpg`: packed anew
            found[place] = paths.pop(0)
    with ThreadPoolExecutor() as pool:
        sha1 = pd.Series(list(pool.map(blob_sha1, found.values())), list(found), dtype=object)
    sha1 = sha1.reindex(release.index)
    state = pd.Series("changed", release.index).mask(sha1.isna(), "missing")
    state = state.mask(sha1 == rows.reindex(sha1.index), "packed").mask(sha1 == release, "present")
    parts = {name: sorted(state.index[state == name])
             for name in ("present", "packed", "changed", "missing")}  # fmt: skip
    spare = (path.relative_to(folder).as_posix() for paths in there.values() for path in paths)
    return Verification(folder, **parts, foreign=sorted(spare))


def severities(source: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """`brixia.csv`: the published scores of the images that the study has, by their path."""
    images = rows[rows.origin.isin(["release", "covid-chestxray"]) & rows.path.str.endswith(".jpg")]
    place = dict(zip(images.file.str.rpartition("/")[2], images.path, strict=True))
    table = read_table(source, ["filename"], dtype=str, keep_default_na=False)
    table.insert(0, "image", table.pop("filename").map(place))
    return table.dropna(subset="image")


def external(source: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """`external/metadata.csv`: what Hannover's table and the names of ChestX-ray8 say."""
    about = read_table(source, ["image_id"], dtype=str, keep_default_na=False).set_index("image_id")
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
    about = read_table(source, ["filename", "url"], dtype=str, keep_default_na=False)
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
    "brixia.csv": severities,
    "external/metadata.csv": external,
    "covid-chestxray-others/metadata.csv": collection,
}
