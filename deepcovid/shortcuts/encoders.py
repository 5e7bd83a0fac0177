"""Frozen networks, and what they make of pictures: whole, with parts taken away, or preprocessed."""

import sys
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn

from deepcovid import io
from deepcovid.data.augmentation import AFFINE, MEAN, STD, seeded
from deepcovid.models import features, lungs, networks
from deepcovid.models.preprocessing import Preprocessing
from deepcovid.models.run import Run
from deepcovid.shortcuts import ablations
from deepcovid.shortcuts.ablations import BINS, WHOLE, ImageAblation

SIDE = 0.75  # of the central part that is black where only the border is left


class Pooled(nn.Module):
    """A backbone's last map averaged over its places: (n, channels)."""

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone = backbone

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = self.backbone(x)
        return values.mean((2, 3)) if values.ndim == 4 else values


class Histogram(nn.Module):
    """The share of pixels in each of BINS equal ranges of grey: (n, BINS)."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])
        self.register_buffer("bins", torch.arange(BINS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        grey = (x * self.std + self.mean).mean(1).flatten(1)
        index = (grey * BINS).long().clamp(0, BINS - 1)
        return torch.stack([torch.bincount(row, minlength=BINS) for row in index]) / grey.shape[1]


class SideBySide(nn.ModuleList):
    """The features of several networks, one after the other: (n, columns)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([network(x) for network in self], dim=1)


def first_model(run: Run) -> str:
    """The model of a run whose backbone encodes what one network is enough for."""
    names = run.profile.models
    return "squeezenet" if "squeezenet" in names else names[0]


class FeatureBank:
    """Images of a step (rows with `path` and `sha1`), encoded and segmented, each once.

    Features are kept on disk in chunks of these images in their order, so a step that was stopped
    goes on where it was.
    """

    def __init__(self, run: Run, images: pd.DataFrame):
        self.run, self.images = run, images[["path", "sha1"]].drop_duplicates("sha1")
        self.place = pd.Series(range(len(self.images)), self.images.sha1)
        self.networks: dict[tuple, tuple[nn.Module, str]] = {}
        self.features: dict[tuple, np.ndarray] = {}  # by network, ablation and images
        self.frames: dict[tuple, np.ndarray] = {}

    @cached_property
    def segmenter(self) -> nn.Module:
        return lungs.load(lungs.run(self.run.profile))

    @cached_property
    def lungs(self) -> dict[Path, np.ndarray]:
        """The lungs of each picture, before any cut."""
        return dict(zip(self.images.path, self.find_lungs(), strict=True))

    def find_lungs(self, prepare: Preprocessing | None = None) -> np.ndarray:
        of, variant = self.images, prepare.variant if prepare else ""
        keep = self.run.profile.features
        return lungs.find_all(self.segmenter, of.path, of.sha1, keep, prepare, variant)

    def encoder(self, kind: str, name: str) -> tuple[nn.Module, str]:
        """A frozen network by its kind and a model's name, and its weights in words.

        A kind of `ImageAblation.network`, or `maps`: the run's own backbone, not pooled. Several
        names are joined by `+`.
        """
        if (kind, name) not in self.networks:
            found = Histogram(), "none"
            if "+" in name:
                each = [self.encoder(kind, one) for one in name.split("+")]
                found = SideBySide(network for network, _ in each), each[0][1]
            elif kind != "none":
                weights = "random" if kind == "untrained" else self.run.profile.weights
                model, origin = networks.build(name, weights, self.run.profile.seeds[0])
                network = model.backbone if kind == "maps" else Pooled(model.backbone)
                found = networks.fuse_batch_norm(network), origin["file"] or origin["kind"]
            self.networks[kind, name] = found
        return self.networks[kind, name]

    def encode_models(
        self, images: pd.DataFrame, ablation: ImageAblation, names, kind: str = "own"
    ):
        """Features by each of several models, (n, columns); pictures are read and changed once."""
        values = self.encode(images, ablation, "+".join(names), kind)
        side, device = self.run.profile.image_size, self.run.device
        with torch.inference_mode():
            one = torch.zeros(1, 3, side, side, device=device)
            widths = [self.encoder(kind, name)[0].eval()(one).shape[1] for name in names]
        return dict(zip(names, np.split(values, np.cumsum(widths)[:-1], axis=1), strict=True))

    def encode(self, images: pd.DataFrame, ablation: ImageAblation, name: str, kind: str = "own"):
        """What a frozen network makes of images of the bank under an ablation: (n, columns)."""
        rows = self.place[images.sha1].to_numpy()
        key = kind, name, ablation.input, ablation.variant, rows.tobytes()
        if key not in self.features:
            self.features[key] = features.extract(
                self.encoder(kind, name)[0], list(self.images.path), list(self.images.sha1), rows,
                self.run.profile.image_size, self.run.device, self.run.profile.features, ablation.input,
                ablation.change, f"{ablation.input} {ablation.variant} {io.code_digest(ablations)}",
            )  # fmt: skip
        return self.features[key]

    def preprocessing(self, steps: tuple[str, ...]) -> Preprocessing | None:
        if steps in ((), ("none",)):
            return None
        asked = (self.segmenter, self.lungs) if lungs.ASKS & {*steps} else ()
        return Preprocessing(steps, *asked)

    def ablation(self, steps=(), border: bool = False, copy: int = 0) -> ImageAblation:
        """Pictures preprocessed, with their `border` only, moved as the number of a copy says."""
        prepare = self.preprocessing(steps)
        if not (prepare or border or copy):
            return WHOLE
        change = partial(changed, prepare=prepare, border=border, copy=copy)
        code = io.code_digest(sys.modules[__name__])
        variant = f"{prepare and prepare.variant} {border} {SIDE} {copy} {AFFINE} {code}"
        return ImageAblation("prepared", ", ".join(steps) or "as they are", None, change, variant)

    def prepared(self, ablation: ImageAblation) -> ImageAblation:
        """The ablation as the run's models get pictures: preprocessed, where nothing is taken away."""
        return ablation if ablation.change else self.ablation(self.run.profile.preprocessing)

    def framing(self, images: pd.DataFrame, steps: tuple[str, ...] = ()) -> np.ndarray:
        """Where the lungs lie in each picture once it is preprocessed: box and area, (n, 5)."""
        steps = steps if "crop_lungs" in steps else ()  # the others move nothing
        if steps not in self.frames:
            prepare = self.preprocessing(steps)
            found = self.find_lungs(prepare) if prepare else self.lungs.values()
            self.frames[steps] = np.array([[*lungs.box(lung), lung.mean()] for lung in found])
        return self.frames[steps][self.place[images.sha1]]


def changed(picture: Image.Image, path: Path, prepare, border: bool, copy: int) -> Image.Image:
    """A picture preprocessed; its `border` only, where wanted; moved as the number of a copy says.

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
        prepared = seeded(AFFINE, copy, "/".join(path.parts[-3:]))(prepared)
    return prepared
