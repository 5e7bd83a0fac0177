"""What the failure's numbers must be, before any training: null accuracy, measures, rates."""

import numpy as np
import pandas as pd

from deepcovid.metrics import intervals

# the release, and what of it the earlier attempt had: images by split, then class
RELEASE = {
    "test": (3000, 100),
    "training, originals": (2000, 84),
    "training, augmented": (2000, 420),
}
REPORTED = {  # of the earlier attempt, by its author
    "name": "the earlier attempt",
    "accuracy": 0.9677,
    "auc": 0.715,
    "counts": {"tn": 3000, "fp": 0, "fn": 100, "tp": 0},
}
MEASURES = ("auc", "sensitivity", "specificity", "sensitivity_at_0.2", "specificity_at_0.2", "accuracy",
            "balanced_accuracy", "mean_score_covid", "mean_score_non", "tp", "fn", "fp", "tn")  # fmt: skip


def null_accuracies(counts: dict[str, tuple[int, int]] = RELEASE) -> pd.DataFrame:
    """Accuracy of answering Non-COVID to every image, by set; `counts` are (Non-COVID, COVID-19)."""
    table = pd.DataFrame(counts, index=["Non-COVID", "COVID-19"]).T
    return table.assign(accuracy=table["Non-COVID"] / table.sum(axis=1))


def verdict(label, score) -> dict[str, float]:
    """What each of `MEASURES` says of the same scores; cut at 0.5, and where it says so at 0.2."""
    label, score = intervals.validate_scores(label, score)
    half, fifth = (intervals.confusion(label, score, cut) for cut in (0.5, 0.2))
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


def rate_sums(epochs: int = 150) -> pd.DataFrame:
    """What so many epochs are worth under each schedule, in epochs of the first one's rate.

    The script multiplies its rate by 0.1 every 7 epochs; under today's PyTorch it does so one epoch
    early, since it steps its scheduler before the first epoch (`models.fitting.learning_rates`).
    """
    epoch = np.arange(epochs)
    rates = pd.DataFrame({
        "the script's, old PyTorch": 0.1 ** (epoch // 7),
        "the script's, today's PyTorch": 0.1 ** ((epoch + 1) // 7),
        "the paper's: constant": np.ones(epochs),
    })  # fmt: skip
    sums = {"epochs": epochs, "sum of the rates": rates.sum(), "from epoch 22 on": rates[21:].sum()}
    return pd.DataFrame(sums).rename_axis("schedule")
