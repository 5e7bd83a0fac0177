"""Train the ablation's cells: a head each, on features that are computed once.

Each cell of the factorial is one training and leaves one file, `cells/<digest of its settings>.json`
in the run's folder.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from deepcovid import io
from deepcovid.failure import design, effects
from deepcovid.failure.design import CELL, EPOCHS, recipe
from deepcovid.failure.effects import MEASURES, verdict
from deepcovid.failure.feature_cache import VIEWS, FeatureCache
from deepcovid.metrics import intervals
from deepcovid.models import fitting
from deepcovid.models.run import Run
from deepcovid.profiles import Profile


def followed(profile: Profile, model, inputs: dict, seed: int) -> np.ndarray:
    """Train a head; give the test scores after each epoch, (epochs, images)."""
    kept = []

    def keep(head, _, logits):
        if not head.training:
            kept.append(logits.detach().float().softmax(1)[:, 1].cpu())

    hook = model.head.register_forward_hook(keep)
    try:
        fitting.fit(profile, model, inputs, seed)
    finally:
        hook.remove()
    return torch.cat(kept).reshape(profile.epochs, -1).numpy()


def outcomes(label, scores: np.ndarray) -> list[dict]:
    """What a training came to after the epochs of `EPOCHS`, by its last and its best epoch.

    Best is the first epoch of highest accuracy at 0.5 on test, as the released script selects.
    """
    label = np.asarray(label)
    accuracy = (intervals.predict_positive(scores, 0.5) == label).mean(axis=1)
    rows = []
    for epochs in sorted({e for e in EPOCHS if e <= len(scores)} | {len(scores)}):
        chosen = {"last": epochs - 1, "test_accuracy": int(accuracy[:epochs].argmax())}
        for selection, epoch in chosen.items():
            row = {"after": epochs, "selection": selection, "epoch": epoch + 1}
            rows.append(row | verdict(label, scores[epoch]))
    return rows


def train_cell(cache: FeatureCache, cell: dict) -> dict:
    """Train one cell and give what its file holds."""
    inputs, seed = cache.inputs(cell), cell["seed"]
    scores = followed(recipe(cache.run.profile, cell), cache.model(seed), inputs, seed)
    label = inputs["test"].label.cpu().numpy()
    return {
        "cell": cell, "weights": cache.origin, "images": cache.images,
        "views": cache.n_views(cell), "rows": outcomes(label, scores), "label": label.tolist(),
        "score": [float(str(value)) for value in scores[-1]],  # the shortest that is this float32
    }  # fmt: skip


def ablate(run: Run, cells: list[dict], views: int = VIEWS) -> list[Path]:
    """Train cells on the images of a run, `cells/<digest>.json` each; give those files.

    What is there is not trained again.
    """
    groups, paths = {}, []
    for cell in cells:
        groups.setdefault((cell["backbone"], cell["weights"]), []).append(cell)
    for (backbone, weights), group in groups.items():
        cache = FeatureCache(run, backbone, weights, views)
        for cell in group:
            paths.append(run.folder / "cells" / f"{cache.digest(cell)}.json")
            if not paths[-1].exists():
                io.write_json(paths[-1], train_cell(cache, cell))
    return paths


def single_changes(run: Run, views: int = 2) -> None:
    """The failed recipe, and single changes of it, on a run's own images; written to `failure.csv`.

    A row per change as `effects.single_changes` has it, of one training each (`design.demo_cells`).
    What is trained already is kept.
    """
    cells, rows = design.demo_cells(run.profile, run.training), []
    for name, path in zip(cells, ablate(run, [*cells.values()], views), strict=True):
        found = io.read_json(path)
        about = {"change": name, "backbone": found["cell"]["backbone"], "trainings": 1}
        rows.append(about | verdict(found["label"], found["score"]))
    write(pd.DataFrame(rows), run.folder / "failure.csv")


def run_cells(run: Run) -> list[Path]:
    """Train the planned cells of a run's models and seeds, so that several jobs share them."""
    cells = design.plan(run.profile.models, run.profile.seeds)
    return ablate(run, [cell for cell in cells if cell["seed"] in run.profile.seeds])


def run(run: Run) -> None:
    """Train what is missing of the planned cells; write `ablation.csv` and `ablation_effects.csv`."""
    table = collect(ablate(run, design.plan(run.profile.models, run.profile.seeds)))
    write(table, run.folder / "ablation.csv")
    write(effects.published(table), run.folder / "ablation_effects.csv")


def collect(paths: list[Path]) -> pd.DataFrame:
    """The files of cells as one table, in an order that does not depend on theirs."""
    made = {path.stem: io.read_json(path) for path in paths}
    table = pd.DataFrame(
        found["cell"] | {"views": found["views"], "file": found["weights"], "digest": name} | row
        for name, found in made.items()
        for row in found["rows"]
    )
    order = [*CELL, "after", "selection"]
    columns = [*order, "epoch", *MEASURES, "views", "file", "digest"]
    return table.sort_values(order, ignore_index=True)[columns]


def write(table: pd.DataFrame, path: Path) -> Path:
    """Write a table of the ablation or of the search as CSV."""
    return io.write_csv(path, table, float_format="%.6g")
