"""What is taken away from a picture before it is judged: its centre, its rim, its lungs, its detail."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from deepcovid import runs
from deepcovid.runs import UserError

# as shares of the picture's sides: what is left along each of the four edges, or in the middle
BORDERS, CENTRES = (0.4, 0.3, 0.2, 0.125, 0.05), (0.75, 0.5, 0.25, 0.1)
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


def central(size: tuple[int, int], path: Path, side: float) -> np.ndarray:
    """The central part of a (width, height) picture, `side` of each side: bool (height, width)."""
    mask = np.zeros(size[::-1], bool)
    mask[box(size, side)] = True
    return mask


def borrowed(size: tuple[int, int], path: Path, masks: np.ndarray) -> np.ndarray:
    """One of the masks, bool (n, GRID, GRID), in the size of a picture.

    Which of them a picture gets depends on its name alone: its class must not show in the mask.
    """
    own = masks[int(runs.digest("/".join(path.parts[-3:])), 16) % len(masks)]
    return np.array(Image.fromarray(own).resize(size, Image.Resampling.NEAREST))


def masked(picture: Image.Image, path: Path, mask: Callable, keep: bool) -> Image.Image:
    """Black inside `mask(size, path)`, or, with `keep`, outside it."""
    shown = Image.fromarray(mask(picture.size, path) == keep)
    return Image.composite(picture, Image.new(picture.mode, picture.size), shown)


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
    folders = sorted(one for one in data.glob("lung-masks/*") if one.name.lower() == "train")
    for path in sorted(path for folder in folders for path in folder.rglob("*.png")):
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
    variant: str = ""  # with `input` and this module's code it stands for all of `change`
    network: str = "own"  # the run's own backbone; `untrained`; `none`: the histogram


WHOLE = ImageAblation("whole", "whole picture", 1.0)


def part(kind: str, name: str, share: float, keep: bool, mask: Callable, variant: str = ""):
    """The ablation that keeps, or blackens, what a mask shows."""
    return ImageAblation(kind, name, share, partial(masked, mask=mask, keep=keep), variant)


def all_ablations(masks: np.ndarray) -> list[ImageAblation]:
    """All ablations; those of the lungs only where there are masks."""
    found = {each.input: each for each in [
        WHOLE,
        *(part("border", f"outer {50 * (1 - side):.3g}% of each side", 1 - side**2, False,
               partial(central, side=side)) for side in (1 - 2 * width for width in BORDERS)),
        *(part("centre", f"central {side:.0%} of each side", side**2, True,
               partial(central, side=side)) for side in CENTRES),
    ]}  # fmt: skip
    regions = {}
    if len(masks):
        regions = {"lungs": masks, "wherever lungs may be": (masks.mean(0) > EVER)[None]}
    for name, some in regions.items():
        for keep, word in ((False, "without"), (True, "only")):
            share = float((some == keep).mean())
            found[f"{word} {name}"] = part(
                "lungs", f"{word} {name}", share, keep, partial(borrowed, masks=some),
                runs.digest(np.packbits(some).tobytes().hex()),
            )  # fmt: skip
    return [
        *found.values(),
        ImageAblation("coarse", "blurred", None, blurred),
        ImageAblation("coarse", f"{COARSE} x {COARSE} pixels", None, coarse),
        ImageAblation("grey levels", f"histogram of {BINS} grey levels", network="none"),
        *(replace(found[name], kind="untrained", network="untrained")
          for name in (WHOLE.input, FRAME)),
    ]  # fmt: skip


def by_input(masks: np.ndarray) -> dict[str, ImageAblation]:
    """`all_ablations` by what is left, without those that repeat one with an untrained network."""
    return {each.input: each for each in all_ablations(masks) if each.network != "untrained"}
