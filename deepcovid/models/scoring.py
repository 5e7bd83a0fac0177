"""P(COVID-19) of each image, by a trained model."""

from pathlib import Path

import numpy as np
import torch

from deepcovid.io import write_csv
from deepcovid.models.features import Change, ImageSet
from deepcovid.models.fitting import Inputs, predict
from deepcovid.models.networks import Classifier
from deepcovid.models.run import Run
from deepcovid.models.training import gather

PART = 1024  # images whose features are in memory at a time; those of SqueezeNet take 0.3 GB
COLUMNS = ["image", "split", "label", "score", "patient"]


def score(model: Classifier, paths: list[Path], size: int, change: Change | None = None):
    """P(COVID-19), float32 (n,) from 0 to 1, of image files, each resized to `size` pixels a side.

    `change` is the preprocessing that the model was trained with, if any (`Run.preprocessing`).
    Raises UserError that names a file which cannot be read.
    """
    device = next(model.parameters()).device
    nothing = torch.zeros(len(paths), dtype=torch.long, device=device)
    inputs = Inputs(nothing, files=ImageSet(list(paths), size, change=change))
    return probability(predict(model, inputs, 64))


def probability(logits: torch.Tensor) -> np.ndarray:
    """P(COVID-19) of logits (n, 2)."""
    return logits.softmax(1)[:, 1].cpu().numpy()


def run(run: Run, name: str, seed: int) -> Path:
    """Score all original images of the manifest and write `scores.csv`; return its path.

    `score` is the softmax output for COVID-19, 0 to 1. Augmented copies are not scored.
    """
    model, table = run.model(name, seed), run.originals()
    found = []
    for start in range(0, len(table), PART):
        part = gather(run, model, {"scored": table[start : start + PART]}, seed)["scored"]
        found.append(probability(predict(model, part)))
    path = run.model_folder(name, seed) / "scores.csv"
    scored = table.assign(score=np.concatenate(found))
    return write_csv(path, scored, columns=COLUMNS, float_format="%.7g")
