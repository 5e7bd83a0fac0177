"""What is done to every picture before a model sees it, so that its origin shows less.

`lungs`: cut to the box around the lungs: pictures are framed differently by each source.
`coarse`: SIZE x SIZE pixels: sharpness and JPEG traces tell sources apart, opacities are larger.
`equalise`: grey, the histogram made flat: CheXpert's pictures come so, other sources' do not.
`grey`: without colour.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from deepcovid import lungs
from deepcovid.models import state_digest
from deepcovid.profiles import Profile

SIZE = 96  # pixels a side
ORDER = ("lungs", "coarse", "equalise", "grey")


class Preparation:
    """Changes a picture by the given steps, always in the order above; see `features.Change`."""

    def __init__(self, steps: tuple[str, ...], segmenter: lungs.Segmenter | None = None):
        self.steps, self.segmenter = [step for step in ORDER if step in steps], segmenter
        self.boxes = {}  # found once for each picture
        # stands for all that the steps do
        self.variant = " ".join(self.steps)
        if segmenter is not None:
            self.variant += f" {state_digest(segmenter)}"

    def __call__(self, picture: Image.Image, path: Path) -> Image.Image:
        for step in self.steps:
            picture = getattr(self, step)(picture, path)
        return picture.convert("RGB")

    def lungs(self, picture: Image.Image, path: Path) -> Image.Image:
        return self.framed(picture, picture, path)

    def framed(self, other: Image.Image, picture: Image.Image, path: Path) -> Image.Image:
        """`other`, a mask of `picture` say, cut as `picture` is cut."""
        if "lungs" not in self.steps:
            return other
        if path not in self.boxes:
            self.boxes[path] = lungs.box(lungs.find(self.segmenter, picture))
        sides = np.array(self.boxes[path]) * np.tile(picture.size, 2)
        return other.crop(tuple(sides.round().astype(int).tolist()))

    def coarse(self, picture: Image.Image, path: Path) -> Image.Image:
        return picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS)

    def equalise(self, picture: Image.Image, path: Path) -> Image.Image:
        return ImageOps.equalize(picture.convert("L"))

    def grey(self, picture: Image.Image, path: Path) -> Image.Image:
        return picture.convert("L")


def run(profile: Profile) -> None:
    """Fit what a run's preparation needs, before several jobs ask for it."""
    if "lungs" in profile.preparation:
        lungs.run(profile.folder, profile.data_folder)


def of(profile: Profile) -> Preparation | None:
    """A run's preparation; None where its profile says `none`."""
    if profile.preparation == ("none",):
        return None
    run(profile)
    found = "lungs" in profile.preparation
    segmenter = lungs.load(profile.folder / "lungs.pt") if found else None
    return Preparation(profile.preparation, segmenter)
