"""How well a probe classifies the images of a dataset, and how well it would by chance.

The patient is the unit of everything: the images that a patient has of one class are averaged to one
row, so that whoever has many images counts once. Ridge regression scores the rows, and is linear in
the labels: a thousand relabelled copies of the dataset cost one product of matrices, so chance is
not assumed but tried. The folds are drawn without a look at the labels, which makes that exact.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

COPIES = 999  # relabelled
FOLDS = 5
FEW = 3  # patients that a class needs at least, in what is trained on and in what is tested
RESAMPLES = 1000
BLOCK = 200  # copies that are scored at once


class PatientRows(NamedTuple):
    """The rows of the measurements: a patient's images of one class and split."""

    row_of_image: np.ndarray
    patient: np.ndarray
    fold: np.ndarray  # the part that it is tested in; -1: only trained on; -2: neither
    classes: tuple[str, ...]
    targets: tuple[int, ...]  # the classes that have enough patients to be told from the rest
    labels: np.ndarray  # (1 + COPIES, rows): the labels, places in `classes`, and relabelled copies
    stratum: np.ndarray  # labels are dealt out, and pairs of rows compared, within it


class CrossFit(NamedTuple):
    """What came out for one probe: for each target and each relabelled copy."""

    auc: np.ndarray  # (1 + COPIES, targets); the first row is the truth
    null_error: np.ndarray  # (1 + COPIES, targets), standard error of an AUC of 0.5 there
    score: np.ndarray  # (images, targets), nan where not tested
    low: np.ndarray  # (targets,), 95% intervals of the first row, resampling patients
    high: np.ndarray


def patient_rows(
    table: pd.DataFrame, seed: int = 0, copies: int = COPIES, within: bool = False
) -> PatientRows:
    """Rows from images (`label`, `split`, `patient`), with the folds and the relabelled copies.

    With `train` and `test` (or `validation`) given and at least FEW patients of two classes in both,
    the one is trained on and the other tested; else the patients are dealt into FOLDS parts, each
    tested by what the others teach. `within`: `split` is no split; labels
    are dealt out, and pairs compared, within it (no interval is computed then).
    """
    rng = np.random.default_rng(seed)
    classes = tuple(table.label.value_counts().index)
    row_of_image, key = pd.factorize(pd.MultiIndex.from_frame(table[["patient", "label", "split"]]))
    patient, label, split = (np.array(key.get_level_values(i)) for i in range(3))
    label = np.array([classes.index(name) for name in label])
    count = pd.crosstab(split, label).reindex(columns=range(len(classes)), fill_value=0)
    test = next((s for s in ("test", "validation") if s in count.index), "")
    enough = np.zeros(len(classes), bool)
    if test and "train" in count.index and not within:
        enough = (count.loc[["train", test]] >= FEW).all().to_numpy()
    if enough.sum() >= 2:
        fold = np.where(split == test, 0, np.where(split == "train", -1, -2))
        within = True
    else:
        enough = (count.sum() >= FEW).to_numpy()
        names, number = np.unique(patient, return_inverse=True)
        parts = FOLDS if len(names) >= 2 * FOLDS else len(names)
        fold = (rng.permutation(len(names)) % max(parts, 1))[number]
    targets = tuple(np.flatnonzero(enough)) if enough.sum() >= 2 else ()
    if len(classes) == 2:
        targets = targets[1:]  # the rarer: the other mirrors it
    stratum = np.unique(split, return_inverse=True)[1] * within
    labels = np.tile(label.astype(np.int16), (1 + copies, 1))
    for part in np.unique(stratum):
        here = np.flatnonzero(stratum == part)
        for copy in labels[1:]:
            copy[here] = label[rng.permutation(here)]
    return PatientRows(row_of_image, patient, fold, classes, targets, labels, stratum)


