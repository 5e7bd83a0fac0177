"""Images under any preprocessing: what a frozen network makes of them, whole or of their border
alone, and where the lungs lie in them."""

import sys
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from deepcovid import io
from deepcovid.data.augmentation import AFFINE as MOVED
from deepcovid.data.augmentation import seeded
from deepcovid.models import lungs
from deepcovid.models.preprocessing import Preprocessing
from deepcovid.models.run import Run
from deepcovid.shortcuts import ablations, encoders
from deepcovid.shortcuts.ablations import ImageAblation
from imageaudit import images

SIDE = 0.75  # of the central part that is black where only the border is left


class Bench:
    """Images (rows with `path` and `sha1`) that are prepared, encoded and segmented, each once."""

    def __init__(self, run: Run, of: pd.DataFrame):
        self.run, self.of = run, of
        self.found: dict[Path, np.ndarray] = {}  # lungs of pictures before any cut
        self.known: dict[tuple, np.ndarray] = {}

    @cached_property
    def segmenter(self):
        return lungs.load(lungs.run(self.run.folder, self.run.data))

    def prepare(self, steps: tuple[str, ...]) -> Preprocessing | None:
        if steps in ((), ("none",)):
            return None
        return Preprocessing(steps, self.segmenter, self.found)

    def encode(self, name: str, steps=(), border: bool = False, copy: int = 0, rows=slice(None)):
        """What a model's frozen backbone makes of the pictures `rows`, moved as `copy` says: (n, columns)."""
        key = name, steps, border, copy
        if key not in self.known:
            prepare = self.prepare(steps)
            change = partial(changed, prepare=prepare, border=border, copy=copy)
            code = io.code_digest(sys.modules[__name__])
            variant = f"{prepare and prepare.variant} {border} {SIDE} {copy} {MOVED} {code}"
            look = ImageAblation(
                "prepared", ", ".join(steps) or "as they are", None, change, variant
            )
            if not (prepare or border or copy):
                look = ImageAblation("whole", "whole picture")
            network, _ = encoders.encoder(self.run, "own", name)
            self.known[key] = encoders.encode(self.run, network, self.of[rows], look)
        return self.known[key]

    def frames(self, steps: tuple[str, ...] = ()) -> np.ndarray:
        """Where the lungs lie in each picture once it is prepared: box and area, (n, 5)."""
        cut = "crop_lungs" in steps  # the other steps move nothing
        key = "frames", steps if cut else ()
        if key not in self.known:
            prepare, rows = self.prepare(steps), []
            for path in tqdm(self.of.path, desc="where the lungs lie", unit="image"):
                if path not in self.found or cut:
                    picture = images.open_radiograph(path)
                if path not in self.found:
                    self.found[path] = lungs.find(self.segmenter, picture)
                lung = (
                    lungs.find(self.segmenter, prepare(picture, path)) if cut else self.found[path]
                )
                rows.append([*lungs.box(lung), lung.mean()])
            self.known[key] = np.array(rows)
        return self.known[key]


def changed(picture: Image.Image, path: Path, prepare, border: bool, copy: int) -> Image.Image:
    """A picture prepared; where wanted, with its `border` only, and moved as the copy's number says.

    The border is the outer eighth of each side, before any cut.
    """
    prepared = prepare(picture, path) if prepare else picture
    if border:
        centre = Image.new("L", picture.size)
        rows, columns = ablations.box(picture.size, SIDE)
        centre.paste(255, (columns.start, rows.start, columns.stop, rows.stop))
        centre = prepare.framed(centre, path) if prepare else centre
        centre = centre.resize(prepared.size, Image.Resampling.NEAREST)
        prepared = Image.composite(Image.new("RGB", prepared.size), prepared, centre)
    if copy:
        prepared = seeded(MOVED, copy, "/".join(path.parts[-3:]))(prepared)
    return prepared
