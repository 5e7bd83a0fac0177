"""The frozen networks that look at pictures, and what they make of them."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from deepcovid import io
from deepcovid.data.augmentation import MEAN, STD
from deepcovid.models import features, networks
from deepcovid.models.run import Run
from deepcovid.shortcuts import ablations
from deepcovid.shortcuts.ablations import BINS, ImageAblation


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


def first_model(run: Run) -> str:
    """The model of a run whose backbone looks at everything."""
    names = run.profile.models
    return "squeezenet" if "squeezenet" in names else names[0]


def encoder(run: Run, kind: str, name: str) -> tuple[nn.Module, str]:
    """A frozen network, and its weights in words, by `Look.network`; `name` is that of a model."""
    if kind == "none":
        return Histogram(), "none"
    weights = run.profile.weights if kind == "own" else "random"
    model, origin = networks.build(name, weights, run.profile.seeds[0])
    return Pooled(model.backbone), origin.label()


def encode(run: Run, network: nn.Module, of: pd.DataFrame, look: ImageAblation) -> np.ndarray:
    """What a frozen network makes of images (rows with `path` and `sha1`) under a look: (n, columns).

    Computed once, kept on disk.
    """
    return features.extract(
        network, list(of.path), list(of.sha1), range(len(of)), run.profile.image_size,
        run.device, run.features, look.seen, look.change,
        f"{look.variant} {io.code_digest(ablations)}",
    )  # fmt: skip


def stamp(run: Run, of: pd.DataFrame, module: str) -> str:
    """Stands for all that a module computes hangs on: images, what is known of them, networks, code."""
    features.check_unchanged(of.path, of.sha1)
    found = [encoder(run, kind, first_model(run))[0] for kind in ("own", "untrained")]
    return io.digest([
        of.drop(columns="path").astype(str).to_numpy().tolist(),
        [networks.state_digest(network) for network in found], str(run.device),
        features.reading(run.profile.image_size), features.code(module),
    ])  # fmt: skip
