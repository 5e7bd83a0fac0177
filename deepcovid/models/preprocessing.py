"""What is done to every picture before a model sees it, so that its origin shows less.

`crop_lungs`: cut to the box around the lungs: pictures are framed differently by each source.
`downsample`: SIZE x SIZE pixels: sharpness and JPEG traces tell sources apart, opacities are larger.
`equalise`: grey, the histogram made flat: CheXpert's pictures come so, other sources' do not.
`mask_lungs`: black outside the lungs: letters, collimator, arms and shoulders tell sources apart.
`grey`: without colour.

A picture in which no lungs are found is used whole.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import nn

from deepcovid.io import code_digest
from deepcovid.models import lungs
from deepcovid.models.networks import state_digest
from deepcovid.profiles import Profile

SIZE = 96  # pixels a side
ORDER = ("crop_lungs", "downsample", "equalise", "mask_lungs", "grey")


class Preprocessing:
    """Changes a picture by the given steps, always in the order above; see `features.Change`.

    `found` keeps the lungs of each path once they are found; several may share one.
    """

    def __init__(self, steps, segmenter: nn.Module | None = None, found: dict | None = None):
        self.steps = [step for step in ORDER if step in steps]
        self.segmenter = segmenter if lungs.ASKS & set(steps) else None
        self.found: dict[Path, np.ndarray] = {} if found is None else found
        # stands for all that the steps do
        self.variant = f"{' '.join(self.steps)} {code_digest(lungs, __file__)}"
        if self.segmenter is not None:
            self.variant += f" {state_digest(segmenter)}"

    def __call__(self, picture: Image.Image, path: Path) -> Image.Image:
        if self.segmenter is not None and path not in self.found:
            self.found[path] = lungs.find(self.segmenter, [picture])[0]
        for step in self.steps:
            picture = getattr(self, step)(picture, path)
        return picture.convert("RGB")

    def crop_lungs(self, picture: Image.Image, path: Path) -> Image.Image:
        sides = np.array(lungs.box(self.found[path])) * np.tile(picture.size, 2)
        return picture.crop(tuple(sides.round().astype(int).tolist()))

    def downsample(self, picture: Image.Image, path: Path) -> Image.Image:
        return picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS)

    def equalise(self, picture: Image.Image, path: Path) -> Image.Image:
        return ImageOps.equalize(picture.convert("L"))

    def mask_lungs(self, picture: Image.Image, path: Path) -> Image.Image:
        if lungs.missed(self.found[path]):
            return picture
        mask = self.framed(Image.fromarray(self.found[path]), path).resize(picture.size)
        return Image.composite(picture, Image.new(picture.mode, picture.size), mask)

    def grey(self, picture: Image.Image, path: Path) -> Image.Image:
        return picture.convert("L")

    def framed(self, mask: Image.Image, path: Path) -> Image.Image:
        """A mask of a picture that was prepared, cut as the picture was."""
        return self.crop_lungs(mask, path) if "crop_lungs" in self.steps else mask


def of(profile: Profile) -> Preprocessing | None:
    """A run's preprocessing; None where its profile says `none`. A segmenter that it needs is fitted
    first, unless that was done."""
    steps = profile.preprocessing
    if steps == ("none",):
        return None
    if lungs.ASKS & set(steps):
        return Preprocessing(steps, lungs.load(lungs.run(profile)))
    return Preprocessing(steps)
