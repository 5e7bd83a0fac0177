"""The frozen networks that look at pictures, and what they make of them."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from deepcovid.data.augmentation import MEAN, STD
from deepcovid.models import features, networks
from deepcovid.models.opened import Run
from deepcovid.shortcuts.looks import BINS, Look


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


class Eyes:
    """The networks of a run, and their values for images: computed once, kept on disk."""

    def __init__(self, opened: Run):
        self.opened, self.device = opened, opened.device
        names, seed = opened.profile.models, opened.profile.seeds[0]
        self.name = "squeezenet" if "squeezenet" in names else names[0]
        network, origin = opened.build(self.name, seed)
        untrained, _ = networks.build(self.name, "random", seed)
        self.networks = {
            "own": (Pooled(network.backbone), f"{self.name} ({origin.label()})"),
            "untrained": (Pooled(untrained.backbone), f"{self.name} (random)"),
            "none": (Histogram(), "counts"),
        }

    def stamp(self) -> list:
        """Stands for all that `values` hang on, but the images and the look."""
        states = [networks.state_digest(network) for network, _ in self.networks.values()]
        return [*states, features.reading(self.opened.profile.image_size), str(self.device)]

    def values(self, of: pd.DataFrame, look: Look) -> np.ndarray:
        """What the look's network makes of images (rows with `path` and `sha1`): (n, columns)."""
        (network, _), profile = self.networks[look.network], self.opened.profile
        return features.extract(
            network, list(of.path), list(of.sha1), range(len(of)), profile.image_size, self.device,
            self.opened.features, look.seen, look.change, look.variant,
        )  # fmt: skip
