"""What a run's models are worth, from their scores: `metrics.csv`, `operating_points.csv`, and more.

A threshold that reaches 98% sensitivity on the test images was tuned on them. One that is chosen on
other patients need not reach it: how near it comes depends on how many COVID-19 patients it saw.
"""

import math
from itertools import product
from pathlib import Path

import pandas as pd

from deepcovid.io import read_json, write_csv
from deepcovid.metrics import intervals
from deepcovid.metrics.evaluation import Scores, at_sensitivity, evaluated, read_scores, summary

VALIDATION, CROSS_VALIDATED = "validation images", "cross-validated training images"
TEST = "test images (in sample: tuned where it is judged)"
SUBGROUPS = ["model", "chosen_on", "by", "group", "images", "patients",
             "specificity", "low", "high"]  # fmt: skip


def run(run) -> None:
    """Evaluate an opened run: its models, then groups of images."""
    profile, folder = run.profile, run.folder
    points = evaluate(folder, profile.models, profile.seeds, profile.threshold)
    about = run.manifest[["image", "finding"]].assign(view=run.views(run.manifest))
    found = subgroups(evaluated(folder), about, points)
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
        whole = kept.label.nunique() == 2  # of few images all of a class may be doubles
        without = intervals.auc(kept.label, kept.score) if whole else math.nan
        rows.append(row | {"auc_without_doubles": without})
        points.append(pd.DataFrame({"model": model, "seed": seed}, found.index).join(found))
    write_csv(folder / "operating_points.csv", pd.concat(points))
    write_csv(folder / "metrics.csv", pd.DataFrame(rows))
    return pd.concat(points)


def train_test_doubles(folder: Path) -> set[str]:
    """The test images of which a run's audit found the same picture among the training images."""
    path = folder / "audit.json"
    audit = read_json(path) if path.is_file() else {}
    return {*audit.get("near_duplicates", {}).get("test_images_also_in_train", [])}


def operating_points(scores: pd.DataFrame, cross_validated=None) -> pd.DataFrame:
    """A model's operating points on test, a row for each set of images that it was chosen on.

    `scores` has all splits, `cross_validated` is a `cv_scores.csv` or None. `n_positive` COVID-19 images of
    `n_patients` patients chose the threshold. `guaranteed_*` is the one-sided 95% lower bound
    (Clopper-Pearson) of the sensitivity among others like them, by images and with each patient as
    one, who counts as found where all images are; not of cross-validated images, which other models
    scored, nor of the test images themselves. The 95% intervals on test resample patients (Wilson's
    of patients, where all images are right or none), and take the threshold as given.
    """
    test = scores[scores.split == "test"]
    parts = {VALIDATION: scores[scores.split == "validation"], CROSS_VALIDATED: cross_validated}
    rows = []
    for name, part in (parts | {TEST: test}).items():
        if part is None or part.label.nunique() < 2:
            continue
        threshold, _ = at_sensitivity(part.label, part.score)
        row = {"rule": "sensitivity_98", "chosen_on": name, **choice(part, threshold)}
        if name != VALIDATION:
            row |= dict.fromkeys(("guaranteed_by_image", "guaranteed_by_patient"), math.nan)
        row["test_patients"] = test.patient.nunique()
        for label, quantity in ((1, "sensitivity"), (0, "specificity")):
            own = test[test.label == label]
            right = intervals.predict_positive(own.score, threshold) == bool(label)
            row |= intervals.ci_columns(quantity, *intervals.share_interval(right, own.patient))
        rows.append(row | {"interval": "bootstrap, patients"})
    return pd.DataFrame(rows)


def choice(table: pd.DataFrame, threshold: float) -> dict:
    """On how many a threshold was chosen, and what sensitivity it guarantees; see above."""
    positive = table[table.label == 1]
    found = intervals.predict_positive(positive.score, threshold)
    whole = found.groupby(positive.patient).all()
    return {
        "n_positive": len(found), "n_patients": len(whole), "threshold": threshold,
        "guaranteed_by_image": intervals.sensitivity_lower_bound(found.sum(), len(found)),
        "guaranteed_by_patient": intervals.sensitivity_lower_bound(whole.sum(), len(whole)),
    }  # fmt: skip


def subgroups(scores: Scores, about: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Specificity on the Non-COVID test images of each group, a row per model, threshold and group.

    `about` has `image`, `finding` (several joined by `; `) and `view`; an image with two findings is
    in both groups. `points` is an `operating_points.csv`, whose thresholds are taken. Mean over the
    seeds, with its 95% interval by resampled patients.
    """
    rows, about = [], about.set_index("image")[["finding", "view"]]
    for (model, chosen_on), part in points.groupby(["model", "chosen_on"], sort=False):
        tables = [scores[model, seed] for seed in part.seed]
        tables = [t[(t.split == "test") & (t.label == 0)].set_index("image") for t in tables]
        score = pd.concat([t.score[tables[0].index] for t in tables], axis=1).to_numpy()
        right = ~intervals.predict_positive(score, part.threshold.to_numpy())
        long = tables[0].assign(right=right.mean(axis=1))[["right", "patient"]].join(about)
        long = long.melt(["right", "patient"], var_name="by", value_name="group")
        long = long.assign(group=long.group.fillna("").str.split("; ")).explode("group")
        for (by, group), own in long[long.group != ""].groupby(["by", "group"]):
            shares = intervals.share_interval(own.right, own.patient)
            rows.append((model, chosen_on, by, group, len(own), own.patient.nunique(), *shares))
    return pd.DataFrame(rows, columns=SUBGROUPS)
