"""How sure a number is: the AUC, shares and means with their intervals, and DeLong's test."""

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import binom, norm, rankdata
from statsmodels.stats.proportion import proportion_confint

from deepcovid.runs import UserError

TARGET = 0.98  # the sensitivity at which the paper compares its models


def validate_scores(label, score) -> tuple[np.ndarray, np.ndarray]:
    """Labels 0 and 1, both there, and finite scores 0 to 1; UserError otherwise."""
    label, score = np.asarray(label), np.asarray(score, dtype=float)
    if not np.isin(label, [0, 1]).all() or len(np.unique(label)) < 2:
        raise UserError("Metrics need labels 0 and 1, and images of both classes.")
    if not ((score >= 0) & (score <= 1)).all():
        raise UserError("Scores must be numbers from 0 to 1; some are not.")
    return label.astype(int), score


def predict_positive(score, threshold: float):
    """Which scores (array, table column or tensor) say COVID-19: those of at least `threshold`.

    The one rule of the whole study, so that a score on the threshold means the same everywhere.
    """
    return score >= threshold


def confusion(label, score, threshold: float) -> dict[str, int]:
    """tp, fn, fp, tn at a threshold, by `predict_positive`."""
    label, score = validate_scores(label, score)
    tn, fp, fn, tp = np.bincount(
        2 * label + predict_positive(score, threshold), minlength=4
    ).tolist()
    return {"tp": tp, "fn": fn, "fp": fp, "tn": tn}


def format_ci(value: float, low: float, high: float, digits: int = 3) -> str:
    """A value with its interval as text: `0.912 (0.871 to 0.953)`."""
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def ci_columns(name: str, value, low, high) -> dict[str, float]:
    """A value with its interval as a row has it: NAME, NAME_low, NAME_high."""
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def format_ci_from_row(row, name: str, digits: int = 3) -> str:
    """A quantity of a row that has `NAME`, `NAME_low` and `NAME_high`, as text."""
    return format_ci(row[name], row[f"{name}_low"], row[f"{name}_high"], digits)


def placements(label, scores) -> tuple[np.ndarray, np.ndarray]:
    """For each positive the share of negatives below it (ties half), and the reverse.

    Of scores (n,), or (k, n) of several trainings, whose mean it is. The means of both are the AUC;
    their variances make DeLong's (DeLong et al. 1988, by the midranks of Sun and Xu 2014).
    """
    label, scores = validate_scores(label, np.atleast_2d(scores))
    positive, negative = scores[:, label == 1], scores[:, label == 0]
    n = positive.shape[1]
    ranks = rankdata(np.hstack([positive, negative]), axis=1)
    above = (ranks[:, :n] - rankdata(positive, axis=1)) / negative.shape[1]
    below = 1 - (ranks[:, n:] - rankdata(negative, axis=1)) / n
    return above.mean(axis=0), below.mean(axis=0)


