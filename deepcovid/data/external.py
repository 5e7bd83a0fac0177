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
    """The images of a `covid|non` folder: image (relative to it), label, path, patient, view, source,
    sha1.

    What `metadata.csv` there says of an image, found by its path or name; without it the view is
    unknown, and patient and source only where ChestX-ray8's or CheXpert's names tell. Raises
    UserError when a class is missing or empty, and one for all images that cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"There is no external folder {folder}: -p external FOLDER.")
    inside = {name: manifest.named(folder, name) for name in manifest.CLASSES}
    paths = {name: images.find(path) if path else [] for name, path in inside.items()}
    if empty := [name for name, found in paths.items() if not found]:
        raise UserError(
            f"No images in {', '.join(empty)} of {folder}. An external folder holds covid and non."
        )
    found = pd.DataFrame(
        [(manifest.CLASSES[name], path) for name, here in paths.items() for path in here],
        columns=["label", "path"],
    )
    facts = manifest.readable_facts(found.path, folder)
    found = found.assign(
        image=manifest.below(folder, found.path), sha1=[fact["sha1"] for fact in facts]
    )
    known = metadata(folder)
    rows = [known.get(records.find_listed_name(image, known), {}) for image in found.image]
    found["patient"] = [patient_of(path, image, row.get("patient"))
                        for path, image, row in zip(found.path, found.image, rows, strict=True)]  # fmt: skip
    numbered = found.patient.str.extract(f"^({'|'.join(NUMBERED)}) ")[0].fillna("")
    found["view"] = [row.get("view", "") for row in rows]
    found["source"] = [row.get("source") or name for row, name in zip(rows, numbered, strict=True)]
    return found


def metadata(folder: Path) -> dict[str, dict]:
    """The rows of the `metadata.csv` in an external folder by image; empty without one."""
    path = folder / "metadata.csv"
    if not path.is_file():
        return {}
    about = read_table(path, ["image"], dtype=str, keep_default_na=False)
    about = about.apply(lambda column: column.str.strip())
    if about.image.duplicated().any():
        raise UserError(f"{path} needs a column image that names each image once.")
    return about.set_index("image").to_dict("index")


def patient_of(path: Path, image: str, listed: str | None = None) -> str:
    """Of whom an external image is, in the words of a run's manifest, so that the two compare.

    ChestX-ray8 and CheXpert number their patients in file names. Where nothing is known the image
    counts as a patient of its own.
    """
    if number := CHESTXRAY14.search(path.name):
        return f"ChestX-ray8 {number[1]}"
    if chexpert := records.CHEXPERT.match(path.name):
        return f"CheXpert {chexpert['patient']}"
    if listed:
        return f"listed {listed}"
    number = records.dicom_patient(path)
    return f"DICOM {number}" if number else f"by path {image}"
