"""What a run's models are worth: `metrics.json` of each and `metrics.csv` of all, from scores."""

from pathlib import Path

import pandas as pd

from deepcovid.io import read_json, write_csv, write_json
from deepcovid.metrics import evaluation, subgroups
from deepcovid.metrics.intervals import auc
from deepcovid.metrics.operating_points import CROSS_VALIDATED, VALIDATION, operating_points


def run(run) -> None:
    """Evaluate an opened run: its models, then groups of images."""
    profile = run.profile
    evaluate(run.folder, profile.models, profile.seeds, profile.threshold)
    about = run.manifest[["image", "finding"]].assign(view=run.views(run.manifest))
    subgroups.write(run.folder, about)


def evaluate(folder: Path, models, seeds, threshold: float | str) -> None:
    """Evaluate the `scores.csv` of models and seeds in a run's folder.

    `threshold` is a number or a rule, see `evaluation.choose_threshold`. Scores without the column
    `patient` are evaluated by image. Where a model has a `cv_scores.csv`, the rule is followed there
    as well; all operating points are in `operating_points.csv`.
    """
    rows, points = [], []
    doubles = train_test_doubles(folder)
    for model in models:
        for seed in seeds:
            place = folder / model / f"seed{seed}"
            table = evaluation.read_scores(place / "scores.csv")
            weights = read_json(place / "training.json")["weights"]
            row = {"model": model, "seed": seed, "weights": weights["file"] or weights["kind"]}
            row |= evaluation.details(table, threshold)
            found = operating_points(table, read_cv_scores(place))
            row |= chosen(found, threshold) | without_doubles(table, doubles)
            write_json(place / "metrics.json", row)
            found.insert(0, "model", model)
            found.insert(1, "seed", seed)
            points.append(found)
            rows.append(row)
    metrics = pd.DataFrame(rows).reindex(columns=list(evaluation.COLUMNS))
    write_csv(folder / "operating_points.csv", pd.concat(points))
    write_csv(folder / "metrics.csv", metrics)


def read_cv_scores(place: Path) -> pd.DataFrame | None:
    """A model's cross-validated scores of the training patients; None where there are none."""
    path = place / "cv_scores.csv"
    return evaluation.read_scores(path, also=("patient", "fold")) if path.is_file() else None


def chosen(points: pd.DataFrame, rule: float | str) -> dict:
    """How many COVID-19 images chose the run's threshold, and the rule's cross-validated point."""
    found = points[points.rule == rule].drop_duplicates("chosen_on")  # first Wilson's intervals
    found = found.rename(columns={"n_positive": "positive", "n_patients": "patients"})
    found = found.set_index("chosen_on").to_dict("index")
    counts = ("positive", "patients")
    shares = [
        f"{name}{end}" for name in ("sensitivity", "specificity") for end in ("", "_low", "_high")
    ]
    return {
        f"{part}_{name}": found.get(chosen_on, {}).get(name)
        for part, chosen_on, names in (
            ("validation", VALIDATION, counts),
            ("cv", CROSS_VALIDATED, ("threshold", *counts, *shares)),
        )
        for name in names
    }


def train_test_doubles(folder: Path) -> set[str]:
    """The test images of which a run's audit found the same picture among the training images."""
    path = folder / "audit.json"
    audit = read_json(path) if path.is_file() else {}
    pairs = audit.get("near_duplicates", {}).get("pairs", [])
    return {
        pair[side] for pair in pairs for side in "ab"
        if pair["where"] == "test and train" and pair[side].startswith("test/")
    }  # fmt: skip


def without_doubles(scores: pd.DataFrame, doubles: set[str]) -> dict:
    """The AUC on test without the images that are doubles of training images, and their number."""
    test = scores[scores.split == "test"]
    kept = test[~test.image.isin(doubles)]
    if len(kept) == len(test):
        return {"doubles": 0}
    return {"doubles": len(test) - len(kept), "auc_without_doubles": auc(kept.label, kept.score)}
