"""Images of another hospital: a folder `covid|non`, or one of images of which nothing is known."""

from pathlib import Path

import pandas as pd

from deepcovid.data import duplicates, manifest
from deepcovid.runs import UserError
from imageaudit import images


def table(folder: Path) -> pd.DataFrame:
    """The images of a `covid|non` folder: image, path, label, patient, view, source, sha1.

    What is known of them stands in `metadata.csv` there; see `duplicates.external_images`. Raises
    UserError when a class is missing or empty, and one for all images that cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"There is no external folder {folder}: -p external FOLDER.")
    found = duplicates.external_images(folder)
    empty = [name for name, label in manifest.CLASSES.items() if label not in set(found.label)]
    if empty:
        raise UserError(
            f"No images in {', '.join(empty)} of {folder}. An external folder holds covid and non."
        )
    return readable(found, folder)


def unlabelled(folder: Path) -> pd.DataFrame:
    """The images of a folder without classes, as `table`; their label is not known (<NA>)."""
    found = [path.relative_to(folder).as_posix() for path in images.find(folder)]
    if not found:
        raise UserError(f"There are no images in {folder}.")
    label = pd.array([pd.NA] * len(found), "Int64")
    of = pd.DataFrame({"image": found, "label": label, "view": "", "source": ""})
    return readable(of.assign(patient=[duplicates.patient_of(folder, i) for i in found]), folder)


def any_folder(folder: Path) -> pd.DataFrame:
    """`table` of a folder that holds a class's folder, `unlabelled` of any other."""
    classes = folder.is_dir() and any(manifest.named(folder, name) for name in manifest.CLASSES)
    return table(folder) if classes else unlabelled(folder)


def readable(found: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """With `path` and `sha1`; one UserError for all images that cannot be read."""
    paths = [folder / image for image in found.image]
    if refused := images.check(paths):
        raise UserError(
            f"{len(refused)} of {len(paths)} images in {folder} cannot be read; replace or remove "
            "them:\n  " + "\n  ".join(refused)
        )
    return found.assign(path=paths, sha1=[images.facts(path)["sha1"] for path in paths])
