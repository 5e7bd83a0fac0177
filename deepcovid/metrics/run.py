"""What a run's models are worth: `metrics.csv` and `operating_points.csv`, from their scores."""

from itertools import product
from pathlib import Path

import pandas as pd

from deepcovid.io import read_json, write_csv
from deepcovid.metrics.evaluation import read_scores, scores_of, summary
from deepcovid.metrics.intervals import auc
from deepcovid.metrics.operating_points import CROSS_VALIDATED, operating_points, subgroups


def run(run) -> None:
    """Evaluate an opened run: its models, then groups of images."""
    profile, folder = run.profile, run.folder
    points = evaluate(folder, profile.models, profile.seeds, profile.threshold)
    about = run.manifest[["image", "finding"]].assign(view=run.views(run.manifest))
    found = subgroups(scores_of(folder), about, points)
    write_csv(folder / "subgroups.csv", found, float_format="%.6g")


def evaluate(folder: Path, models, seeds, threshold: float | str) -> pd.DataFrame:
    """Evaluate the `scores.csv` of models and seeds in a run's folder; their operating points.

    `threshold` is a number or a rule, see `evaluation.choose_threshold`. Where a model has a
    `cv_scores.csv`, a threshold is chosen there as well.
    """
    rows, points = [], []
    doubles = train_test_doubles(folder)
    for model, seed in product(models, seeds):
        place = folder / model / f"seed{seed}"
        table, cv = read_scores(place / "scores.csv"), place / "cv_scores.csv"
        found = operating_points(table, read_scores(cv, "fold") if cv.is_file() else None)
        weights = read_json(place / "training.json")["weights"]
        row = {"model": model, "seed": seed, "weights": weights["file"] or weights["kind"]}
        row |= summary(table, threshold)
        for name in ("threshold", "sensitivity", "specificity"):  # one number, or none: NaN
            row[f"cv_{name}"] = found[name][found.chosen_on == CROSS_VALIDATED].mean()
        kept = table[(table.split == "test") & ~table.image.isin(doubles)]
        row["doubles"] = row["tp"] + row["fn"] + row["fp"] + row["tn"] - len(kept)
        rows.append(row | {"auc_without_doubles": auc(kept.label, kept.score)})
        points.append(pd.DataFrame({"model": model, "seed": seed}, found.index).join(found))
    write_csv(folder / "operating_points.csv", pd.concat(points))
    write_csv(folder / "metrics.csv", pd.DataFrame(rows))
    return pd.concat(points)


def train_test_doubles(folder: Path) -> set[str]:
    """The test images of which a run's audit found the same picture among the training images."""
    path = folder / "audit.json"
    audit = read_json(path) if path.is_file() else {}
    pairs = audit.get("near_duplicates", {}).get("pairs", [])
    return {
        pair[side] for pair in pairs for side in "ab"
        if pair["where"] == "test and train" and pair[side].startswith("test/")
    }  # fmt: skip
