"""The table of all images that every later step reads: what each is, and in which split."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from sklearn.model_selection import GroupShuffleSplit

from deepcovid.data import images, phantom
from deepcovid.profiles import Profile
from deepcovid.runs import UserError, replacing

COLUMNS = (
    "image",
    "label",
    "split",
    "source",
    "patient",
    "finding",
    "augmented_from",
    "sha1",
    "width",
    "height",
    "mode",
)
SPLITS = ("train", "validation", "test")
CLASSES = {"non": 0, "covid": 1}
LABEL_NAMES = {0: "Non-COVID", 1: "COVID-19"}
# how the release names its own augmented copies of an image: prefix, image, underscore, UUID
RELEASED_COPY = re.compile(
    r"covid_original_(?P<original>.+)_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
CHEXPERT = re.compile(r"(?:(?P<finding>.+)-)?(?P<patient>patient\d+)-study\d+-view\d+_frontal")
PHANTOM = re.compile(r"(?P<finding>.+)-(?P<patient>phantom\d+)-")


def class_folders(folder: Path) -> dict[tuple[str, str], list[Path]]:
    """The image files of each split and class of a `train|test / covid|non` folder.

    Raises UserError that names every missing or empty folder.
    """
    if not folder.is_dir():
        raise UserError(
            f"There is no data folder {folder}. Bring the images as docs/data.md says and name "
            "their folder: -p data FOLDER. Without images there is ./run_all.sh demo."
        )
    found = {
        (split, name): images.find(folder / split / name)
        for split in ("train", "test")
        for name in CLASSES
        if (folder / split / name).is_dir()
    }
    empty = [f"{s}/{c}" for s in ("train", "test") for c in CLASSES if not found.get((s, c))]
    if empty:
        raise UserError(
            f"No images in {', '.join(empty)} of {folder}. A data folder holds train/covid, "
            f"train/non, test/covid and test/non, each with images ({' '.join(images.SUFFIXES)})."
        )
    return found


def refuse_unreadable(folder: Path, classes=None) -> None:
    """Raise one UserError that lists every image under `folder` that cannot be read."""
    paths = [path for group in (classes or class_folders(folder)).values() for path in group]
    refusals = images.check(paths)
    if refusals:
        raise UserError(
            f"{len(refusals)} of {len(paths)} images in {folder} cannot be read; replace or "
            "remove them:\n  " + "\n  ".join(refusals)
        )


def refuse_without_copies(folder: Path) -> None:
    """Raise UserError unless the release's own augmented copies are among the images."""
    if not any(RELEASED_COPY.match(path.name) for path in images.find(folder / "train" / "covid")):
        raise UserError(
            f"{folder} holds none of the release's augmented copies (covid_original_*), which "
            "augment_positives 'release' trains on: have copies made with -p augment_positives 5."
        )


def unpacked(name: str) -> tuple[str, ...]:
    """The names under which a table may know a file: its own, and without an added `.jpg`."""
    return (name, name.removesuffix(".jpg"))


def metadata(folder: Path, file: str) -> dict[str, dict]:
    """Rows of a metadata table that lies beside the images, by image name; empty without one."""
    path = folder / file
    if not path.is_file():
        return {}
    table = pd.read_csv(path, dtype=str).fillna("")
    if "name" not in table:
        raise UserError(f"{path} has no column 'name'.")
    return table.set_index("name").to_dict("index")


def describe(path: Path, originals: set[str], covid: dict, chexpert: dict) -> dict[str, str]:
    """Source, patient, finding and original of one image, from its name and metadata rows."""
    name, augmented_from = path.name, ""
    if match := RELEASED_COPY.match(name):
        known = (match["original"], match["original"] + ".jpg")
        augmented_from = next((n for n in known if n in originals), match["original"])
        name = augmented_from
    row = next((covid[n] for n in unpacked(name) if n in covid), None)
    is_covid = path.parent.name == "covid"
    finding = "COVID-19" if is_covid else ""
    if row and is_covid:
        source, patient = "covid-chestxray", f"covid-chestxray {row['patientid']}"
    elif match := CHEXPERT.match(name):
        source, patient = "CheXpert", f"CheXpert {match['patient']}"
        row = chexpert.get(name, {})
        present = [key for key in list(row)[-14:] if row[key] == "1.0"]
        finding = match["finding"] or "; ".join(present) or "not stated"
    elif match := PHANTOM.match(name):
        source, patient = "phantom", match["patient"]
        finding = "COVID-19" if is_covid else match["finding"]
    else:  # nothing known: each image counts as a patient of its own, but for a series by days
        source = "covid-chestxray" if is_covid and covid else path.parent.name
        patient = re.sub(r"[-_]day\d+$", "", Path(name).stem)
    return {
        "source": source,
        "patient": patient,
        "finding": finding,
        "augmented_from": augmented_from,
    }


