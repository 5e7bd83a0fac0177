"""P(COVID-19) of each image, by a trained model."""

from pathlib import Path

import pandas as pd

from deepcovid.models.opened import Run
from deepcovid.models.training import gather, predict
from deepcovid.runs import replacing

COLUMNS = ["image", "split", "label", "score"]


def run(opened: Run, name: str, seed: int) -> Path:
    """Score all original images of the manifest and write `scores.csv`; return its path.

    `score` is the softmax output for COVID-19, 0 to 1. Augmented copies are not scored.
    """
    model, table = opened.model(name, seed), opened.originals()
    inputs = gather(opened, model, {"scored": table}, seed)["scored"]
    score = predict(model, inputs).softmax(1)[:, 1].cpu().numpy()
    return write(table.assign(score=score), opened.model_folder(name, seed) / "scores.csv")


def write(table: pd.DataFrame, path: Path) -> Path:
    with replacing(path) as partial:
        table.to_csv(
            partial, columns=COLUMNS, index=False, float_format="%.7g", lineterminator="\n"
        )
    return path
