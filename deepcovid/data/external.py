"""Images of another hospital: a folder `covid|non`."""

from pathlib import Path

import pandas as pd

from deepcovid.data import manifest, records
from deepcovid.io import read_table
from deepcovid.runs import UserError
from imageaudit import images
from imageaudit.patients import CHESTXRAY14

NUMBERED = ("ChestX-ray8", "CheXpert")  # number their patients in file names


def table(folder: Path) -> pd.DataFrame:
    """The images of a `covid|non` folder: image, path, label, patient, view, source, sha1.

    What is known of them stands in `metadata.csv` there; see `external_images`. Raises
    UserError when a class is missing or empty, and one for all images that cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"There is no external folder {folder}: -p external FOLDER.")
    found = external_images(folder)
    empty = [name for name, label in manifest.CLASSES.items() if label not in set(found.label)]
    if empty:
        raise UserError(
            f"No images in {', '.join(empty)} of {folder}. An external folder holds covid and non."
        )
    return readable(found, folder)


def readable(found: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """With `path` and `sha1`; one UserError for all images that cannot be read."""
    paths = [folder / image for image in found.image]
    facts = manifest.readable_facts(paths, folder)
    return found.assign(path=paths, sha1=[fact["sha1"] for fact in facts])


def external_images(folder: Path) -> pd.DataFrame:
    """The images of a `covid|non` folder: image (relative to it), label, patient, view, source.

    What `metadata.csv` there says of an image, found by its path or name; without it the view is
    unknown, and patient and source only where ChestX-ray8's or CheXpert's names tell.
    """
    known = external_metadata(folder)
    rows = []
    for name, label in manifest.CLASSES.items():
        inside = manifest.named(folder, name)
        for path in images.find(inside) if inside else []:
            image = path.relative_to(folder).as_posix()
            of = known.get(records.find_listed_name(image, known), {})
            patient = patient_of(folder, image, of.get("patient"))
            numbered = patient.partition(" ")[0] if patient.startswith(NUMBERED) else ""
            rows.append({
                "image": image, "label": label, "patient": patient, "view": of.get("view", ""),
                "source": of.get("source") or numbered,
            })  # fmt: skip
    return pd.DataFrame(rows, columns=["image", "label", "patient", "view", "source"])


def external_metadata(folder: Path) -> dict[str, dict]:
    """The rows of the `metadata.csv` in an external folder by image; empty without one."""
    path = folder / "metadata.csv"
    if not path.is_file():
        return {}
    table = read_table(path, dtype=str, keep_default_na=False).apply(lambda c: c.str.strip())
    if "image" not in table or table.image.duplicated().any():
        raise UserError(f"{path} needs a column image that names each image once.")
    return table.set_index("image").to_dict("index")


def patient_of(folder: Path, image: str, listed: str | None = None) -> str:
    """Of whom an external image is, in the words of a run's manifest, so that the two compare.

    ChestX-ray8 and CheXpert number their patients in file names. Where nothing is known the image
    counts as a patient of its own.
    """
    name = image.rpartition("/")[2]
    if number := CHESTXRAY14.search(name):
        return f"ChestX-ray8 {number[1]}"
    if chexpert := records.CHEXPERT.match(name):
        return f"CheXpert {chexpert['patient']}"
    if listed:
        return f"listed {listed}"
    number = records.dicom_patient(folder / image)
    return f"DICOM {number}" if number else f"by path {image}"
