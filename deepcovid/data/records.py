"""What is recorded of images beside their pixels: tables, file names, and whose a DICOM file is."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from deepcovid.io import read_table
from deepcovid.runs import UserError
from imageaudit import images
from imageaudit.patients import SERIES, pseudonym

# the tables that may lie beside the images, by the class that they are about, and their columns
TABLES = {
    "covid": ("covid-metadata.csv", ("name", "patientid", "sex", "age", "view", "modality")),
    "non": ("chexpert-metadata.csv", ("name", "Sex", "Age", "AP/PA")),
    "patients": ("patients.csv", ("name", "patient")),  # of both classes
}
FINDINGS = ("Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
            "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
            "Pleural Other", "Fracture", "Support Devices")  # of CheXpert  # fmt: skip
# how the release names its own augmented copies of an image: prefix, image, underscore, UUID
RELEASED_COPY = re.compile(
    r"covid_original_(?P<original>.+)_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
CHEXPERT = re.compile(r"(?:(?P<finding>.+)-)?(?P<patient>patient\d+)-study\d+-view\d+_frontal")
PHANTOM = re.compile(r"(?P<finding>.+)-(?P<patient>phantom\d+)-")


def metadata(folder: Path, paths: Sequence[str] = ()) -> dict[str, pd.DataFrame]:
    """The tables beside the images, by the class that they are about; {} without any.

    All text, indexed by `name`: an image's path below `folder`, or its file name where no other
    image has it. That column may be called `image`. Raises UserError for a table that cannot be read,
    lacks columns, lists an image twice, or gives, of the images at `paths` (below `folder`), one name
    to several.
    """
    tables = {}
    for kind, (file, needed) in TABLES.items():
        if (folder / file).is_file():
            tables[kind] = read(folder / file, needed)
            of_kind = [p for p in paths if kind in ("patients", class_of(p))]
            refuse_ambiguous(folder / file, tables[kind], of_kind)
    return tables


def read(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    """A table, all text, indexed by its column `name`; UserError says what is wrong with it."""
    table = read_table(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if "name" not in table:
        table = table.rename(columns={"image": "name"})
    if missing := [column for column in needed if column not in table]:
        raise UserError(f"{path} lacks {', '.join(missing)}; it has {', '.join(map(repr, table))}")
    table = table.apply(lambda column: column.str.strip())
    table["name"] = table.name.str.replace("\\", "/")
    if len(twice := table.name[table.name.duplicated()].unique()):
        raise UserError(f"{path} lists more than once: {', '.join(twice)}")
    return table.set_index("name")


def refuse_ambiguous(file: Path, table: pd.DataFrame, paths: list[str]) -> None:
    """Raise UserError unless each row of a table is about one of the images at `paths` at most."""
    named = [(name, path) for path in paths if (name := find_listed_name(path, table.index))]
    found = pd.DataFrame(named, columns=["name", "path"])
    if len(several := found[found.name.duplicated(keep=False)]):
        raise UserError(
            f"{file} has one name for several images, so give their paths as names instead: "
            + ", ".join(several.path.head())
        )
    if paths and "patient" in table and not named:
        raise UserError(f"{file} names no image that is here; they are called like {paths[0]}")


def folder_of(images: pd.Series) -> pd.Series:
    """The split folder of each image by its path, `train` or `test`."""
    return images.str.partition("/")[0].str.lower()


def class_of(image: str) -> str:
    """The class folder of an image by its path, `covid` or `non`: the part below the split's."""
    return image.split("/")[1].lower()


def name_variants(name: str) -> tuple[str, ...]:
    """The names under which a table may know a file: its own, and without an added `.jpg`."""
    return (name, name.removesuffix(".jpg"))


def find_listed_name(image: str, table) -> str | None:
    """The name under which a table lists an image: its path, or its file name alone.

    `table` is anything that can be asked whether a name is in it.
    """
    names = (*name_variants(image), *name_variants(image.rpartition("/")[2]))
    return next((name for name in names if name in table), None)


def original_of(image: str, originals: set[str]) -> str:
    """The image that one of the release's augmented copies was made of; `` of any other image.

    `originals` holds the paths of all images that are none; the original may not be among them.
    """
    folder, _, name = image.rpartition("/")
    match = RELEASED_COPY.match(name)
    if not match:
        return ""
    known = [f"{folder}/{match['original']}{suffix}" for suffix in ("", ".jpg")]
    return next((path for path in known if path in originals), known[0])


def dicom_patient(path: Path) -> str:
    """A pseudonym of a DICOM file's PatientID; `` without one, and for other files."""
    with path.open("rb") as file:
        named = images.begins_like_dicom(file.read(132))
        file.seek(0)
        return pseudonym(images.dicom_header(file)) if named else ""


def describe(folder: Path, image: str, original: str, tables: dict[str, dict]) -> dict[str, str]:
    """Source, patient and finding of the image at `folder / image`, a path `split/class/...`.

    `original` is the image that it is a copy of, if any; `tables` has the rows of `metadata` by
    name. The patient is, in this order, whom `patients.csv` names, covid-chestxray's table, the
    file name of CheXpert or the phantom, or the DICOM header. Else the image is a patient of its
    own, but for a series in one folder whose names differ by `-day3` alone.
    """
    of, kind = original or image, class_of(image)
    rows, listed = tables.get(kind, {}), tables.get("patients", {})
    row = rows.get(find_listed_name(of, rows), {})
    patient = listed.get(find_listed_name(of, listed), {}).get("patient")
    folders, name = of.split("/")[2:-1], of.rpartition("/")[2]
    chexpert, drawn = CHEXPERT.match(name), PHANTOM.match(name)

    source = folders[0] if folders else kind
    if kind == "covid" and (row or (rows and not chexpert and not drawn)):
        source = "covid-chestxray"
    elif chexpert or drawn:
        source = "CheXpert" if chexpert else "phantom"

    if patient:
        patient = f"listed {patient}"
    elif kind == "covid" and row.get("patientid"):
        patient = f"covid-chestxray {row['patientid']}"
    elif chexpert or drawn:
        patient = f"CheXpert {chexpert['patient']}" if chexpert else drawn["patient"]
    elif number := dicom_patient(folder / image):
        patient = f"DICOM {number}"
    else:
        patient = f"by path {SERIES.sub('', of)}"
    return {
        "source": source,
        "patient": patient,
        "finding": finding_of(kind, row, chexpert or drawn),
    }


def finding_of(kind: str, row: dict[str, str], named: re.Match | None) -> str:
    """What an image shows: its class, its file name or its row says so; `not stated`, or unknown."""
    if kind == "covid":
        return "COVID-19"
    if named and named["finding"]:
        return named["finding"]
    shown = [name for name in ("No Finding", *FINDINGS) if is_present(row.get(name, ""))]
    return "; ".join(shown) or ("not stated" if row or named else "")


def is_present(value: str) -> bool:
    """Does a table's cell say that a finding is there? CheXpert writes 1.0; -1.0 is uncertain."""
    return value.lower() in ("1", "1.0", "true", "yes")
