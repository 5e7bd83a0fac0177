"""The masks that lie beside a run's images, as its models see the images."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from deepcovid.models.run import Run
from deepcovid.runs import UserError, file_digest
from imageaudit import images

MASKS = ("lesion", "lung")  # folders `lesion-masks` and `lung-masks` beside the images


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
