"""Where a threshold is chosen, and what it gives on the test images.

A threshold that reaches 98% sensitivity on the test images was tuned on them. One that is chosen on
other patients need not reach it: how near it comes depends on how many COVID-19 patients it saw.
"""

import pandas as pd

from deepcovid.metrics import intervals
from deepcovid.metrics.evaluation import Scores, at_sensitivity

VALIDATION, CROSS_VALIDATED = "validation images", "cross-validated training images"
TEST = "test images (in sample: tuned where it is judged)"
SUBGROUPS = ["model", "chosen_on", "by", "group", "images", "patients",
             "specificity", "low", "high"]  # fmt: skip


def operating_points(scores: pd.DataFrame, cross_validated=None) -> pd.DataFrame:
    """A model's operating points on test, a row for each set of images that it was chosen on.

    `scores` has all splits, `cross_validated` is a `cv_scores.csv` or None. `n_positive` COVID-19 images of
    `n_patients` patients chose the threshold. `guaranteed_*` is the one-sided 95% lower bound
    (Clopper-Pearson) of the sensitivity among others like them, by images and with each patient as
    one, who counts as found where all images are. The 95% intervals on test resample patients, and
    take the threshold as given.
    """
    test = scores[scores.split == "test"]
    parts = {VALIDATION: scores[scores.split == "validation"], CROSS_VALIDATED: cross_validated}
    rows = []
    for name, part in (parts | {TEST: test}).items():
        if part is None or part.label.nunique() < 2:
            continue
        threshold, _ = at_sensitivity(part.label, part.score)
        row = {"rule": "sensitivity_98", "chosen_on": name, **choice(part, threshold)}
        row["test_patients"] = test.patient.nunique()
        for label, quantity in ((1, "sensitivity"), (0, "specificity")):
            own = test[test.label == label]
            right = intervals.predict_positive(own.score, threshold) == bool(label)
            row |= intervals.ci_columns(quantity, *intervals.patient_interval(right, own.patient))
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
