"""The masks that lie beside a run's images, as its models see the images; the zones of lungs.

The six zones of the Brixia score: A, B, C are the upper, middle and lower zone of the patient's right
lung (left in the image), D, E, F of the left. Radiologists part them at the aortic arch and a
pulmonary vein (Borghesi and Maroldi 2020); here each lung is cut into thirds of its height, which
comes near it. No torch.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage, stats

from deepcovid.io import read_table
from deepcovid.models.run import Run
from deepcovid.runs import UserError, escape_control_chars, file_digest
from imageaudit import images

MASKS = ("lesion", "lung")  # folders `lesion-masks` and `lung-masks` beside the images
ZONES = "ABCDEF"
SENIOR, JUNIOR = ([f"{reader}-{zone}" for zone in ZONES] for reader in "SJ")


def path_of(run: Run, kind: str, image: str) -> Path:
    """Where an image's `lesion` or `lung` mask lies, if it has one."""
    return (run.data / f"{kind}-masks" / image).with_suffix(".png")


def read(run: Run, kind: str, image: str) -> np.ndarray | None:
    """The `lesion` or `lung` mask of an image as the model sees it, bool; None without one.

    Raises UserError where the mask has not its picture's size.
    """
    path = path_of(run, kind, image)
    if not path.is_file():
        return None
    with Image.open(path) as file:
        mask = file.convert("1")
    (of,) = run.paths([image])
    picture = images.open_radiograph(of)
    if mask.size != picture.size:
        raise UserError(
            f"{path} has {mask.size} px, its radiograph {picture.size}: they must be alike."
        )
    if run.preprocessing:
        run.preprocessing(picture, of)
        mask = run.preprocessing.framed(mask, of)
    return np.array(mask.resize((run.profile.image_size,) * 2, Image.Resampling.NEAREST))


def read_all(run: Run, kind: str, names) -> dict[int, np.ndarray]:
    """The masks of images, by their position, of those that have one that is not empty."""
    masks = {i: read(run, kind, image) for i, image in enumerate(names)}
    return {i: mask for i, mask in masks.items() if mask is not None and mask.any()}


def digests(run: Run, names) -> list[str | None]:
    """Stands for all masks of images, byte by byte."""
    paths = [path_of(run, kind, image) for kind in MASKS for image in names]
    return [file_digest(path) if path.is_file() else None for path in paths]


def with_mask(run: Run, test: bool, kinds=MASKS) -> pd.DataFrame:
    """The COVID-19 originals of the test images, or of all others, that have a mask of a kind."""
    table = run.originals()
    table = table[((table.split == "test") == test) & (table.label == 1)]
    masked = [any(path_of(run, kind, image).is_file() for kind in kinds) for image in table.image]
    return table[masked].reset_index(drop=True)


def chosen(run: Run) -> pd.DataFrame:
    """The COVID-19 test images that have a mask; all, where none has one.

    Of more than the run's `map_images` all with lesions, and of the others those that the hashes of
    their files put first, which is as good as chance.
    """
    table, most = with_mask(run, test=True), run.profile.map_images
    every = run.originals("test")
    table = table if len(table) else every[every.label == 1].reset_index(drop=True)
    if most != "all" and len(table) > most:
        lesions = table.image.isin(with_mask(run, True, ("lesion",)).image)
        first = table.assign(other=~lesions).sort_values(["other", "sha1"])
        table = table.loc[sorted(first.index[: max(most, lesions.sum())])]
    return table.reset_index(drop=True)


def zones_of(lung: np.ndarray) -> np.ndarray:
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


def zone_means(values: np.ndarray, zone: np.ndarray) -> np.ndarray:
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
    if len(twice := table.image[table.image.duplicated()]):
        raise UserError(f"{path} lists {escape_control_chars(twice.iloc[0])} twice.")
    for column in columns:
        table[column] = pd.to_numeric(table[column], errors="coerce")
        if (wrong := table.image[~table[column].between(0, most)]).any():
            raise UserError(f"{path}: {column} of {escape_control_chars(wrong.iloc[0])} is no number "
                            f"from 0 to {most}.")  # fmt: skip
    return table[columns].set_axis([str((path.parent / i).resolve()) for i in table.image])


def followed(values: dict[int, np.ndarray], grades: dict[int, np.ndarray]) -> list[dict]:
    """How values of six zones follow the grades, a row for each image that has both."""
    return [{"image": i, "rho": follows(values[i], grade)} for i, grade in grades.items()
            if i in values and np.ptp(grade) > 0]  # fmt: skip
