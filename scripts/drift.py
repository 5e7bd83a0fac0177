"""How far batch norm, left in train mode, drifts from the statistics it was pretrained with.

The drift does not depend on the head: the backbone is frozen, and only sees the images go by.

    python scripts/drift.py --overrides JSON

Writes `results/drift.csv`, which notebook 06b shows.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from deepcovid.data import manifest
from deepcovid.failure.ablation import write
from deepcovid.models import features, fitting
from deepcovid.models.run import Run
from deepcovid.runs import RESULTS

LOOKS = (0, 1, 2, 5, 10, 20, 50, 100, 200)  # batches after which the statistics are looked at


def statistics(backbone: nn.Module) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Running mean and standard deviation of each channel, by layer, in the order of the layers."""
    return {
        name: (layer.running_mean.clone(), (layer.running_var + layer.eps).sqrt())
        for name, layer in backbone.named_modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm)
    }


def shift(now: torch.Tensor, then: torch.Tensor, unit: torch.Tensor) -> float:
    """Mean distance of the channels' means."""
    return float(((now - then).abs() / unit).mean())


@torch.inference_mode()
def follow(backbone: nn.Module, batches: Iterable[torch.Tensor], looks) -> dict[int, dict]:
    """The statistics of a backbone in train mode after each number of batches in `looks`."""
    backbone.train()
    found = {0: statistics(backbone)}
    for seen, batch in enumerate(batches, start=1):
        backbone(batch)
        if seen in looks:
            found[seen] = statistics(backbone)
    return found


def distances(states: dict[int, dict], epoch: int) -> pd.DataFrame:
    """How far statistics are from those at the start, a row for each number of batches and layer.

    `shift`: of the means, in units of the first standard deviations; `spread`: median ratio of the
    standard deviations to the first; `from_epoch_1`: shift against the state after `epoch` batches.
    """
    rows = []
    for seen, layers in states.items():
        for layer, (mean, deviation) in layers.items():
            first, unit = states[0][layer]
            rows.append({
                "batches": seen, "layer": layer, "shift": shift(mean, first, unit),
                "spread": float((deviation / unit).median()),
                "from_epoch_1": shift(mean, states[epoch][layer][0], unit),
            })  # fmt: skip
    return pd.DataFrame(rows)


def run(opened: Run, name: str = "resnet18", epochs: int = 3, seed: int = 0) -> pd.DataFrame:
    """Follow the statistics through the first epochs of the failed recipe, with its random crops and
    on whole images: `distances`, by `crop`."""
    profile, table = opened.profile, manifest.originals(opened.training)
    one = len(fitting.epoch_batches(len(table), profile.batch_size, torch.Generator(), drifts=True))
    looks = {*LOOKS, *range(one, epochs * one + 1, one)}
    found = {}
    for crop in ("random", "none"):
        files = features.ImageSet(opened.paths(table.image), profile.image_size, crop, seed)
        shuffle = torch.Generator().manual_seed(seed)
        stream = (
            batch
            for epoch in range(epochs)
            for batch in files.batches(
                fitting.epoch_batches(len(table), profile.batch_size, shuffle, drifts=True),
                opened.device, epoch,
            )
        )  # fmt: skip
        backbone = features.to_device(opened.build(name, seed)[0].backbone, opened.device)
        found[crop] = distances(follow(backbone, stream, looks), one)
    return pd.concat(found, names=["crop"]).reset_index("crop")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--overrides", default="{}", type=json.loads, help="settings, as JSON")
    parser.add_argument("--profile", default="released")
    parser.add_argument("--out", type=Path, default=RESULTS / "drift.csv")
    args = parser.parse_args()
    opened = Run.open(args.profile, args.overrides)
    print(write(run(opened), args.out))
