"""A data folder in which the source does not tell the class, to train and to be judged on.

Both classes are of one collection; cases that are held out judge.
"""

import shutil
from pathlib import Path

import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from deepcovid import io
from deepcovid.data import duplicates, manifest
from deepcovid.fair_test import collection
from deepcovid.heatmaps.masks import MASKS
from deepcovid.models.run import Run

FOLDS = 4  # one of which is held out
NAMES = {label: name for name, label in manifest.CLASSES.items()}


def split(table: pd.DataFrame, seed: int = 0) -> pd.Series:
    """`train` or `test` for each image of `collection.of`; a group of images is in one of them.

    A quarter of the images of each class is for testing, as nearly as groups allow.
    """
    parts = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    _, held = next(parts.split(table, table.label, table.group))
    chosen = pd.Series("train", table.index)
    chosen.iloc[held] = "test"
    return chosen


def run(run: Run) -> Path:
    """Make `fair_data/` of a run anew, of its collection: `train|test / covid|non / collection`.

    `patients.csv` tells which images belong together, what they were called (`original`) and whose
    they are (`recorded`), so that twins elsewhere are known; masks that lie beside the run's images
    go with them.
    """
    table, target = collection.of(run), run.folder / "fair_data"
    table["folder"] = split(table) + "/" + table.label.map(NAMES) + "/collection"
    table["recorded"] = duplicates.known_only(table.patient)
    table["patient"] = "case " + table.group.astype(str)
    with io.atomic_folder(target, replace=True) as room:
        named = [f"{row.folder}/{i:04}-{row.path.name}" for i, row in enumerate(table.itertuples())]
        for name, path in zip(named, table.path, strict=True):
            copy(path, room / name)
            if path.is_relative_to(run.data):
                for kind in MASKS:
                    beside = f"{kind}-masks"
                    mask = run.data / beside / path.relative_to(run.data).with_suffix(".png")
                    if mask.is_file():
                        copy(mask, (room / beside / name).with_suffix(".png"))
        original = [path.name for path in table.path]
        rows = pd.DataFrame({"image": named, "patient": table.patient, "original": original,
                             "recorded": table.recorded})  # fmt: skip
        rows.to_csv(room / "patients.csv", index=False)
    return target


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
