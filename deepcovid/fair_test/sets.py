"""Two test sets that differ in their Non-COVID images alone, and the numbers of each; no torch."""

import pandas as pd

from deepcovid.fair_test.names import RELEASE, SAME
from deepcovid.metrics import evaluation, intervals


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