def auc(label, score) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties half."""
    return float(placements(label, score)[0].mean())


def auc_interval(label, score, level: float = 0.95) -> tuple[float, float]:
    """DeLong's interval, on the logit scale so that it stays within 0 and 1.

    At perfect separation the variance is 0 and the interval a point: too narrow, as any interval
    from these data alone. With one positive or one negative there is none: (nan, nan).
    """
    if min(np.bincount(validate_scores(label, score)[0])) < 2:
        return float("nan"), float("nan")
    return mean_auc_interval(label, score, level=level)[1:]


def proportion_interval(successes: int, n: int, method: str = "wilson") -> tuple[float, float]:
    """95% interval of a share; `method` as statsmodels has it: `wilson`, `beta` (Clopper-Pearson)."""
    return tuple(map(float, proportion_confint(successes, n, method=method)))


def sensitivity_lower_bound(found: int, n: int, level: float = 0.95) -> float:
    """One-sided lower bound (Clopper-Pearson) of a sensitivity, where `found` of `n` were found.

    Also what a threshold at the score of rank `found` of `n` positives guarantees for others from
    the same source, whatever the scores' distribution. 8 of 8 guarantee 0.05 ** (1 / 8) = 69%.
    """
    return float(proportion_confint(found, n, alpha=2 * (1 - level), method="beta")[0])


def clustered_error(label, above, below, patient=None) -> float:
    """Standard error of a mean of placements, images of one patient together (Obuchowski 1997).

    Without `patient` each image is one, and it is DeLong's. Also of differences of placements.
    """
    label = np.asarray(label)
    patient = np.arange(len(label)) if patient is None else np.asarray(patient)
    names, group = np.unique(patient, return_inverse=True)
    sums, variance = [], 0.0
    for value, part in ((1, above), (0, below)):
        own = group[label == value]
        sums.append(np.bincount(own, part - part.mean(), len(names)) / len(part))
        clusters = len(np.unique(own))
        if clusters < 2:
            raise UserError("The error of an AUC needs two patients of each class at least.")
        variance += clusters / (clusters - 1) * np.sum(sums[-1] ** 2)
    # patients with images of both classes
    variance += 2 * len(names) / (len(names) - 1) * np.sum(sums[0] * sums[1])
    return float(np.sqrt(max(variance, 0)))


def seed_variance(label, scores) -> float:
    """Variance of the mean AUC of k trainings that comes from their seeds; 0 for a single one."""
    each = [auc(label, one) for one in np.atleast_2d(scores)]
    return float(np.var(each, ddof=1) / len(each)) if len(each) > 1 else 0.0


def mean_auc_interval(label, scores, patient=None, level: float = 0.95) -> tuple[float, ...]:
    """Mean AUC of trainings (k, n), and its interval by patient and over seeds, on the logit scale."""
    above, below = placements(label, scores)
    error = clustered_error(label, above, below, patient)
    return logit_interval(above.mean(), np.hypot(error, seed_variance(label, scores) ** 0.5), level)


def logit_interval(value: float, error: float, level: float = 0.95) -> tuple[float, float, float]:
    """A share or AUC and its interval, symmetric on the logit scale; a point where the error is 0."""
    if error == 0:
        return (float(value),) * 3
    half = norm.ppf((1 + level) / 2) * error / (value * (1 - value))
    return float(value), *(float(expit(logit(value) + x)) for x in (-half, half))


def delong_test(label, score, other, patient=None) -> dict[str, float]:
    """Paired test of two models on the same images, by DeLong et al. (1988).

    Each of one training (n,) or of several (k, n), whose mean AUC is compared; the seeds' variance
    is part of the error. With `patient`, images of one patient count together (Obuchowski 1997).
    `difference` is the AUC of `score` less that of `other`, with its 95% interval; `p` two-sided.
    Where the two rank alike, the difference is 0 and p is 1.
    """
    first, second = placements(label, score), placements(label, other)
    above, below = (a - b for a, b in zip(first, second, strict=True))
    seeds = seed_variance(label, score) + seed_variance(label, other)
    difference = float(above.mean())
    error = np.hypot(clustered_error(label, above, below, patient), np.sqrt(seeds))
    z = difference / error if error else np.copysign(np.inf, difference) if difference else 0.0
    half = norm.ppf(0.975) * error
    p = float(2 * norm.sf(abs(z))) if error else float(difference == 0)
    ends = {"low": float(difference - half), "high": float(difference + half)}
    return {"difference": difference, **ends, "z": float(z), "p": p}


@lru_cache(maxsize=4)
def patient_draws(sizes: tuple[int, ...], resamples: int, seed: int) -> list[np.ndarray]:
    """How often each patient is drawn, (resamples, patients), for each of groups of so many patients."""
    random = np.random.default_rng(seed)
    return [random.multinomial(n, np.full(n, 1 / n), resamples) for n in sizes]


def patient_interval(values, patient, resamples: int = 2000, seed: int = 0) -> list[float]:
    """Mean of values over images, and its 95% interval by resampling patients.

    Images without a value (NaN) are left out; where none has one, all three are NaN. Of few patients
    such an interval is too narrow; of a single one it is NaN.
    """
    values, patient = np.asarray(values, dtype=float), np.asarray(patient)
    if not (known := ~np.isnan(values)).any():
        return [np.nan] * 3
    values = values[known]
    group = np.unique(patient[known], return_inverse=True)[1]
    if not group.any():  # of one patient nothing can be said about others
        return [float(values.mean()), np.nan, np.nan]
    (draws,) = patient_draws((group.max() + 1,), resamples, seed)
    sums = np.bincount(group, values)
    means = draws @ sums / (draws @ np.bincount(group))
    return [float(v) for v in (values.mean(), *np.quantile(means, (0.025, 0.975)))]


def means_by_patient(table: pd.DataFrame, by: list[str], column: str) -> pd.DataFrame:
    """`patient_interval` of a column for each group of rows: images, patients, mean, low, high."""
    rows = [
        [*key, len(part), part.patient.nunique(), *patient_interval(part[column], part.patient)]
        for key, part in table.groupby(by, sort=False, dropna=False)
    ]
    return pd.DataFrame(rows, columns=[*by, "images", "patients", "mean", "low", "high"])


def with_ci(table: pd.DataFrame, name: str = "mean", form: str = ".2f") -> pd.Series:
    """A column with its interval as text, each number in a format; signed for a difference.

    The interval is in NAME_low and NAME_high, or, where there are none, in `low` and `high`.
    """
    own = f"{name}_low" in table
    ends = (name, f"{name}_low", f"{name}_high") if own else (name, "low", "high")
    value, low, high = (table[end].map(f"{{:{form}}}".format) for end in ends)
    return value + " (" + low + " to " + high + ")"


def share_interval(right, patient) -> list[float]:
    """A share of images and its 95% interval by patients; where all or none are, Wilson's of patients.

    Resampling has nothing to vary there. `right` may be a mean over trainings, from 0 to 1.
    """
    right, n = np.asarray(right, dtype=float), len(np.unique(patient))
    if right.min() == right.max() and right[0] in (0, 1):
        return [right[0], *proportion_interval(int(n * right[0]), n)]
    return patient_interval(right, patient)


def draw_patients(label, patient, resamples: int, seed: int) -> list[tuple]:
    """Of each class (0, then 1): each image's patient, by number, and how often each is drawn.

    Each class is resampled by itself, as its number of patients was given: (resamples, patients).
    """
    label, patient = np.asarray(label), np.asarray(patient)
    groups = [np.unique(patient[label == value], return_inverse=True)[1] for value in (0, 1)]
    sizes = tuple(int(group.max()) + 1 for group in groups)
    return list(zip(groups, patient_draws(sizes, resamples, seed), strict=True))


def resample_auc(label, score, patient, resamples: int = 2000, seed: int = 0) -> np.ndarray:
    """The AUC of resamples by patient: (resamples,).

    All images of a patient stay together: they resemble each other, so intervals that resample
    images are too narrow. Scores (repeats, n) give the mean over the repeats. Equal labels, patients
    and seeds give the same resamples, so that two models' draws are paired. All are computed at once,
    from the pairs of patients of which one scores higher: scipy.stats.bootstrap knows neither
    clusters nor weights.
    """
    label, score = validate_scores(label, score)
    (group_0, draws_0), (group_1, draws_1) = draw_patients(label, patient, resamples, seed)
    # each pair of images counts 1 where the positive is above, and half where they are beside
    above = np.zeros((draws_1.shape[1], draws_0.shape[1]))
    negative, positive = (np.atleast_2d(score)[:, label == value] for value in (0, 1))
    for i, one in zip(group_1, positive.T, strict=True):
        won = (one[:, None] > negative) + 0.5 * (one[:, None] == negative)
        above[i] += np.bincount(group_0, won.mean(0), above.shape[1])
    pairs = (draws_0 @ np.bincount(group_0)) * (draws_1 @ np.bincount(group_1))
    return np.einsum("rn,rn->r", draws_1 @ above, draws_0) / pairs


def roc_band(label, scores, patient, fpr, resamples: int = 500, seed: int = 0) -> np.ndarray:
    """Sensitivity at false positive rates `fpr`, mean over trainings, with its 95% band: (3, len(fpr)).

    `scores` (n,) or (k, n) of the same images. At each rate the lowest threshold that keeps to it.
    Pointwise percentiles of resampled patients, each class by itself.
    """
    label, scores = validate_scores(label, np.atleast_2d(scores))
    weights = np.ones((resamples + 1, len(label)), int)  # first: as they are
    for value, (group, draws) in enumerate(draw_patients(label, patient, resamples, seed)):
        weights[1:, label == value] = draws[:, group]
    curves = []
    for score in scores:
        order = np.argsort(-score, kind="stable")
        ends = np.flatnonzero(np.diff(score[order], append=-1))  # equal scores come together
        wrong, found = (
            np.cumsum(weights[:, order] * (label[order] == value), axis=1, dtype=float)[:, ends]
            for value in (0, 1)
        )
        wrong, found = (np.pad(part / part[:, -1:], ((0, 0), (1, 0))) for part in (wrong, found))
        reached = [np.searchsorted(row, np.add(fpr, 1e-12), side="right") - 1 for row in wrong]
        curves.append(np.take_along_axis(found, np.array(reached), axis=1))
    mean = np.mean(curves, axis=0)
    return np.vstack([mean[0], np.quantile(mean[1:], (0.025, 0.975), axis=0)])


def at_sensitivity_interval(label, score, patient, target: float = TARGET) -> tuple[float, float]:
    """95% interval of the specificity at a sensitivity, whatever the scores' distributions.

    The threshold is the score below which a share 1 - `target` of all positives lies, and gets the
    interval of an order statistic: of n positives Binomial(n, 1 - target) lie below it. Its ends'
    specificities get Wilson's. Images of a patient count as one in n. Where target**n > 2.5%, at 98% with fewer than 183 patients, it may well be that no
    positive lies below the threshold, nothing says how far it is, and the lower end is 0.

    In simulations (six shapes of positives' scores, also of patients with several like images) it
    covers 98 to 100% at 97 positives and 97 to 99% at 183 to 400. Resampled percentiles cover 84 to
    88% at 97 and 88 to 93% at 400, BCa 75 to 82% at 97; neither reaches below the lowest score.
    """
    label, score = validate_scores(label, score)
    patient = np.asarray(patient)
    positive, negative = np.sort(score[label == 1]), score[label == 0]
    n, others = (len(np.unique(patient[label == value])) for value in (1, 0))
    below = binom.ppf((0.025, 0.975), n, 1 - target)
    first = int(below[0] * len(positive) // n)  # so many positives lie below for sure
    last = int(np.ceil((below[1] + 1) * len(positive) / n))  # and so many do not
    low, high = 0.0, 1.0
    if first:
        share = np.mean(~predict_positive(negative, positive[first - 1]))
        low = proportion_interval(share * others, others)[0]
    if last <= len(positive):
        high = np.mean(~predict_positive(negative, positive[last - 1]))
    return low, proportion_interval(high * others, others)[1]
