"""What the failure's numbers must be, before any training: null accuracy, measures, rates."""

import numpy as np
import pandas as pd

from deepcovid.data import manifest
from deepcovid.metrics import evaluation, intervals

# the release, and what of it the earlier attempt had: images by split, then class
RELEASE = {
    "test": (3000, 100),
    "training, originals": (2000, 84),
    "training, augmented": (2000, 420),
}
REPORTED = {"accuracy": 0.9677, "auc": 0.715}  # of the earlier attempt, by its author
MEASURES = (
    "auc",
    "sensitivity",
    "specificity",
    "sensitivity_at_0.2",
    "specificity_at_0.2",
    "accuracy",
    "balanced_accuracy",
    "mean_score_covid",
    "mean_score_non",
    "tp",
    "fn",
    "fp",
    "tn",
)


def null_accuracies(counts: dict[str, tuple[int, int]] = RELEASE) -> pd.DataFrame:
    """Accuracy of answering Non-COVID to every image, by set; `counts` are (Non-COVID, COVID-19)."""
    table = pd.DataFrame(counts, index=["Non-COVID", "COVID-19"]).T
    return table.assign(accuracy=table["Non-COVID"] / table.sum(axis=1))


def class_counts(table: pd.DataFrame, training: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """(Non-COVID, COVID-19) images of each set of a run, as `null_accuracies` takes them."""
    base = manifest.originals(table)
    sets = {split: base[base.split == split] for split in ("test", "validation")}
    sets |= {"training, originals": manifest.originals(training), "training, augmented": training}
    return {
        name: (int((part.label == 0).sum()), int((part.label == 1).sum()))
        for name, part in sets.items()
        if len(part)
    }


def verdict(label, score) -> dict[str, float]:
    """What each of `MEASURES` says of the same scores; cut at 0.5, and where it says so at 0.2."""
    label, score = intervals.validate_scores(label, score)
    half, fifth = (evaluation.confusion(label, score, cut) for cut in (0.5, 0.2))
    positives, negatives = half["tp"] + half["fn"], half["fp"] + half["tn"]
    sensitivity, specificity = half["tp"] / positives, half["tn"] / negatives
    return {
        "auc": intervals.auc(label, score),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "sensitivity_at_0.2": fifth["tp"] / positives,
        "specificity_at_0.2": fifth["tn"] / negatives,
        "accuracy": (half["tp"] + half["tn"]) / len(label),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "mean_score_covid": float(score[label == 1].mean()),
        "mean_score_non": float(score[label == 0].mean()),
        **half,
    }


def rate_budget(rates: np.ndarray) -> pd.DataFrame:
    """Learning rate of each epoch, and the sum so far, in units of the constant schedule's rate.

    `rates` are of `training.learning_rates`, whose first epoch always has the full rate.
    """
    rate = rates / rates[0]
    epoch = np.arange(1, len(rate) + 1)
    return pd.DataFrame({"epoch": epoch, "rate": rate, "sum": rate.cumsum()})


def rate_sums(budgets: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The sum of all rates under each schedule, and what epochs 22 onwards add to it."""
    rows = {}
    for schedule, budget in budgets.items():
        total, late = budget["sum"].iloc[-1], budget.rate[budget.epoch >= 22].sum()
        rows[schedule] = {
            "epochs": len(budget),
            "sum of rates": total,
            "of it from epoch 22": late,
            "share": late / total,
        }
    return pd.DataFrame(rows).T.astype({"epochs": int})