def cross_fit(values, rows: PatientRows, at: np.ndarray | None = None, penalty: float = 1.0):
    """How well columns of numbers classify: a CrossFit.

    `values` has a row for each image at the positions `at` (default: all). `penalty` is that of the
    ridge. Columns count as they are scaled.
    """
    values = np.asarray(values, float)
    row_of_image = rows.row_of_image if at is None else rows.row_of_image[at]
    used, index = np.unique(row_of_image, return_inverse=True)
    x = pd.DataFrame(values).groupby(index).mean().to_numpy()
    fold, labels = rows.fold[used], rows.labels[:, used]
    tested, targets = fold >= 0, len(rows.targets)
    stratum = rows.stratum[used][tested]
    fits = []
    for part in np.unique(fold[tested]):
        train, test = (fold != part) & (fold > -2), fold == part
        fits.append((train, test, *ridge(x[train], penalty)))
    score = np.full((len(values), targets), np.nan)
    auc = np.empty((len(labels), targets))
    low, high = np.full(targets, np.nan), np.full(targets, np.nan)
    for k, number in enumerate(rows.targets):
        positive = labels == number
        for first in range(0, len(labels), BLOCK):  # of the copies: all at once would fill memory
            block = slice(first, first + BLOCK)
            found = np.empty((len(used), len(positive[block])))
            for train, test, middle, weights in fits:
                y = positive[block, train].T.astype(float)
                weight = weights(y - y.mean(0))
                found[test] = (x[test] - middle) @ weight
                if first == 0:
                    images = test[index]
                    score[images, k] = (values[images] - middle) @ weight[:, 0]
            auc[block, k] = areas(found[tested], positive[block, tested], stratum)
            if first == 0 and np.ptp(stratum) == 0:
                truth = found[tested, 0], positive[0, tested]
                low[k], high[k] = bootstrap_interval(*truth, rows.patient[used][tested])
    n1 = np.stack([(labels[:, tested] == number).sum(1) for number in rows.targets], axis=1)
    n0 = tested.sum() - n1
    with np.errstate(divide="ignore", invalid="ignore"):
        null_error = np.sqrt((n1 + n0 + 1) / (12 * n1 * n0))
    return CrossFit(auc, null_error, score, low, high)


def ridge(x: np.ndarray, penalty: float):
    """The mean of the training rows `x`, and what makes weights of centred labels (rows, n).

    Solved in as many unknowns as there are columns or rows, whichever are fewer.
    """
    middle = x.mean(0)
    z = x - middle
    if len(z) < z.shape[1]:
        few = np.linalg.inv(z @ z.T + penalty * np.eye(len(z)))
        return middle, lambda y: z.T @ (few @ y)
    few = np.linalg.inv(z.T @ z + penalty * np.eye(z.shape[1]))
    return middle, lambda y: few @ (z.T @ y)


def areas(scores: np.ndarray, positive: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """ROC AUC of each column of scores by each row of truths, over the pairs within the strata; 0.5
    where there is no pair."""
    won, pairs, scores = 0.0, 0, np.round(scores, 12)
    for part in np.unique(strata):
        here = strata == part
        own, n1 = positive[:, here].T, positive[:, here].sum(1)
        won = won + (rankdata(scores[here], axis=0) * own).sum(0) - n1 * (n1 + 1) / 2
        pairs = pairs + n1 * (here.sum() - n1)
    return np.where(pairs > 0, won / np.maximum(pairs, 1), 0.5)


def bootstrap_interval(score, positive, patient, seed: int = 0) -> tuple[float, float]:
    """95% percentile interval of the AUC, patients resampled within each class."""
    if positive.all() or not positive.any():
        return np.nan, np.nan
    rng = np.random.default_rng(seed)
    levels, level = np.unique(np.round(score, 12), return_inverse=True)
    drawn = []  # rows of each score in each resample: of the negatives, then of the positives
    for value in (False, True):
        names, group = np.unique(patient[positive == value], return_inverse=True)
        rows = np.zeros((len(names), len(levels)))
        np.add.at(rows, (group, level[positive == value]), 1)
        share = np.full(len(names), 1 / len(names))
        drawn.append(rng.multinomial(len(names), share, RESAMPLES).astype(float) @ rows)
    # a pair counts 1 where the positive is above, and half where they are level
    beneath = drawn[0].cumsum(axis=1) - drawn[0] / 2
    auc = (drawn[1] * beneath).sum(axis=1) / (drawn[0].sum(axis=1) * drawn[1].sum(axis=1))
    low, high = np.quantile(auc, (0.025, 0.975))
    return float(low), float(high)
