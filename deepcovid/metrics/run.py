"""What a run's models are worth: `metrics.json` of each and `metrics.csv` of all, from scores."""

from pathlib import Path

import pandas as pd

from deepcovid.metrics import evaluation
from deepcovid.runs import read_json, replacing, write_json


def evaluate(
    folder: Path, models, seeds, threshold: float | str
) -> dict[tuple[str, int], pd.DataFrame]:
    """Evaluate the `scores.csv` of models and seeds in a run's folder; give the scores.

    `threshold` is a number or a rule, see `evaluation.choose_threshold`. Scores without the column
    `patient` are evaluated by image.
    """
    tables, rows = {}, []
    for model in models:
        for seed in seeds:
            place = folder / model / f"seed{seed}"
            table = evaluation.read_scores(place / "scores.csv")
            weights = read_json(place / "training.json")["weights"]
            row = {"model": model, "seed": seed, "weights": weights["file"] or weights["kind"]}
            row |= evaluation.details(table, threshold)
            write_json(place / "metrics.json", row)
            tables[model, seed] = table
            rows.append(row)
    with replacing(folder / "metrics.csv") as partial:
        pd.DataFrame(rows, columns=list(evaluation.COLUMNS)).to_csv(partial, index=False)
    return tables
