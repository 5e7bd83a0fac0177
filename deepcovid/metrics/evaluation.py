"""What scores say at a threshold and at all of them: curves, confusion, the numbers of a run."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logit

from deepcovid.io import read_table
from deepcovid.metrics.intervals import (
    TARGET,
    at_sensitivity_interval,
    auc,
    auc_interval,
    bootstrap,
    ci_columns,
    confusion,
    patient_interval,
    predict_positive,
    proportion_interval,
    validate_scores,
)
from deepcovid.runs import UserError, escape_control_chars, read_json

Scores = dict[tuple[str, int], pd.DataFrame]  # of the same images, by (model, seed)
COLUMNS = (
    "model", "seed", "weights", "auc", "auc_low", "auc_high", "average_precision", "threshold",
    "sensitivity", "sensitivity_low", "sensitivity_high",
    "specificity", "specificity_low", "specificity_high", "specificity_at_98_sensitivity",
    "accuracy", "null_accuracy", "tp", "fn", "fp", "tn",
    "validation_positive", "validation_patients", "cv_threshold", "cv_positive", "cv_patients",
    "cv_sensitivity", "cv_sensitivity_low", "cv_sensitivity_high",
    "cv_specificity", "cv_specificity_low", "cv_specificity_high", "doubles", "auc_without_doubles",
)  # fmt: skip


def read_scores(path: Path, also: tuple[str, ...] = ("split",)) -> pd.DataFrame:
    """A table image, label, score, those in `also` and, where it is known, patient.

    UserError names the file and what is wrong.
    """
    text = {"image": str, "patient": str, "split": str}
    required = ("image", "label", "score", *also)
    table = read_table(path, required, dtype=text, keep_default_na=False)
    for column in ("label", "score"):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    for problem, rows in {
        "no score from 0 to 1": ~table.score.between(0, 1),
        "a label other than 0 or 1": ~table.label.isin([0, 1]),
        "no patient": table.get("patient", table.image) == "",
        "listed twice": table.image.duplicated(),
    }.items():
        if rows.any():
            raise UserError(
                f"{path}: {escape_control_chars(table.image[rows].iloc[0])} has or is {problem}."
            )
    return table


def of_seeds(folder: Path, name: str) -> dict[tuple[str, int], Path]:
    """The files called `name` of all models in a folder by (model, seed), in their order."""
    found = {}
    for path in folder.glob(f"*/seed*/{name}"):
        found[path.parts[-3], int(path.parts[-2].removeprefix("seed"))] = path
    return dict(sorted(found.items()))


def scores_of(folder: Path) -> dict[tuple[str, int], pd.DataFrame]:
    """All scores in a run's or a published folder, by (model, seed)."""
    return {key: read_scores(path) for key, path in of_seeds(folder, "scores.csv").items()}


def of_models(tables: Scores) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The images (label, patient), and each model's scores of them, (seeds, n)."""
    first, scores = None, {}
    for (model, seed), table in tables.items():
        table = table.sort_values("image", ignore_index=True)
        first = table if first is None else first
        if not table[["image", "label"]].equals(first[["image", "label"]]):
            raise UserError(
                f"{model}, seed {seed} was not scored on the same images as the others."
            )
        scores.setdefault(model, []).append(table.score)
    return first, {model: np.array(each) for model, each in scores.items()}


def summaries(folder: Path, keys=None) -> list[dict]:
    """The contents of `metrics.json` in a run's or a published folder: all, or of (model, seed)s."""
    found = of_seeds(folder, "metrics.json")
    return [read_json(found[key]) for key in keys or found]


def roc(label, score):
    """False positive rate, sensitivity and threshold at every distinct score."""
    from sklearn.metrics import roc_curve  # here and below: who only reads needs no scikit-learn

    return roc_curve(*validate_scores(label, score), drop_intermediate=False)


def n_hits_for_sensitivity(positives: int, target: float = TARGET) -> int:
    """How many of `positives` must be found to reach a sensitivity: 98 of 100, but 96 of 97."""
    return next(k for k in range(positives + 1) if k / positives >= target)


def at_sensitivity(label, score, target: float = TARGET) -> tuple[float, float]:
    """The highest threshold that reaches a sensitivity, and the specificity there.

    With n positives that is the score at rank `n_hits_for_sensitivity(n)`: of 97 the 96th from
    above, so that the sensitivity there is 99.0%; of 100 the 98th.
    """
    fpr, tpr, thresholds = roc(label, score)
    first = np.argmax(tpr >= target)
    return float(thresholds[first]), float(1 - fpr[first])


def choose_threshold(label, score, rule: float | str) -> float:
    """A threshold by rule: a number, `youden` (sensitivity + specificity), `sensitivity_98` (percent)."""
    if not isinstance(rule, str):
        return float(rule)
    if rule != "youden":
        return at_sensitivity(label, score, int(rule.removeprefix("sensitivity_")) / 100)[0]
    fpr, tpr, thresholds = roc(label, score)
    return float(thresholds[1:][np.argmax((tpr - fpr)[1:])])


