"""The table of all images that every later step reads: what each is, and in which split."""

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from deepcovid.data import miniature, records
from deepcovid.io import read_table, write_csv
from deepcovid.profiles import Profile
from deepcovid.runs import UserError, escape_control_chars
from imageaudit import images
from imageaudit.folders import folders, is_mask, split_in

NUMBERS = ("label", "width", "height")  # all else is text
COLUMNS = ("image", "label", "split", "source", "patient", "finding", "augmented_from", "sha1",
           "width", "height", "mode")  # fmt: skip
SPLITS = ("train", "validation", "test")
CLASSES = {"non": 0, "covid": 1}
LABEL_NAMES = {0: "Non-COVID", 1: "COVID-19"}


def named(folder: Path, name: str) -> Path | None:
    """The folder `name` in `folder`, in whatever case; UserError where there are several."""
    found = [p for p in folder.glob("*") if p.name.lower() == name and p.is_dir()]
    if len(found) > 1:
        raise UserError(f"{folder} holds {' and '.join(sorted(p.name for p in found))}: keep one.")
    return found[0] if found else None


def class_folders(folder: Path, what: str = "data") -> dict[str, list[Path]]:
    """The image files of each class, `covid` or `non`; of a `data` folder of `train/covid`, ...

    These folders may be written in any case. Raises UserError that names every missing or empty
    one, and one for masks among the images, or images for validation beside train and test.
    """
    if not folder.is_dir():
        raise UserError(
            f"There is no {what} folder {folder}. Bring the images as docs/data.md says and name "
            f"their folder: -p {what} FOLDER. Without images there is ./run_all.sh demo."
        )
    splits, found = ("train", "test") if what == "data" else ("",), {}
    for split, name in itertools.product(splits, CLASSES):
        inside = named(folder, split) if split else folder
        here = inside and named(inside, name)
        found[f"{split}/{name}".strip("/")] = images.find(here) if here else []
    if empty := [place for place, paths in found.items() if not paths]:
        raise UserError(
            f"No images in {', '.join(empty)} of {folder}. Such a folder holds {', '.join(found)}, "
            f"each with images ({' '.join(images.SUFFIXES)})."
        )
    aside = [path for path in folders(folder) if what == "data"
             and split_in([path.name]) == "validation" and images.find(path)]  # fmt: skip
    if aside:
        raise UserError(
            f"{aside[0]} would not be read: validation images are drawn from the patients of train, as "
            "validation_fraction says. Move its images to train, or away."
        )
    masks = [path for paths in found.values() for path in paths
             if is_mask(path.relative_to(folder).with_name("any"))]  # fmt: skip
    if masks:
        raise UserError(
            f"{len(masks)} images lie in folders of masks, and would be trained on or judged; the first is "
            f"{masks[0]}. Masks lie beside the classes: see docs/data.md."
        )
    return found


def readable_facts(paths: list[Path], folder: Path) -> list[dict]:
    """`images.facts` of the images of a folder; one UserError for all that cannot be read."""
    if refused := images.check(paths):
        raise UserError(
            f"{len(refused)} of {len(paths)} images in {folder} cannot be read; replace or remove "
            "them:\n  " + "\n  ".join(refused)
        )
    with ThreadPoolExecutor() as pool:
        return list(pool.map(images.facts, paths))


def below(folder: Path, paths: list[Path]) -> list[str]:
    """The paths below `folder`, with `/`, by which the manifest names images."""
    return [path.relative_to(folder).as_posix() for path in paths]


def refuse_without_copies(folder: Path) -> None:
    """Raise UserError unless the release's own augmented copies are among the images."""
    covid = class_folders(folder)["train/covid"]
    if not any(records.RELEASED_COPY.match(path.name) for path in covid):
        raise UserError(
            f"{folder} holds none of the release's augmented copies (covid_original_*), which "
            "augment_positives 'release' trains on: have copies made with -p augment_positives 5."
        )


def make(folder: Path, validation_fraction: float, seed: int = 0) -> pd.DataFrame:
    """The manifest of a `train|test / covid|non` folder, a row per image, ordered by path.

    `validation_fraction` of the training patients of each class, drawn by `seed`, become the
    validation split, with all their images. `image` is relative to `folder`.
    Raises UserError for missing folders and unreadable images, all at once.
    """
    classes = class_folders(folder)
    paths = [path for group in classes.values() for path in group]
    tables = records.metadata(folder, below(folder, paths))
    facts = dict(zip(paths, readable_facts(paths, folder), strict=True))
    rows = []
    for place, paths in classes.items():
        (split, name), here = place.split("/"), below(folder, paths)
        originals = {p for p in here if not records.original_of(p, set())}
        for image, path in zip(here, paths, strict=True):
            origin = records.original_of(image, originals)
            rows.append({
                "image": image, "label": CLASSES[name], "split": split, "augmented_from": origin,
                **records.describe(folder, image, origin, tables), **facts[path],
            })  # fmt: skip
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("image", ignore_index=True)
    return carve_validation(table, validation_fraction, seed)


