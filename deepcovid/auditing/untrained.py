"""An untrained network: its weights are drawn, so whatever it tells lies in the picture's surface."""

import numpy as np
import torch
from tqdm.auto import tqdm

from deepcovid.data.augmentation import MEAN, STD
from deepcovid.models import networks
from deepcovid.shortcuts.eyes import Pooled

NAME, BATCH = "squeezenet", 64


class Untrained:
    """SqueezeNet as it is drawn from a seed, its last map averaged over its places."""

    def __init__(self, seed: int = 0):
        model, _ = networks.build(NAME, "random", seed)
        self.network = Pooled(model.backbone).eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, pictures: np.ndarray, label: str = "network") -> np.ndarray:
        """Numbers of grey pictures (n, side, side) uint8: (n, 512)."""
        mean, std = (torch.tensor(v)[None, :, None, None] for v in (MEAN, STD))
        found = []
        with tqdm(total=len(pictures), desc=label, unit="image") as bar:
            for first in range(0, len(pictures), BATCH):
                part = torch.from_numpy(pictures[first : first + BATCH]).float()[:, None] / 255
                x = ((part - mean) / std).contiguous(memory_format=torch.channels_last)
                found.append(self.network(x).numpy())
                bar.update(len(part))
        return np.concatenate(found).astype(np.float64)
