"""The six lung zones of the Brixia score, and whether a map follows what is graded in them.

A, B, C are the upper, middle and lower zone of the patient's right lung (left in the image), D, E,
F of the left. Radiologists part them at the aortic arch and a pulmonary vein (Borghesi and Maroldi
2020); here each lung is cut into thirds of its height, which comes near it. No torch.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage, stats

from deepcovid.io import read_table
from deepcovid.runs import UserError, escape_control_chars

ZONES = "ABCDEF"
SENIOR, JUNIOR = ([f"{reader}-{zone}" for zone in ZONES] for reader in "SJ")


def of(lung: np.ndarray) -> np.ndarray:
    """The zone, 1 to 6 for A to F, of each pixel of a bool lung mask; 0 outside.

    A lung that is missing, or lower than three pixels, lacks zones: see `whole`.
    """
    found = np.zeros(lung.shape, np.uint8)
    for first, side in zip((1, 4), halves(lung), strict=True):
        rows = np.flatnonzero(side.any(1))
        if len(rows):
            for k, part in enumerate(np.array_split(np.arange(rows[0], rows[-1] + 1), 3)):
                found[part] = np.where(side[part], first + k, found[part])
    return found


def whole(zone: np.ndarray) -> bool:
    """Are all six zones there?"""
    return len(np.unique(zone[zone > 0])) == len(ZONES)


def halves(lung: np.ndarray) -> list[np.ndarray]:
    """The lung at the image's left and that at its right: its two largest pieces.

    Where they hang together, or there is one only, the middle of the mask parts them.
    """
    pieces, n = ndimage.label(lung)
    sizes = np.bincount(pieces.ravel())[1:]
    order = np.argsort(-sizes, kind="stable") + 1
    if n >= 2 and sizes[order[1] - 1] >= 0.2 * sizes[order[0] - 1]:
        two = [pieces == piece for piece in order[:2]]
        return sorted(two, key=lambda side: np.nonzero(side)[1].mean())
    columns = np.flatnonzero(lung.any(0))
    middle = (columns[0] + columns[-1] + 1) // 2 if len(columns) else 0
    left = np.arange(lung.shape[1]) < middle
    return [lung & left, lung & ~left]


def means(values: np.ndarray, zone: np.ndarray) -> np.ndarray:
    """Mean of the positive values in each zone (6,): a map's mass for its area, not its size."""
    return ndimage.mean(np.maximum(values, 0).astype(float), zone, range(1, 7))


def follows(values, grades) -> float:
    """Spearman's correlation of six zones, -1 to 1; 0 where the values are even.

    NaN where all zones have one grade: there is no order to follow.
    """
    if np.ptp(grades) == 0:
        return float("nan")
    return 0.0 if np.ptp(values) == 0 else float(stats.spearmanr(values, grades).statistic)


def read_grades(path: Path, columns: list[str], most: int) -> pd.DataFrame:
    """Columns of a table of Brixia scores, 0 to `most`, by the whole path of each image's file.

    Its column `image` names files by their place below the table's folder. Where several could be
    meant the path decides, so nothing is matched by a name alone.
    """
    table = read_table(path, ("image", *columns), dtype={"image": str}, keep_default_na=False)
    for column in columns:
        table[column] = pd.to_numeric(table[column], errors="coerce")
        if (wrong := table.image[~table[column].between(0, most)]).any():
            raise UserError(f"{path}: {column} of {escape_control_chars(wrong.iloc[0])} is no number "
                            f"from 0 to {most}.")  # fmt: skip
    return table[columns].set_axis([str((path.parent / i).resolve()) for i in table.image])


def followed(values: dict[int, np.ndarray], grades: dict[int, np.ndarray]) -> list[dict]:
    """How values of six zones follow the grades, a row for each image that has both."""
    return [
        {"image": i, "rho": follows(values[i], grade)}
        for i, grade in grades.items()
        if i in values and np.ptp(grade) > 0
    ]
