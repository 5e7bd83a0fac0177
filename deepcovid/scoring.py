"""P(COVID-19) of each image, by a trained model."""

from pathlib import Path

import pandas as pd

from deepcovid import manifest, models
from deepcovid.features import to_device
from deepcovid.profiles import Profile
from deepcovid.runs import replacing
from deepcovid.training import gather, load, predict

COLUMNS = ["image", "split", "label", "score"]


def run(profile: Profile, name: str, seed: int) -> Path:
    """Score all original images of the manifest and write `scores.csv`; return its path.

    `score` is the softmax output for COVID-19, 0 to 1. Augmented copies are not scored.
    """
    device = models.device_of(profile.device)
    model = to_device(load(profile, name, seed), device)
    table = manifest.originals(manifest.read(profile.folder / "manifest.csv"))
    inputs = gather(profile, model, {"scored": table}, seed, device)["scored"]
    score = predict(model, inputs).softmax(1)[:, 1].cpu().numpy()
    return write(table.assign(score=score), profile.model_folder(name, seed) / "scores.csv")


def write(table: pd.DataFrame, path: Path) -> Path:
    with replacing(path) as partial:
        table.to_csv(
            partial, columns=COLUMNS, index=False, float_format="%.7g", lineterminator="\n"
        )
    return path
