"""Sensitivity, specificity, ROC and their intervals, from scores alone."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    precision_recall_curve,
    roc_curve,
)
from statsmodels.stats.proportion import proportion_confint

from deepcovid.runs import UserError

TARGET = 0.98  # the sensitivity at which the paper compares its models
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
PUBLISHED = Path(__file__).parent / "data" / "published.csv"
FINAL = "100 COVID-19 and 3000 Non-COVID"  # the final version of the dataset
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


def delong_test(label, score, other) -> dict[str, float]:
    """DeLong's paired test of two models on the same images (DeLong et al. 1988).

    `difference` is the AUC of `score` less that of `other`, with its 95% interval; `p` two-sided.
    Where the two rank alike, the difference is 0 and p is 1.
    """
    first, second = placements(label, score), placements(label, other)
    if min(map(len, first)) < 2:
        raise UserError("DeLong's test needs at least two images of each class.")
    difference = float(first[0].mean() - second[0].mean())
    error = np.sqrt(sum((a - b).var(ddof=1) / len(a) for a, b in zip(first, second, strict=True)))
    if error == 0:
        return {
            "difference": difference,
            "low": difference,
            "high": difference,
            "z": 0.0,
            "p": 1.0 if difference == 0 else 0.0,
        }
    z = difference / error
    half = norm.ppf(0.975) * error
    return {
        "difference": difference,
        "low": float(difference - half),
        "high": float(difference + half),
        "z": float(z),
        "p": float(2 * norm.sf(abs(z))),
    }


def delong_table(tables: dict[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """DeLong's test of every pair of models, from their scores of the same images."""
    rows = {}
    for (a, first), (b, second) in combinations(tables.items(), 2):
        both = first.merge(second, on=["image", "label"], validate="one_to_one")
        if len(both) < max(len(first), len(second)):
            raise UserError(f"{a} and {b} were not scored on the same images.")
        rows[f"{a[0]} - {b[0]}"] = delong_test(both.label, both.score_x, both.score_y)
    return pd.DataFrame(rows).T