def carve_validation(table: pd.DataFrame, fraction: float, seed: int) -> pd.DataFrame:
    """Move `fraction` of the training patients of each class, with all that they have in training,
    to the validation split. Raises UserError where a class has too few patients for that."""
    from sklearn.model_selection import GroupShuffleSplit  # who only reads needs no scikit-learn

    table = table.copy()
    for label in CLASSES.values() if fraction else ():
        of_class = table[table.split.ne("test") & (table.label == label)]
        # some went with their images of the other class
        train = of_class[of_class.split == "train"]
        patients, left = of_class.patient.nunique(), train.patient.nunique()
        wanted = math.ceil(fraction * patients) - (patients - left)
        if left <= max(wanted, 0):
            raise UserError(
                f"The {LABEL_NAMES[label]} training images are of too few patients ({patients}) to set "
                "some aside: set validation_fraction to 0, or name them in patients.csv (docs/data.md)."
            )
        if wanted > 0:
            splitter = GroupShuffleSplit(n_splits=1, test_size=wanted, random_state=seed)
            _, chosen = next(splitter.split(train, groups=train.patient))
            moved = table.patient.isin(train.patient.iloc[chosen]) & (table.split == "train")
            table.loc[moved, "split"] = "validation"
    return table


def problems(table: pd.DataFrame) -> list[str]:
    """What is wrong with a manifest, a sentence each; empty when it is sound."""
    if missing := [column for column in COLUMNS if column not in table]:
        return [f"columns are missing: {', '.join(missing)}"]
    origin = table.augmented_from.map(dict(zip(table.image, table.split, strict=True)))
    held_out = table.patient.isin(table.patient[table.split == "validation"])
    refused = {
        "label is neither 0 nor 1": ~table.label.isin([0, 1]),
        f"split is none of {', '.join(SPLITS)}": ~table.split.isin(SPLITS),
        "image occurs twice": table.image.duplicated(),
        "sha1 is not 40 hex digits": ~table.sha1.astype(str).str.fullmatch(r"[0-9a-f]{40}"),
        "augmented copy in another split": origin.notna() & (origin != table.split),
        "augmented copy in test": (table.split == "test") & (table.augmented_from != ""),
        "patient also in validation": (table.split == "train") & held_out,
    }
    found = [f"{what}: {', '.join(map(escape_control_chars, table.image[rows].head(5)))}"
             for what, rows in refused.items() if rows.any()]  # fmt: skip
    classes = table.groupby("split").label.nunique()
    return found + [
        f"split {split} has images of one class only" for split in classes.index[classes < 2]
    ]


def read(path: Path) -> pd.DataFrame:
    """Read and check a run's `manifest.csv` or `training.csv`; UserError lists what is wrong with it."""
    there(path, "01_dataset" if path.name == "manifest.csv" else "02_augmentation")
    text = dict.fromkeys({*COLUMNS} - {*NUMBERS}, str)
    return check(read_table(path, dtype=text, keep_default_na=False), path)


def there(path: Path, notebook: str) -> Path:
    """A path, if it is one; UserError that names the notebook which makes it otherwise."""
    if not path.is_file():
        raise UserError(f"{path} is not there yet: run notebook {notebook} first.")
    return path


def check(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table; UserError where it is not sound."""
    if found := problems(table):
        raise UserError(f"{path}: not a sound manifest:\n  " + "\n  ".join(found))
    return table


def write(table: pd.DataFrame, path: Path) -> Path:
    """Write a manifest; raises UserError, and writes nothing, when it is not sound."""
    return write_csv(path, check(table, path))


def run(profile: Profile) -> pd.DataFrame:
    """Write `manifest.csv` of a run; a miniature is drawn first if need be."""
    miniature.run(profile)
    table = make(profile.data_folder, profile.validation_fraction)
    write(table, profile.folder / "manifest.csv")
    return table


def external(folder: Path) -> pd.DataFrame:
    """The images of a `covid|non` folder of another hospital: image (relative to it), label, path,
    patient, view, source, sha1.

    What `metadata.csv` there says of an image, found by its path or name; without it the view is
    unknown, and patient and source only where ChestX-ray8's or CheXpert's names tell. Raises
    UserError when a class is missing or empty, and one for all images that cannot be read.
    """
    classes = class_folders(folder, "external")
    paths = [path for group in classes.values() for path in group]
    facts, about = readable_facts(paths, folder), folder / "metadata.csv"
    names = below(folder, paths)
    known, rows = records.read(about) if about.is_file() else {}, []
    records.refuse_ambiguous(about, known, names)
    for path, image, fact in zip(paths, names, facts, strict=True):
        said = records.row_of(image, known)
        patient = records.external_patient(path, image, said.get("patient"))
        numbered = next((name for name in records.NUMBERED if patient.startswith(f"{name} ")), "")
        rows.append({
            "label": CLASSES[image.partition("/")[0].lower()], "path": path, "image": image,
            "sha1": fact["sha1"], "patient": patient, "view": said.get("view", ""),
            "source": said.get("source") or numbered,
        })  # fmt: skip
    return pd.DataFrame(rows)


def originals(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that are no augmented copies."""
    return table[table.augmented_from == ""]


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """Images per split and class; augmented copies in a column of their own."""
    kind = table.label.map(LABEL_NAMES).where(table.augmented_from == "", "COVID-19, augmented")
    found = pd.crosstab(table.split, kind)
    order = [s for s in SPLITS if s in found.index]
    return found.loc[order].rename_axis(columns=None)
