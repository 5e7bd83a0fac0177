"""What is taken away from a picture before it is judged: its centre, its rim, its lungs, its detail."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from deepcovid import runs
from deepcovid.runs import UserError

SIDES = (0.2, 0.4, 0.6, 0.75, 0.9)  # of the central part, as a share of each side of the picture
CENTRES = (0.75, 0.5, 0.25, 0.1)
BLUR = 1 / 16  # standard deviation, in shorter sides of the picture
COARSE = 8  # pixels a side
BINS = 32  # of the grey-level histogram
GRID = 256  # pixels a side at which lung masks are kept
EVER = 0.05  # a place counts as lung where so many of the masks have lung
FRAME = "outer 12.5% of each side"
# inputs of `shortcuts.csv` in a reader's words
WORDS = {
    "without lungs": "lungs black",
    "without wherever lungs may be": "black where lungs may be",
    "only wherever lungs may be": "only where lungs may be",
    "file properties": "size and colour mode of the file",
}


def box(size: tuple[int, int], side: float) -> tuple[slice, slice]:
    """Rows and columns of the central part of a (width, height) picture, `side` of each side."""
    width, height = size
    x, y = round(width * (1 - side) / 2), round(height * (1 - side) / 2)
    return slice(y, height - y), slice(x, width - x)


def without_centre(picture: Image.Image, path: Path, side: float) -> Image.Image:
    """The central part black."""
    pixels = np.array(picture)
    pixels[box(picture.size, side)] = 0
    return Image.fromarray(pixels)


def only_centre(picture: Image.Image, path: Path, side: float) -> Image.Image:
    """All but the central part black."""
    pixels, inside = np.array(picture), box(picture.size, side)
    result = np.zeros_like(pixels)
    result[inside] = pixels[inside]
    return Image.fromarray(result)


def masked(picture: Image.Image, path: Path, masks: np.ndarray, keep: bool) -> Image.Image:
    """Black inside a mask, or, with `keep`, outside it. `masks` is bool, (n, GRID, GRID).

    Which of them a picture gets depends on its name alone: its class must not show in the mask.
    """
    own = masks[int(runs.digest("/".join(path.parts[-3:])), 16) % len(masks)]
    own = np.array(Image.fromarray(own).resize(picture.size, Image.Resampling.NEAREST))
    pixels = np.array(picture)
    pixels[own != keep] = 0
    return Image.fromarray(pixels)


def blurred(picture: Image.Image, path: Path) -> Image.Image:
    """Gaussian blur of BLUR shorter sides."""
    return picture.filter(ImageFilter.GaussianBlur(BLUR * min(picture.size)))


def coarse(picture: Image.Image, path: Path) -> Image.Image:
    """Mean colours of COARSE x COARSE fields."""
    small = picture.resize((COARSE, COARSE), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.NEAREST)


def lung_masks(data: Path) -> np.ndarray:
    """The lung masks of training images, whichever class has any: bool (n, GRID, GRID), n from 0."""
    masks = []
    for path in sorted((data / "lung-masks" / "train").rglob("*.png")):
        try:
            with Image.open(path) as file:
                small = file.convert("1").resize((GRID, GRID), Image.Resampling.NEAREST)
        except OSError as error:
            raise UserError(f"{path} cannot be read as a lung mask: {error}") from None
        masks.append(np.array(small))
    return np.array(masks, dtype=bool).reshape(-1, GRID, GRID)


@dataclass(frozen=True)
class ImageAblation:
    """One way to reduce images: the `input` that is left of them, and the `network` that gets it."""

    kind: str
    input: str
    share: float | None = None  # of the picture's area that is left
    change: Callable[[Image.Image, Path], Image.Image] | None = None
    variant: str = ""  # stands for all of `change`, but for this module's code
    network: str = "own"  # the run's own backbone; `untrained`; `none`: the histogram


WHOLE = ImageAblation("whole", "whole picture", 1.0)


def all_ablations(masks: np.ndarray) -> list[ImageAblation]:
    """All ablations; those of the lungs only where there are masks."""
    found = [WHOLE]
    for side in SIDES:
        name, change = (
            f"outer {50 * (1 - side):.3g}% of each side",
            partial(without_centre, side=side),
        )
        found.append(ImageAblation("border", name, 1 - side**2, change, f"without centre {side}"))
    for side in CENTRES:
        name, change = f"central {side:.0%} of each side", partial(only_centre, side=side)
        found.append(ImageAblation("centre", name, side**2, change, f"only centre {side}"))
    if len(masks):
        ever = (masks.mean(0) > EVER)[None]
        for name, some in {"lungs": masks, "wherever lungs may be": ever}.items():
            stamp, area = runs.digest(np.packbits(some).tobytes().hex()), float(some.mean())
            for keep, word, share in ((False, "without", 1 - area), (True, "only", area)):
                change = partial(masked, masks=some, keep=keep)
                found.append(
                    ImageAblation("lungs", f"{word} {name}", share, change, f"{keep} {stamp}")
                )
    (frame,) = (each for each in found if each.input == FRAME)
    return [
        *found,
        ImageAblation("coarse", "blurred", None, blurred, "blurred"),
        ImageAblation("coarse", f"{COARSE} x {COARSE} pixels", None, coarse, "coarse"),
        ImageAblation("grey levels", f"histogram of {BINS} grey levels", network="none"),
        replace(WHOLE, kind="untrained", network="untrained"),
        replace(frame, kind="untrained", network="untrained"),
    ]


def by_input(masks: np.ndarray) -> dict[str, ImageAblation]:
    """`all_ablations` by what is left, without those that repeat one with an untrained network."""
    return {each.input: each for each in all_ablations(masks) if each.network != "untrained"}
