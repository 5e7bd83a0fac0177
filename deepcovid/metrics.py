"""Sensitivity, specificity, ROC and their intervals, from scores alone."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_curve,
)
from statsmodels.stats.proportion import proportion_confint

from deepcovid.runs import UserError

TARGET = 0.98  # the sensitivity at which the paper compares its models
INTERVALS = {"gaussian": "normal", "wilson": "wilson", "clopper_pearson": "beta"}
COLUMNS = (
    "model",
    "seed",
    "weights",
    "auc",
    "auc_low",
    "auc_high",
    "average_precision",
    "threshold",
    "sensitivity",
    "sensitivity_low",
    "sensitivity_high",
    "specificity",
    "specificity_low",
    "specificity_high",
    "specificity_at_98_sensitivity",
    "accuracy",
    "null_accuracy",
    "tp",
    "fn",
    "fp",
    "tn",
)


def checked(label, score) -> tuple[np.ndarray, np.ndarray]:
    """Labels 0 and 1, both there, and finite scores 0 to 1; UserError otherwise."""
    label, score = np.asarray(label), np.asarray(score, dtype=float)
    if not np.isin(label, [0, 1]).all() or len(np.unique(label)) < 2:
        raise UserError("Metrics need labels 0 and 1, and images of both classes.")
    if not ((score >= 0) & (score <= 1)).all():
        raise UserError("Scores must be numbers from 0 to 1; some are not.")
    return label.astype(int), score


def read_scores(path: Path) -> pd.DataFrame:
    """A table image, split, label, score; UserError that names the file and what is wrong."""
    table = pd.read_csv(path)
    missing = {"image", "split", "label", "score"} - set(table)
    if missing:
        raise UserError(f"{path} lacks the columns {', '.join(sorted(missing))}.")
    for problem, rows in {
        "no score from 0 to 1": ~table.score.between(0, 1),
        "a label other than 0 or 1": ~table.label.isin([0, 1]),
        "listed twice": table.image.duplicated(),
    }.items():
        if rows.any():
            raise UserError(f"{path}: {table.image[rows].iloc[0]} has or is {problem}.")
    return table


def roc(label, score):
    """False positive rate, sensitivity and threshold at every distinct score."""
    return roc_curve(*checked(label, score), drop_intermediate=False)


def precision_recall(label, score):
    """Precision, recall and threshold at every distinct score."""
    return precision_recall_curve(*checked(label, score))


def average_precision(label, score) -> float:
    return float(average_precision_score(*checked(label, score)))


def placements(label, score) -> tuple[np.ndarray, np.ndarray]:
    """For each positive the share of negatives below it (ties half), and the reverse.

    The means of both are the AUC; their variances make DeLong's (DeLong et al. 1988, by the
    midranks of Sun and Xu 2014).
    """
    label, score = checked(label, score)
    positive, negative = score[label == 1], score[label == 0]
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[: len(positive)] - rankdata(positive)) / len(negative)
    below = 1 - (ranks[len(positive) :] - rankdata(negative)) / len(positive)
    return above, below


def auc(label, score) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties half."""
    return float(placements(label, score)[0].mean())


def auc_interval(label, score, level: float = 0.95) -> tuple[float, float]:
    """DeLong's interval, on the logit scale so that it stays within 0 and 1.

    At perfect separation the variance is 0 and the interval a point: too narrow, as any interval
    from these data alone. With one positive or one negative there is none: (nan, nan).
    """
    above, below = placements(label, score)
    if min(len(above), len(below)) < 2:
        return float("nan"), float("nan")
    value = above.mean()
    error = np.sqrt(above.var(ddof=1) / len(above) + below.var(ddof=1) / len(below))
    if error == 0:
        return float(value), float(value)
    half = norm.ppf((1 + level) / 2) * error / (value * (1 - value))
    logit = np.log(value / (1 - value))
    return tuple(float(1 / (1 + np.exp(-x))) for x in (logit - half, logit + half))


def proportion_interval(successes: int, n: int, method: str = "wilson") -> tuple[float, float]:
    """95% interval of a share: `gaussian` (the paper's), `wilson` or `clopper_pearson`."""
    if n < 1:
        raise UserError("An interval of a share needs at least one image.")
    low, high = proportion_confint(successes, n, method=INTERVALS[method])
    return float(low), float(high)


def confusion(label, score, threshold: float) -> dict[str, int]:
    """tp, fn, fp, tn, where a score of at least `threshold` says COVID-19."""
    label, score = checked(label, score)
    said = score >= threshold
    return {
        "tp": int((said & (label == 1)).sum()),
        "fn": int((~said & (label == 1)).sum()),
        "fp": int((said & (label == 0)).sum()),
        "tn": int((~said & (label == 0)).sum()),
    }


def at_sensitivity(label, score, target: float = TARGET) -> tuple[float, float]:
    """The highest threshold that reaches a sensitivity, and the specificity there."""
    fpr, tpr, thresholds = roc(label, score)
    first = np.argmax(tpr >= target)
    return float(thresholds[first]), float(1 - fpr[first])


def choose_threshold(label, score, rule: float | str) -> float:
    """A threshold by rule: a number, `youden` (sensitivity + specificity), `sensitivity_98`."""
    if not isinstance(rule, str):
        return float(rule)
    if rule == "sensitivity_98":
        return at_sensitivity(label, score)[0]
    fpr, tpr, thresholds = roc(label, score)
    return float(thresholds[1:][np.argmax((tpr - fpr)[1:])])


def summary(scores: pd.DataFrame, rule: float | str) -> dict:
    """All numbers of `metrics.csv` but model, seed and weights, of the test split."""
    test = scores[scores.split == "test"]
    validation = scores[scores.split == "validation"]
    if isinstance(rule, str) and validation.empty:
        raise UserError(f"threshold {rule} is chosen on validation images, and there are none.")
    threshold = choose_threshold(validation.label, validation.score, rule)
    counts = confusion(test.label, test.score, threshold)
    positives, negatives = counts["tp"] + counts["fn"], counts["fp"] + counts["tn"]
    low, high = auc_interval(test.label, test.score)
    sensitivity = proportion_interval(counts["tp"], positives)
    specificity = proportion_interval(counts["tn"], negatives)
    return {
        "auc": auc(test.label, test.score),
        "auc_low": low,
        "auc_high": high,
        "average_precision": average_precision(test.label, test.score),
        "threshold": threshold,
        "sensitivity": counts["tp"] / positives,
        "sensitivity_low": sensitivity[0],
        "sensitivity_high": sensitivity[1],
        "specificity": counts["tn"] / negatives,
        "specificity_low": specificity[0],
        "specificity_high": specificity[1],
        "specificity_at_98_sensitivity": at_sensitivity(test.label, test.score)[1],
        "accuracy": (counts["tp"] + counts["tn"]) / len(test),
        "null_accuracy": max(positives, negatives) / len(test),
        **counts,
    }
