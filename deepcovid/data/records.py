"""What is recorded of images beside their pixels: tables, file names, and whose a DICOM file is."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from deepcovid.io import read_table
from deepcovid.runs import UserError, escape_control_chars
from imageaudit import images
from imageaudit.patients import CHESTXRAY14, SERIES, pseudonym, stated

Rows = dict[str, dict[str, str]]  # of a table, by the name of an image
# the tables that may lie beside the images, by the class that they are about, and their columns
TABLES = {
    "covid": ("covid-metadata.csv", ("name", "patientid", "sex", "age", "view", "modality")),
    "non": ("chexpert-metadata.csv", ("name", "Sex", "Age", "AP/PA")),
    "patients": ("patients.csv", ("name", "patient")),  # of both classes
}
FINDINGS = ("Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
            "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
            "Pleural Other", "Fracture", "Support Devices")  # of CheXpert  # fmt: skip
PRESENT = ("1", "1.0", "true", "yes")  # what a table writes where a finding is there
# how the release names its own augmented copies of an image: prefix, image, underscore, UUID
RELEASED_COPY = re.compile(
    r"covid_original_(?P<original>.+)_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
NUMBERED = ("ChestX-ray8", "CheXpert")  # number their patients in file names
CHEXPERT = re.compile(r"(?:(?P<finding>.+)-)?(?P<patient>patient\d+)-study\d+-view\d+_frontal")
PHANTOM = re.compile(r"(?P<finding>.+)-(?P<patient>phantom\d+)-")


def metadata(folder: Path, paths: Sequence[str] = ()) -> dict[str, Rows]:
    """The rows of the tables beside the images, by the class that they are about; {} without any.

    All text, by `name`: an image's path below `folder`, or its file name where no other image has it.
    That column may be called `image`. Raises UserError for a table that cannot be read, lacks columns,
    lists an image twice, or gives, of the images at `paths` (below `folder`), one name to several.
    """
    tables = {}
    for kind, (file, needed) in TABLES.items():
        if (folder / file).is_file():
            tables[kind] = read(folder / file, needed)
            of_kind = [p for p in paths if kind in ("patients", class_of(p))]
            refuse_ambiguous(folder / file, tables[kind], of_kind)
    return tables


def read(path: Path, needed: tuple[str, ...] = ("name",)) -> Rows:
    """The rows of a table, all text, by its column `name`; UserError says what is wrong with it.

    Columns `image` and `patient_id` are read as `name` and `patient`. Patients are `` where they name
    nobody: NA, unknown.
    """
    table = read_table(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    other = {"image": "name", "patient_id": "patient"}
    table = table.rename(columns={name: ours for name, ours in other.items() if ours not in table})
    if missing := [column for column in needed if column not in table]:
        raise UserError(f"{path} lacks {', '.join(missing)}; it has {', '.join(map(repr, table))}")
    table = table.apply(lambda column: column.str.strip())
    table["name"] = table.name.str.replace("\\", "/")
    for column in {"patient", "patientid"} & {*table}:
        table[column] = stated(table[column])
    if len(twice := table.name[table.name.duplicated()].unique()):
        raise UserError(f"{path} lists more than once: {', '.join(twice)}")
    return table.set_index("name").to_dict("index")


def refuse_ambiguous(file: Path, rows: Rows, paths: list[str]) -> None:
    """Raise UserError unless each row of a table is about one of the images at `paths` at most.

    Rows of `patients.csv` that are about none are said.
    """
    names = pd.Series([listed_name(path, rows) for path in paths], paths, object).dropna()
    if len(several := names.index[names.duplicated(keep=False)]):
        raise UserError(
            f"{file} has one name for several images, so give their paths as names instead: "
            + ", ".join(several[:5])
        )
    if not paths or file.name != TABLES["patients"][0]:
        return
    if names.empty:
        raise UserError(f"{file} names no image that is here; they are called like {paths[0]}")
    here = {name for path in paths for name in possible_names(path)}
    if lost := [escape_control_chars(name) for name in rows if name not in here]:
        said = f"{len(lost)} of {len(rows)} rows name no image that is here"
        print(f"{file}: {said}; the first is {lost[0]}.")


def folder_of(images: pd.Series) -> pd.Series:
    """The split folder of each image by its path, `train` or `test`."""
    return images.str.partition("/")[0].str.lower()


def class_of(image: str) -> str:
    """The class folder of an image by its path, `covid` or `non`: the part below the split's."""
    return image.split("/")[1].lower()


