"""The smallest run that is one: a few drawn radiographs, one network trained on images.

    python -m benchmarks.robustness.tiny FOLDER

computes scores and metrics, without the workflow, on the images in FOLDER/data.
"""

import json
import os
import sys
from pathlib import Path

from deepcovid.runs import ROOT, file_digest

SETTINGS = {
    "models": "squeezenet", "image_size": 32, "epochs": 6, "augment_positives": 2, "batch_size": 8,
    "trainable": "all", "train_crop": "affine", "learning_rate": 1e-3, "device": "cpu",
}  # fmt: skip


def draw(folder: Path) -> Path:
    """Images below `folder/data`, unless they are there; the folder."""
    from deepcovid.data import phantom

    if not (folder / "data").is_dir():
        phantom.write(folder / "data", 0, dict.fromkeys(phantom.GROUPS, 12), 48)
    return folder


def overrides(folder: Path, **more) -> dict:
    return SETTINGS | {"data": str(folder / "data")} | more


def compute(name: str, settings: dict) -> Path:
    """Manifest, training table, training, scores and metrics of a profile; the run's folder."""
    from deepcovid.data import augmentation, manifest
    from deepcovid.metrics import run as metrics
    from deepcovid.models import fitting, scoring, training
    from deepcovid.models.run import Run

    fitting.SAVE_EVERY = (
        0  # after each epoch, so that a stopped training has something to go on from
    )
    opened = Run.open(name, settings)
    manifest.run(opened.profile)
    augmentation.run(opened.profile)
    for model in opened.profile.models:
        for seed in opened.profile.seeds:
            training.run(opened, model, seed)
            scoring.run(opened, model, seed)
    profile = opened.profile
    metrics.evaluate(opened.folder, profile.models, profile.seeds, profile.threshold)
    return opened.folder


def made(folder: Path) -> dict[str, str]:
    """The SHA-256 of a run's scores and metrics."""
    paths = [*sorted(folder.glob("*/seed*/scores.csv")), folder / "metrics.csv"]
    return {
        path.relative_to(folder).as_posix(): file_digest(path) for path in paths if path.is_file()
    }


def around(runs: Path, **more) -> dict[str, str]:
    """The environment of a process that writes its runs to a folder of its own."""
    ours = {"DEEPCOVID_RUNS": str(runs), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return os.environ | ours | more


if __name__ == "__main__":
    compute("demo", json.loads(sys.argv[2]) if len(sys.argv) > 2 else overrides(Path(sys.argv[1])))
