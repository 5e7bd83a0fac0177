"""Two test sets that differ in their Non-COVID images alone, and the numbers of each; no torch."""

import pandas as pd

from deepcovid.fair_test.names import RELEASE, SAME
from deepcovid.metrics import evaluation, intervals

FEW = 3  # images that a finding needs for a row of its own
OTHERS = "other findings"


def swapped(inside: pd.DataFrame, outside: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Two test sets with the same COVID-19 images, by whose Non-COVID images they have.

    `inside` are the run's scores, `outside` the scored collection. Images of groups that were
    trained on are left out of the collection's negatives.
    """
    test = inside[inside.split == "test"][["image", "label", "score", "patient"]]
    fair = outside[(outside.label == 0) & ~outside.trained]
    fair = fair.assign(patient="group " + fair.group.astype(str))[list(test)]
    return {
        RELEASE: test,
        SAME: pd.concat([test[test.label == 1], fair], ignore_index=True),
    }


def judged(table: pd.DataFrame, threshold: float) -> dict[str, float]:
    """AUC with two intervals, sensitivity and specificity at a frozen threshold, and counts.

    `auc_low`, `auc_high`: DeLong's 95%; `case_low`, `case_high`: cases resampled.
    """
    counts = evaluation.confusion(table.label, table.score, threshold)
    low, high = intervals.auc_interval(table.label, table.score)
    by_case = intervals.bootstrap(table.label, table.score, table.patient, threshold)
    spared = intervals.proportion_interval(counts["tn"], counts["tn"] + counts["fp"])
    return {
        "auc": intervals.auc(table.label, table.score), "auc_low": low, "auc_high": high,
        "case_low": by_case["auc"][0], "case_high": by_case["auc"][1],
        "sensitivity": counts["tp"] / (counts["tp"] + counts["fn"]),
        "specificity": counts["tn"] / (counts["tn"] + counts["fp"]),
        "specificity_low": spared[0], "specificity_high": spared[1],
        "positives": counts["tp"] + counts["fn"], "negatives": counts["tn"] + counts["fp"],
    }  # fmt: skip


def by_finding(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """How many images of each finding a model calls COVID-19, of a scored collection.

    Cases that were trained on are left out. `called` is a share with Wilson's 95% interval
    (`called_low`, `called_high`), in which each image counts as one; other findings with fewer than FEW
    images are one row, and `all without COVID-19` is another.
    """
    fresh = scores[~scores.trained.astype(bool)]
    count = fresh.groupby("finding").finding.transform("size")
    rare = (count < FEW) & (fresh.label == 0)
    named = fresh.assign(finding=fresh.finding.mask(rare, OTHERS))
    others = fresh[fresh.label == 0].assign(finding="all without COVID-19")
    rows = []
    for (label, finding), part in pd.concat([named, others]).groupby(["label", "finding"]):
        called = int(intervals.predict_positive(part.score, threshold).sum())
        low, high = intervals.proportion_interval(called, len(part))
        rows.append({"finding": finding, "label": label, "images": len(part), "cases": part.group.nunique(),
                     "called": called / len(part), "called_low": low, "called_high": high})  # fmt: skip
    table = pd.DataFrame(rows).sort_values(["label", "images"], ascending=False, kind="stable")
    return pd.concat([table[table.finding != OTHERS], table[table.finding == OTHERS]])
