"""TODO: what failure/arithmetic is."""

from dataclasses import replace

import numpy as np
import pandas as pd

from deepcovid.data import manifest
from deepcovid.metrics import evaluation, intervals
from deepcovid.models import training
from deepcovid.profiles import Profile

# the release, and what of it the earlier attempt had: images by split, then class
RELEASE = {
    "test": (3000, 100),
    "training, originals": (2000, 84),
    "training, augmented": (2000, 420),
}


# arithmetic


def null_accuracies(counts: dict[str, tuple[int, int]] = RELEASE) -> pd.DataFrame:
    """Accuracy of answering Non-COVID to every image, by set; `counts` are (Non-COVID, COVID-19)."""
    table = pd.DataFrame(counts, index=["Non-COVID", "COVID-19"]).T
    return table.assign(accuracy=table["Non-COVID"] / table.sum(axis=1))


def class_counts(table: pd.DataFrame, training_table: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """(Non-COVID, COVID-19) images of each set of a run, as `null_accuracies` takes them."""
    base = manifest.originals(table)
    sets = {split: base[base.split == split] for split in ("test", "validation")}
    sets["training, originals"] = manifest.originals(training_table)
    sets["training, augmented"] = training_table
    return {
        name: (int((part.label == 0).sum()), int((part.label == 1).sum()))
        for name, part in sets.items()
        if len(part)
    }


def verdict(label, score) -> dict[str, float]:
    """What each measure says of the same scores; cut at 0.5, and where it says so at 0.2."""
    label, score = intervals.checked(label, score)
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


def rate_budget(profile: Profile) -> pd.DataFrame:
    """Learning rate of each epoch, and the sum so far, in units of the profile's rate."""
    rate = training.learning_rates(profile) / profile.learning_rate
    epoch = np.arange(1, profile.epochs + 1)
    return pd.DataFrame({"epoch": epoch, "rate": rate, "sum": rate.cumsum()})


def rate_budgets(profile: Profile) -> pd.DataFrame:
    """The sums of all rates under each schedule, and what epochs 22 onwards add to them."""
    rows = {}
    for schedule in ("step", "step_first", "constant"):
        budget = rate_budget(replace(profile, schedule=schedule))
        total = budget["sum"].iloc[-1]
        late = budget.rate[budget.epoch >= 22].sum()
        rows[schedule] = {
            "epochs": profile.epochs,
            "sum of rates": total,
            "of it from epoch 22": late,
            "share": late / total,
        }
    return pd.DataFrame(rows).T.astype({"epochs": int})
