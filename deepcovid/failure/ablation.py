"""Train the ablation's cells: a head each, on features that are computed once.

Each cell of the factorial is one training and leaves one file, `cells/<digest of its settings>.json`
in the run's folder: what is there is not trained again, and several processes may share the cells
between them.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import Timeout

from deepcovid import runs
from deepcovid.failure.arithmetic import MEASURES, verdict
from deepcovid.failure.bench import VIEWS, Bench, lock
from deepcovid.failure.design import CELL, EPOCHS, recipe
from deepcovid.models import training
from deepcovid.models.opened import Run
from deepcovid.profiles import Profile


def followed(profile: Profile, model, inputs: dict, seed: int) -> np.ndarray:
    """Train a head; give the test scores after each epoch, (epochs, images)."""
    kept = []

    def keep(head, _, logits):
        if not head.training:
            kept.append(logits.detach().float().softmax(1)[:, 1].cpu())

    hook = model.head.register_forward_hook(keep)
    try:
        training.fit(profile, model, inputs, seed)
    finally:
        hook.remove()
    return torch.cat(kept).reshape(profile.epochs, -1).numpy()


def outcomes(label, scores: np.ndarray) -> list[dict]:
    """What a training came to after the epochs of `EPOCHS`, by its last and its best epoch.

    Best is the first epoch of highest accuracy at 0.5 on test, as the released script selects.
    """
    label = np.asarray(label)
    accuracy = ((scores >= 0.5) == label).mean(axis=1)
    rows = []
    for epochs in sorted({e for e in EPOCHS if e <= len(scores)} | {len(scores)}):
        chosen = {"last": epochs - 1, "test_accuracy": int(accuracy[:epochs].argmax())}
        for selection, epoch in chosen.items():
            row = {"after": epochs, "selection": selection, "epoch": epoch + 1}
            rows.append(row | verdict(label, scores[epoch]))
    return rows


def train_cell(bench: Bench, cell: dict) -> dict:
    """Train one cell and give what its file holds."""
    inputs = bench.inputs(cell)
    profile, model = recipe(bench.run.profile, cell), bench.model(cell["seed"])
    scores = followed(profile, model, inputs, cell["seed"])
    label = inputs["test"].label.cpu().numpy()
    return {
        "cell": cell,
        "weights": bench.origin,
        "views": bench.count if cell["crop"] == "random" else 1,
        "rows": outcomes(label, scores),
        "label": label.tolist(),
        "score": [round(float(value), 5) for value in scores[-1]],
    }


def run_cells(folder: Path, cells: list[dict], digest, train) -> list[Path]:
    """Train the cells that have no file in `folder` yet; give the files of those there are now.

    `digest(cell)` names a cell's file, `train(cell)` gives what is written to it. A cell that
    another process is training is left to it.
    """
    found = []
    for cell in cells:
        path = folder / f"{digest(cell)}.json"
        try:
            with lock(path).acquire(timeout=0):
                if not path.exists():
                    runs.write_json(path, train(cell))
        except Timeout:
            pass
        if path.exists():
            found.append(path)
    return found


def ablate(run: Run, cells: list[dict], views: int = VIEWS) -> list[Path]:
    """Train cells on the images of a run, `cells/<digest>.json` each; give those files."""
    groups = {}
    for cell in cells:
        groups.setdefault((cell["backbone"], cell["weights"]), []).append(cell)
    found = []
    for (backbone, weights), group in groups.items():
        bench = Bench(run, backbone, weights, views)
        found += run_cells(
            run.folder / "cells", group, bench.digest, lambda cell, b=bench: train_cell(b, cell)
        )
    return found


def scores(run: Run, cells: dict[str, dict], views: int = 2) -> dict[str, pd.DataFrame]:
    """Test labels and last-epoch scores of named cells, trained first where they are not yet."""
    made = [runs.read_json(path) for path in ablate(run, list(cells.values()), views)]
    tables = {
        runs.digest(data["cell"]): pd.DataFrame({k: data[k] for k in ("label", "score")})
        for data in made
    }
    return {name: tables[runs.digest(cell)] for name, cell in cells.items()}


def collect(folder: Path) -> pd.DataFrame:
    """The files of all cells in a folder as one table, in an order that does not depend on them."""
    rows = []
    for path in sorted(folder.glob("*.json")):
        found = runs.read_json(path)
        cell = found["cell"] | {"digest": path.stem, "file": found["weights"]}
        rows += [cell | {"views": found["views"]} | row for row in found["rows"]]
    if not rows:
        raise runs.UserError(f"There is no finished cell of an ablation in {folder}.")
    order = [*CELL, "after", "selection"]
    table = pd.DataFrame(rows).sort_values(order, ignore_index=True)
    if table.duplicated(order).any():
        twice = ", ".join(table.digest[table.duplicated(order, keep=False)].unique())
        raise runs.UserError(
            f"{folder} holds the same cell with other images, weights or rates: remove all but "
            f"one of {twice}."
        )
    return table[[*CELL, "after", "selection", "epoch", *MEASURES, "views", "file", "digest"]]


def write(table: pd.DataFrame, path: Path) -> Path:
    """Write a table of the ablation or of the search as CSV."""
    with runs.replacing(path) as partial:
        table.to_csv(partial, index=False, float_format="%.6g", lineterminator="\n")
    return path