def possible_names(image: str) -> list[str]:
    """What a table may call an image, the likeliest first: its path, or its file name alone; both also
    without an added `.jpg`."""
    names = (image, image.rpartition("/")[2])
    return [variant for name in names for variant in (name, name.removesuffix(".jpg"))]


def listed_name(image: str, rows: Rows) -> str | None:
    """The name under which a table lists an image."""
    return next((name for name in possible_names(image) if name in rows), None)


def row_of(image: str, rows: Rows) -> dict[str, str]:
    """What a table says of an image; nothing where it does not list it."""
    return rows.get(listed_name(image, rows), {})


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
    """`DICOM` and a pseudonym of a file's PatientID; `` without one, and for other files."""
    with path.open("rb") as file:
        if not images.begins_like_dicom(file.read(132)):
            return ""
        file.seek(0)
        number = pseudonym(images.dicom_header(file))
    return number and f"DICOM {number}"


def external_patient(path: Path, image: str, listed: str | None) -> str:
    """Of whom an external image is, in the words of a run's manifest, so that the two compare.

    ChestX-ray8 and CheXpert number their patients in file names. Where nothing is known the image
    counts as a patient of its own.
    """
    if number := CHESTXRAY14.search(path.name):
        return f"ChestX-ray8 {number[1]}"
    if chexpert := CHEXPERT.match(path.name):
        return f"CheXpert {chexpert['patient']}"
    return f"listed {listed}" if listed else dicom_patient(path) or f"by path {image}"


def describe(folder: Path, image: str, original: str, tables: dict[str, Rows]) -> dict[str, str]:
    """Source, patient and finding of the image at `folder / image`, a path `split/class/...`.

    `original` is the image that it is a copy of, if any; `tables` is of `metadata`. The patient is,
    in this order, whom `patients.csv` names, covid-chestxray's table, the file name of CheXpert or
    the phantom, or the DICOM header. Else the image is a patient of its own, but for a series in one
    folder whose names differ by `-day3` alone.
    """
    of, kind = original or image, class_of(image)
    row, listed = row_of(of, tables.get(kind, {})), row_of(of, tables.get("patients", {}))
    folders, name = of.split("/")[2:-1], of.rpartition("/")[2]
    chexpert, drawn = CHEXPERT.match(name), PHANTOM.match(name)
    named = chexpert or drawn

    source = folders[0] if folders else kind
    if kind == "covid" and (row or (tables.get(kind) and not named)):
        source = "covid-chestxray"
    elif named:
        source = "CheXpert" if chexpert else "phantom"

    if listed.get("patient"):
        patient = f"listed {listed['patient']}"
    elif kind == "covid" and row.get("patientid"):
        patient = f"covid-chestxray {row['patientid']}"
    elif named:
        patient = "CheXpert " * bool(chexpert) + named["patient"]
    else:
        patient = dicom_patient(folder / image) or f"by path {SERIES.sub('', of)}"
    finding = "COVID-19" if kind == "covid" else finding_of(row, named)
    return {"source": source, "patient": patient, "finding": finding}


def finding_of(row: dict[str, str], named: re.Match | None) -> str:
    """What a Non-COVID image shows, by its file name or its row; `not stated`, or unknown."""
    if named and named["finding"]:
        return named["finding"]
    # CheXpert writes 1.0; -1.0 is uncertain
    shown = [name for name in ("No Finding", *FINDINGS) if row.get(name, "").lower() in PRESENT]
    return "; ".join(shown) or ("not stated" if row or named else "")
