"""Where a threshold is chosen, and what it gives on the test images.

A threshold that reaches 98% sensitivity on the test images was tuned on them. One that is chosen on
other patients need not reach it: how near it comes depends on how many COVID-19 patients it saw.
"""

import pandas as pd

from deepcovid.metrics.evaluation import choose_threshold
from deepcovid.metrics.intervals import (
    ci_columns,
    patient_interval,
    predict_positive,
    proportion_interval,
    sensitivity_lower_bound,
)

RULES = ("sensitivity_98", "youden")
VALIDATION, CROSS_VALIDATED = "validation images", "cross-validated training images"
TEST = "test images (in sample: tuned where it is judged)"
COLUMNS = (
    "rule", "chosen_on", "n_positive", "n_patients", "threshold", "guaranteed_by_image",
    "guaranteed_by_patient", "test_positive", "test_negative", "test_patients",
    "sensitivity", "sensitivity_low", "sensitivity_high",
    "specificity", "specificity_low", "specificity_high", "interval",
)  # fmt: skip


def operating_points(
    scores: pd.DataFrame, cross_validated: pd.DataFrame | None = None
) -> pd.DataFrame:
    """A model's operating points on test, a row per rule, images it was chosen on, and interval.

    `scores` has all splits, `cross_validated` is a `cv_scores.csv`. `n_positive` COVID-19 images of
    `n_patients` patients chose the threshold. `guaranteed_*`, of the rule for a sensitivity, is the
    one-sided 95% lower bound (Clopper-Pearson) of the sensitivity among others like them, by images
    and with each patient as one, who counts as found where all images are. The 95% intervals on test
    take the threshold as given.
    """
    test = scores[scores.split == "test"]
    parts = {VALIDATION: scores[scores.split == "validation"], CROSS_VALIDATED: cross_validated}
    rows = []
    for rule in RULES:
        for name, part in (parts | {TEST: test}).items():
            if part is None or part.label.nunique() < 2:
                continue
            threshold = choose_threshold(part.label, part.score, rule)
            row = {
                "rule": rule,
                "chosen_on": name,
                "threshold": threshold,
                **choice(part, threshold),
            }
            if rule == "youden":
                row |= dict.fromkeys(("guaranteed_by_image", "guaranteed_by_patient"))
            rows += [row | one for one in judge(test, threshold)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def choice(table: pd.DataFrame, threshold: float) -> dict:
    """On how many a threshold was chosen, and what sensitivity it guarantees; see above."""
    positive = table[table.label == 1]
    found = predict_positive(positive.score, threshold)
    row = {
        "n_positive": len(positive),
        "guaranteed_by_image": sensitivity_lower_bound(found.sum(), len(positive)),
    }
    if "patient" in table:
        whole = found.groupby(positive.patient).all()
        row["n_patients"] = len(whole)
        row["guaranteed_by_patient"] = sensitivity_lower_bound(whole.sum(), len(whole))
    return row


def judge(test: pd.DataFrame, threshold: float) -> list[dict]:
    """Sensitivity and specificity on test, with Wilson's intervals, and with those by patient."""
    n = test.label.value_counts()
    row = {"test_positive": n[1], "test_negative": n[0]}
    rows = [row | {"interval": "Wilson, images"}]
    if "patient" in test:
        row = row | {"test_patients": test.patient.nunique()}
        rows = [row | {"interval": name} for name in ("Wilson, images", "bootstrap, patients")]
    for label, name in ((1, "sensitivity"), (0, "specificity")):
        own = test[test.label == label]
        right = predict_positive(own.score, threshold) == bool(label)
        rows[0] |= ci_columns(name, right.mean(), *proportion_interval(right.sum(), len(right)))
        if "patient" in test:
            rows[1] |= ci_columns(name, *patient_interval(right, own.patient))
    return rows
