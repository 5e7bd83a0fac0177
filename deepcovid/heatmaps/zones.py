"""The six lung zones of the Brixia score, and whether a map follows what is graded in them.

A, B, C are the upper, middle and lower zone of the patient's right lung (left in the image), D, E,
F of the left. Radiologists part them at the aortic arch and a pulmonary vein (Borghesi and Maroldi
2020); here each lung is cut into thirds of its height, which comes near it. No torch.
"""

from pathlib import Path

import numpy as np
from scipy import ndimage, stats

from deepcovid.io import read_table

ZONES = "ABCDEF"
READERS = {"senior": "S", "junior": "J"}


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


def graded(path: Path) -> dict[Path, dict[str, np.ndarray]]:
    """Grades 0 to 3 of the six zones by reader, by the image's file, of a table of Brixia scores.

    Columns: `image`, a path from the table's folder, and `S-A` to `S-F` by the senior, `J-A` to
    `J-F` by the junior radiologist.
    """
    columns = {reader: [f"{key}-{zone}" for zone in ZONES] for reader, key in READERS.items()}
    needed = ["image", *(name for names in columns.values() for name in names)]
    table = read_table(path, needed)
    return {
        (path.parent / row["image"]).resolve(): {
            reader: np.array([row[column] for column in names], float)
            for reader, names in columns.items()
        }
        for row in table.to_dict("records")
    }