def make(folder: Path, validation_fraction: float, seed: int = 0) -> pd.DataFrame:
    """The manifest of a `train|test / covid|non` folder, a row per image, ordered by path.

    `validation_fraction` of the training patients of each class, drawn by `seed`, become the
    validation split, with all their images. `image` is relative to `folder`.
    Raises UserError for missing folders and unreadable images, all at once.
    """
    classes = class_folders(folder)
    refuse_unreadable(folder, classes)
    covid, chexpert = (metadata(folder, f"{n}-metadata.csv") for n in ("covid", "chexpert"))
    rows = []
    for (split, name), paths in classes.items():
        originals = {path.name for path in paths if not RELEASED_COPY.match(path.name)}
        with ThreadPoolExecutor() as pool:
            facts = list(pool.map(images.facts, paths))
        for path, fact in zip(paths, facts, strict=True):
            row = {
                "image": path.relative_to(folder).as_posix(),
                "label": CLASSES[name],
                "split": split,
                **describe(path, originals, covid, chexpert),
                **fact,
            }
            if row["augmented_from"]:  # also where the original itself is not there
                row["augmented_from"] = f"{split}/{name}/{row['augmented_from']}"
            rows.append(row)
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("image", ignore_index=True)
    return carve_validation(table, validation_fraction, seed)


def carve_validation(table: pd.DataFrame, fraction: float, seed: int) -> pd.DataFrame:
    """Move `fraction` of the training patients of each class to the validation split."""
    table = table.copy()
    if fraction == 0:
        return table
    for label in CLASSES.values():
        train = table[(table.split == "train") & (table.label == label)]
        if train.patient.nunique() < 2:
            raise UserError(
                f"The {LABEL_NAMES[label]} training images are of one patient, so none can be "
                "set aside for validation: set validation_fraction to 0."
            )
        splitter = GroupShuffleSplit(n_splits=1, test_size=fraction, random_state=seed)
        _, chosen = next(splitter.split(train, groups=train.patient))
        table.loc[train.index[chosen], "split"] = "validation"
    return table


def problems(table: pd.DataFrame) -> list[str]:
    """What is wrong with a manifest, a sentence each; empty when it is sound."""
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        return [f"columns are missing: {', '.join(missing)}"]
    found = []

    def refuse(rows, what):
        if rows.any():
            found.append(f"{what}: {', '.join(table.image[rows].astype(str).head(5))}")

    refuse(~table.label.isin([0, 1]), "label is neither 0 nor 1")
    refuse(~table.split.isin(SPLITS), f"split is none of {', '.join(SPLITS)}")
    refuse(table.image.duplicated(), "image occurs twice")
    refuse(~table.sha1.astype(str).str.fullmatch(r"[0-9a-f]{40}"), "sha1 is not 40 hex digits")
    refuse((table[["width", "height"]] < 1).any(axis=1), "width or height below 1")
    split_of = dict(zip(table.image, table.split, strict=True))
    origin = table.augmented_from.map(split_of)
    refuse(origin.notna() & (origin != table.split), "augmented copy in another split")
    refuse((table.split == "test") & (table.augmented_from != ""), "augmented copy in test")
    held_out = set(table.patient[table.split == "validation"])
    refuse((table.split == "train") & table.patient.isin(held_out), "patient also in validation")
    for split in table.split.unique():
        if table.label[table.split == split].nunique() < 2:
            found.append(f"split {split} has images of one class only")
    return found


def read(path: Path) -> pd.DataFrame:
    """Read and check a manifest; raises UserError that lists what is wrong with it."""
    if not path.is_file():
        raise UserError(f"{path} is not there yet: run notebook 01_dataset first.")
    text = dict.fromkeys(("patient", "finding", "augmented_from", "sha1", "source", "mode"), str)
    table = pd.read_csv(path, dtype=text, keep_default_na=False)
    found = problems(table)
    if found:
        raise UserError(f"{path} is not a sound manifest:\n  " + "\n  ".join(found))
    return table


def write(table: pd.DataFrame, path: Path) -> Path:
    """Write a manifest; raises UserError, and writes nothing, when it is not sound."""
    found = problems(table)
    if found:
        raise UserError(f"Not a sound manifest, {path} is not written:\n  " + "\n  ".join(found))
    with replacing(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n")
    return path


def run(profile: Profile) -> pd.DataFrame:
    """Write `manifest.csv` of a run; the phantom's images are drawn first if need be."""
    if profile.data == "phantom" and not profile.data_folder.is_dir():
        phantom.write(profile.data_folder, seed=0, size=160)
    table = make(profile.data_folder, profile.validation_fraction)
    write(table, profile.folder / "manifest.csv")
    return table


def originals(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that are no augmented copies."""
    return table[table.augmented_from == ""]


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """Images per split and class; augmented copies in a column of their own."""
    kind = table.label.map(LABEL_NAMES).where(table.augmented_from == "", "COVID-19, augmented")
    found = pd.crosstab(table.split, kind)
    order = [s for s in SPLITS if s in found.index]
    return found.loc[order].rename_axis(columns=None)
