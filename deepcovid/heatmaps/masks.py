"""The masks that lie beside a run's images, as its models see the images."""

import numpy as np
import pandas as pd
from PIL import Image

from deepcovid.data import images
from deepcovid.models.opened import Run
from deepcovid.runs import UserError

MASKS = ("lesion", "lung")  # folders `lesion-masks` and `lung-masks` beside the images
FEW = 6  # images of a phantom that maps are made of


def path_of(run: Run, kind: str, image: str):
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
    if run.preparation:
        run.preparation(picture, of)
        mask = run.preparation.framed(mask, of)
    return np.array(mask.resize((run.profile.image_size,) * 2, Image.Resampling.NEAREST))


def read_all(run: Run, kind: str, names) -> dict[int, np.ndarray]:
    """The masks of images, by their position, of those that have one that is not empty."""
    masks = {i: read(run, kind, image) for i, image in enumerate(names)}
    return {i: mask for i, mask in masks.items() if mask is not None and mask.any()}


def chosen(run: Run, split: str) -> pd.DataFrame:
    """The COVID-19 originals of a split that have a mask (all, where none has); of a phantom 6."""
    table = run.originals(split)
    table = table[table.label == 1]
    masked = [any(path_of(run, kind, image).is_file() for kind in MASKS) for image in table.image]
    table = table[masked] if any(masked) else table
    return (table.head(FEW) if run.profile.data == "phantom" else table).reset_index(drop=True)
