"""What scores say at a threshold and at all of them: curves, confusion, the numbers of a run."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logit

from deepcovid.io import read_table
from deepcovid.metrics import intervals
from deepcovid.metrics.intervals import TARGET, ci_columns
from deepcovid.runs import UserError, escape_control_chars, of_trainings

Scores = dict[tuple[str, int], pd.DataFrame]  # of the same images, by (model, seed)
AT_98 = "specificity_at_98_sensitivity"


def read_scores(path: Path, also: str = "split") -> pd.DataFrame:
    """A table image, label, score, patient, and the column `also`.

    UserError names the file and what is wrong.
    """
    text = {"image": str, "patient": str, "split": str}
    required = ("image", "label", "score", "patient", also)
    table = read_table(path, required, dtype=text, keep_default_na=False)
    for column in ("label", "score"):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    for problem, rows in {
        "no score from 0 to 1": ~table.score.between(0, 1),
        "a label other than 0 or 1": ~table.label.isin([0, 1]),
        "no patient": table.patient == "",
        "listed twice": table.image.duplicated(),
    }.items():
        if rows.any():
            image = escape_control_chars(table.image[rows].iloc[0])
            raise UserError(f"{path}: {image} has or is {problem}.")
    return table


def scores_of(folder: Path) -> Scores:
    """All scores in a run's or a published folder, by (model, seed), in their order."""
    return {key: read_scores(path) for key, path in of_trainings(folder, "scores.csv").items()}


def evaluated(folder: Path) -> Scores:
    """`scores_of` the models and seeds in `metrics.csv`: those of an earlier call may lie beside them."""
    if not (folder / "metrics.csv").is_file():
        return {}
    metrics, scores = read_table(folder / "metrics.csv"), scores_of(folder)
    keys = sorted(zip(metrics.model, metrics.seed, strict=True))
    return {key: scores[key] for key in keys if key in scores}


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


def roc(label, score):
    """False positive rate, sensitivity and threshold at every distinct score."""
    from sklearn.metrics import roc_curve  # here and below: who only reads needs no scikit-learn

    return roc_curve(*intervals.validate_scores(label, score), drop_intermediate=False)


def at_sensitivity(label, score, target: float = TARGET) -> tuple[float, float]:
    """The highest threshold that reaches a sensitivity, and the specificity there.

    Of 100 positives that is the score of the 98th from above; of 97 the 96th, with 99.0%.
    """
    fpr, tpr, thresholds = roc(label, score)
    first = np.argmax(tpr >= target)
    return float(thresholds[first]), float(1 - fpr[first])


def choose_threshold(scores: pd.DataFrame, rule: float | str) -> float:
    """`rule` itself, a number, or by `sensitivity_98` what reaches that, in percent, on validation images."""
    if not isinstance(rule, str):
        return float(rule)
    validation = scores[scores.split == "validation"]
    if validation.empty:
        raise UserError(f"threshold {rule} is chosen on validation images, and there are none.")
    target = int(rule.removeprefix("sensitivity_")) / 100
    return at_sensitivity(validation.label, validation.score, target)[0]


def summary(scores: pd.DataFrame, rule: float | str) -> dict:
    """What scores are worth on the test split, as `metrics.csv` has it; `rule` chooses the threshold.

    Intervals (95%) count images, but for the specificity at 98% sensitivity.
    """
    threshold = choose_threshold(scores, rule)
    test = scores[scores.split == "test"]
    label, score = test.label, test.score
    counts = intervals.confusion(label, score, threshold)
    positives, negatives = counts["tp"] + counts["fn"], counts["fp"] + counts["tn"]
    ends = intervals.auc_interval(label, score)
    row = ci_columns("auc", intervals.auc(label, score), *ends) | {"threshold": threshold}
    for name, found, n in (("sensitivity", "tp", positives), ("specificity", "tn", negatives)):
        ends = intervals.proportion_interval(counts[found], n)
        row |= ci_columns(name, counts[found] / n, *ends)
    ends = intervals.at_sensitivity_interval(label, score, test.patient)
    return row | ci_columns(AT_98, at_sensitivity(label, score)[1], *ends) | {
        "accuracy": (counts["tp"] + counts["tn"]) / len(test),
        "null_accuracy": max(positives, negatives) / len(test),
        **counts,
        "positive_patients": test.patient[label == 1].nunique(),
        "patients": test.patient.nunique(),
        "calibration_error": calibration(label, score)[1],
    }  # fmt: skip


def net_benefit(label, score, thresholds) -> np.ndarray:
    """Net benefit of acting on scores of at least each threshold (Vickers and Elkin 2006).

    True positives less false positives, a share of all images; a false one weighs the odds of the
    threshold. 0 is acting on nobody.
    """
    label, score = intervals.validate_scores(label, score)
    said = intervals.predict_positive(score, np.asarray(thresholds)[:, None])
    odds = np.asarray(thresholds) / (1 - np.asarray(thresholds))
    return (said & (label == 1)).mean(axis=1) - odds * (said & (label == 0)).mean(axis=1)


def calibration(label, score, bins: int = 10) -> tuple[pd.DataFrame, float]:
    """Reliability in equal-width bins of the score, and the expected calibration error.

    The table has a row per bin that is not empty: mean score, share of COVID-19, images. The error
    is the mean distance between the first two, weighted by images.
    """
    from sklearn.calibration import calibration_curve

    label, score = intervals.validate_scores(label, score)
    observed, predicted = calibration_curve(label, score, n_bins=bins)
    # scikit-learn's bins: a score on an edge belongs to the bin below it
    index = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], score)
    images = np.bincount(index, minlength=bins)
    table = pd.DataFrame({"score": predicted, "covid": observed, "images": images[images > 0]})
    return table, float(np.average(np.abs(observed - predicted), weights=table.images))


def recalibration(label, score, patient) -> dict[str, float]:
    """Calibration slope, calibration-in-the-large and Brier score, with 95% intervals by patient.

    The slope is that of a logistic regression on the logit of the score: 1 where scores are
    calibrated, below 1 where they are too extreme. The intercept is that of the same regression with
    the slope held at 1: 0 where they are calibrated, below 0 where they are too high. Their intervals
    are Wald's with errors clustered by patient, Brier's resamples patients. Scores are cut to 1e-6
    from 0 and 1, whose logits are infinite. Where scores separate the classes no slope is finite,
    and where all are alike there is none: None.
    """
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    label, score = intervals.validate_scores(label, score)
    row = ci_columns("brier", *intervals.patient_interval((score - label) ** 2, patient))
    x = logit(score.clip(1e-6, 1 - 1e-6))
    ill, well = x[label == 1], x[label == 0]
    separated = ill.min() >= well.max() or ill.max() <= well.min()
    groups = np.unique(patient, return_inverse=True)[1]
    one = np.ones(len(x))
    designs = {"slope": {"exog": np.c_[x, one]}, "intercept": {"exog": one, "offset": x}}
    for name, design in designs.items():
        values = [None] * 3
        if name == "intercept" or not separated:
            model = GLM(label, family=Binomial(), **design)
            found = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
            values = map(float, (found.params[0], *found.conf_int()[0]))
        row |= ci_columns(name, *values)
    return row