def bootstrap(
    label, score, patient=None, threshold: float = 0.5, resamples: int = 2000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95% percentile intervals by resampling patients, all images of a patient together.

    Images of one patient resemble each other, so intervals that resample images are too narrow.
    Each class is resampled by itself, as its number of patients was given. Without `patient` each
    image counts as one. Gives intervals of auc, sensitivity and specificity at `threshold`, and
    specificity_at_98_sensitivity. All resamples are computed at once, as weights of images:
    scipy.stats.bootstrap knows neither clusters nor weights.
    """
    label, score = checked(label, score)
    patient = np.arange(len(label)) if patient is None else np.asarray(patient)
    random = np.random.default_rng(seed)
    weight = np.zeros((resamples, len(label)))
    for value in (0, 1):
        rows = np.flatnonzero(label == value)
        names, group = np.unique(patient[rows], return_inverse=True)
        draws = random.multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
        weight[:, rows] = draws[:, group]
    # one column per distinct score, from the highest to the lowest
    order = np.argsort(-score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) != 0])
    ordered = weight[:, order]
    positive = np.add.reduceat(ordered * label[order], starts, axis=1)
    negative = np.add.reduceat(ordered * (1 - label[order]), starts, axis=1)
    tpr = positive.cumsum(1) / positive.sum(1, keepdims=True)
    fpr = negative.cumsum(1) / negative.sum(1, keepdims=True)
    # each negative counts the positives above it, and half of those beside it
    above = tpr - 0.5 * positive / positive.sum(1, keepdims=True)
    found = {
        "auc": (above * negative).sum(1) / negative.sum(1),
        "specificity_at_98_sensitivity": 1
        - np.take_along_axis(fpr, np.argmax(tpr >= TARGET - 1e-12, axis=1)[:, None], axis=1)[:, 0],
    }
    said = int((score[order][starts] >= threshold).sum())
    found["sensitivity"] = tpr[:, said - 1] if said else np.zeros(resamples)
    found["specificity"] = 1 - fpr[:, said - 1] if said else np.ones(resamples)
    return {name: tuple(map(float, np.quantile(v, (0.025, 0.975)))) for name, v in found.items()}


def sweep(label, score, thresholds=THRESHOLDS) -> pd.DataFrame:
    """Sensitivity and specificity over thresholds, each with the three intervals of a share."""
    rows = []
    for threshold in thresholds:
        counts = confusion(label, score, threshold)
        row = {"threshold": threshold}
        for name, hit, miss in (("sensitivity", "tp", "fn"), ("specificity", "tn", "fp")):
            n = counts[hit] + counts[miss]
            row[name] = counts[hit] / n
            for method in INTERVALS:
                low, high = proportion_interval(counts[hit], n, method)
                row[f"{name} {method}"] = f"{low:.3f} to {high:.3f}"
        rows.append(row)
    return pd.DataFrame(rows).set_index("threshold")


def optimism(scores: pd.DataFrame) -> pd.DataFrame:
    """What thresholds chosen on validation give on test, beside those chosen on test itself."""
    parts = {split: scores[scores.split == split] for split in ("validation", "test")}
    test = parts["test"]
    rows = []
    for rule in ("youden", "sensitivity_98"):
        for split, part in parts.items():
            if part.empty:
                continue
            threshold = choose_threshold(part.label, part.score, rule)
            counts = confusion(test.label, test.score, threshold)
            rows.append(
                {
                    "rule": rule,
                    "chosen on": split,
                    "threshold": threshold,
                    "sensitivity": counts["tp"] / (counts["tp"] + counts["fn"]),
                    "specificity": counts["tn"] / (counts["tn"] + counts["fp"]),
                }
            )
    return pd.DataFrame(rows).set_index(["rule", "chosen on"])


def calibration(label, score, bins: int = 10) -> tuple[pd.DataFrame, dict[str, float]]:
    """Reliability in equal-width bins of the score, Brier score, expected calibration error.

    The table has a row per bin that is not empty: mean score, share of COVID-19, images. The error
    is the mean distance between the first two, weighted by images.
    """
    label, score = checked(label, score)
    observed, predicted = calibration_curve(label, score, n_bins=bins)
    # scikit-learn's bins: a score on an edge belongs to the bin below it
    index = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], score)
    images = np.bincount(index, minlength=bins)
    table = pd.DataFrame({"score": predicted, "covid": observed, "images": images[images > 0]})
    error = float(np.average(np.abs(observed - predicted), weights=table.images))
    return table, {"brier": float(brier_score_loss(label, score)), "calibration_error": error}


def published() -> pd.DataFrame:
    """The published numbers, a row each: model, metric, value, half_width, images, source."""
    return pd.read_csv(PUBLISHED)


def standard_error(value: float, positives: int = 100, negatives: int = 3000) -> float:
    """Standard error of an AUC that was published without one (Hanley and McNeil 1982)."""
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    variance = (
        value * (1 - value) + (positives - 1) * (q1 - value**2) + (negatives - 1) * (q2 - value**2)
    ) / (positives * negatives)
    return float(np.sqrt(variance))


WINDOWS = {
    "auc": "Two AUCs agree when they differ by less than 1.96 standard errors of a difference. Ours "
    "is measured (DeLong); the published one has none and gets Hanley and McNeil's for 100 COVID-19 "
    "and 3,000 Non-COVID images. Both come from nearly the same images, so this window is wide.",
    "specificity_at_98_sensitivity": "Two specificities at 98% sensitivity agree when their 95% "
    "intervals overlap: the published one with its half width, ours from resampled patients. The "
    "threshold hangs on the two or three lowest COVID-19 scores, so the published half width, which "
    "counts Non-COVID images only, is far too narrow; ours is not.",
}


def compare(summaries: list[dict]) -> pd.DataFrame:
    """Our numbers beside the published ones, claim by claim, with a verdict by `WINDOWS`.

    `summaries` are the contents of `metrics.json` files; of several seeds the first is compared.
    The published sensitivity is no claim: 98% is where the threshold was put. A claim is `reproduced`, `not reproduced`
    (with the direction), or `not testable here`: the model was not run, or not with ImageNet weights.
    """
    rows = []
    claims = published()
    claims = claims[(claims.images == FINAL) & claims.metric.isin(list(WINDOWS))]
    for claim in claims.to_dict("records"):
        row = {"claim": claim["metric"], "model": claim["model"], "published": claim["value"]}
        ours = [s for s in summaries if s["model"] == claim["model"] and s["weights"] != "random"]
        if not ours:
            rows.append(row | {"verdict": "not testable here"})
            continue
        name = claim["metric"]
        value, low, high = (ours[0][key] for key in (name, f"{name}_low", f"{name}_high"))
        if name == "auc":
            error = np.hypot((high - low) / (2 * norm.ppf(0.975)), standard_error(claim["value"]))
            agree = abs(value - claim["value"]) <= norm.ppf(0.975) * error
        else:
            half = claim["half_width"]
            agree = low <= claim["value"] + half and high >= claim["value"] - half
        direction = "higher" if value > claim["value"] else "lower"
        verdict = "reproduced" if agree else f"not reproduced: ours is {direction}"
        rows.append(row | {"ours": value, "low": low, "high": high, "verdict": verdict})
    return pd.DataFrame(
        rows, columns=["claim", "model", "published", "ours", "low", "high", "verdict"]
    )


def details(scores: pd.DataFrame, rule: float | str) -> dict:
    """What `metrics.json` holds besides `summary`: patients, calibration, optimism.

    `scores` has the column `patient` where patients are known.
    """
    row = summary(scores, rule)
    test = scores[scores.split == "test"]
    patient = test.get("patient")
    resampled = bootstrap(test.label, test.score, patient, row["threshold"])
    low, high = resampled["specificity_at_98_sensitivity"]
    return row | {
        "specificity_at_98_sensitivity_low": low,
        "specificity_at_98_sensitivity_high": high,
        "threshold_at_98_sensitivity": at_sensitivity(test.label, test.score)[0],
        "by_patient": {key: list(value) for key, value in resampled.items()},
        "positive_patients": int(test[test.label == 1].patient.nunique())
        if patient is not None
        else None,
        "calibration": calibration(test.label, test.score)[1],
    }