def summary(scores: pd.DataFrame, rule: float | str) -> dict:
    """All numbers of `metrics.csv` but model, seed and weights, of the test split."""
    from sklearn.metrics import average_precision_score

    test, validation = (scores[scores.split == split] for split in ("test", "validation"))
    if isinstance(rule, str) and validation.empty:
        raise UserError(f"threshold {rule} is chosen on validation images, and there are none.")
    threshold = choose_threshold(validation.label, validation.score, rule)
    counts = confusion(test.label, test.score, threshold)
    positives, negatives = counts["tp"] + counts["fn"], counts["fp"] + counts["tn"]
    row = ci_columns("auc", auc(test.label, test.score), *auc_interval(test.label, test.score))
    row |= {
        "average_precision": float(average_precision_score(test.label, test.score)),
        "threshold": threshold,
    }
    for name, found, n in (("sensitivity", "tp", positives), ("specificity", "tn", negatives)):
        row |= ci_columns(name, counts[found] / n, *proportion_interval(counts[found], n))
    return row | {
        "specificity_at_98_sensitivity": at_sensitivity(test.label, test.score)[1],
        "accuracy": (counts["tp"] + counts["tn"]) / len(test),
        "null_accuracy": max(positives, negatives) / len(test),
        **counts,
    }


def details(scores: pd.DataFrame, rule: float | str) -> dict:
    """`summary`, resampled intervals, numbers of patients, calibration: most of `metrics.json`.

    Where `scores` has a column `patient`, `by_patient` has the intervals that resample patients;
    else `by_image` those that resample images.
    """
    row, test = summary(scores, rule), scores[scores.split == "test"]
    patient, positives = test.get("patient"), test[test.label == 1]
    low, high = at_sensitivity_interval(test.label, test.score, patient)
    threshold, _ = at_sensitivity(test.label, test.score)
    resampled = bootstrap(test.label, test.score, patient, row["threshold"])
    row |= {
        "specificity_at_98_sensitivity_low": low,
        "specificity_at_98_sensitivity_high": high,
        "threshold_at_98_sensitivity": threshold,
        "found_at_98_sensitivity": int(predict_positive(positives.score, threshold).sum()),
        "by_image" if patient is None else "by_patient": {k: list(v) for k, v in resampled.items()},
    }
    if patient is not None:
        row["positive_patients"] = int(positives.patient.nunique())
        row["patients"] = int(patient.nunique())
    _, errors = calibration(test.label, test.score)
    return row | {"calibration": errors | recalibration(test.label, test.score, patient)}


def net_benefit(label, score, thresholds) -> np.ndarray:
    """Net benefit of acting on scores of at least each threshold (Vickers and Elkin 2006).

    True positives less false positives, a share of all images; a false one weighs the odds of the
    threshold. 0 is acting on nobody.
    """
    label, score = validate_scores(label, score)
    said = predict_positive(score, np.asarray(thresholds)[:, None])
    odds = np.asarray(thresholds) / (1 - np.asarray(thresholds))
    return (said & (label == 1)).mean(axis=1) - odds * (said & (label == 0)).mean(axis=1)


def calibration(label, score, bins: int = 10) -> tuple[pd.DataFrame, dict[str, float]]:
    """Reliability in equal-width bins of the score, Brier score, expected calibration error.

    The table has a row per bin that is not empty: mean score, share of COVID-19, images. The error
    is the mean distance between the first two, weighted by images.
    """
    from sklearn.calibration import calibration_curve

    label, score = validate_scores(label, score)
    observed, predicted = calibration_curve(label, score, n_bins=bins)
    # scikit-learn's bins: a score on an edge belongs to the bin below it
    index = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], score)
    images = np.bincount(index, minlength=bins)
    table = pd.DataFrame({"score": predicted, "covid": observed, "images": images[images > 0]})
    error = float(np.average(np.abs(observed - predicted), weights=table.images))
    return table, {"brier": float(np.mean((score - label) ** 2)), "calibration_error": error}


def recalibration(label, score, patient=None) -> dict[str, float]:
    """Calibration slope, calibration-in-the-large and Brier score, with 95% intervals by patient.

    The slope is that of a logistic regression on the logit of the score: 1 where scores are
    calibrated, below 1 where they are too extreme. The intercept is that of the same regression with
    the slope held at 1: 0 where they are calibrated, below 0 where they are too high. Their intervals
    are Wald's with errors clustered by patient, Brier's resamples patients; without `patient` an image
    counts as one. Scores are cut to 1e-6 from 0 and 1, whose logits are infinite. Where scores
    separate the classes no regression is finite, and slope and intercept are None.
    """
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    label, score = validate_scores(label, score)
    patient = np.arange(len(label)) if patient is None else np.asarray(patient)
    row = ci_columns("brier", *patient_interval((score - label) ** 2, patient))
    x = logit(score.clip(1e-6, 1 - 1e-6))
    separated = score[label == 1].min() >= score[label == 0].max()
    groups = np.unique(patient, return_inverse=True)[1]
    one = np.ones(len(x))
    designs = {"slope": {"exog": np.c_[x, one]}, "intercept": {"exog": one, "offset": x}}
    for name, design in designs.items():
        values = [None] * 3
        if not separated and np.ptp(x) > 0:
            model = GLM(label, family=Binomial(), **design)
            found = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
            values = map(float, (found.params[0], *found.conf_int()[0]))
        row |= ci_columns(name, *values)
    return row
