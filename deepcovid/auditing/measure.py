"""How well something tells the classes of a dataset, and how well chance would.

The patient is the unit of everything: the images that a patient has of one class are averaged to one
row, so that whoever has many images counts once. Ridge regression scores the rows, and is linear in
the labels: a thousand relabelled copies of the dataset cost one product of matrices, so chance is
not assumed but tried. The folds are drawn without a look at the labels, which makes that exact.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from deepcovid.metrics import intervals

DRAWS = 999  # relabelled copies
FOLDS = 5
FEW = 3  # patients that a class needs at least, in what is learned from and in what is judged
RESAMPLES = 1000


class Units(NamedTuple):
    """The rows of the measurements: a patient's images of one class and split."""

    of: np.ndarray  # of each image, its row
    patient: np.ndarray
    label: np.ndarray  # 0, 1, ...: the place of its class in `classes`
    split: np.ndarray
    fold: np.ndarray  # which part judges it; -1: only learned from
    classes: tuple[str, ...]
    told: tuple[int, ...]  # the classes that have enough patients to be told from the rest
    drawn: np.ndarray  # (1 + DRAWS, rows): the labels, and relabelled copies of them


class Measured(NamedTuple):
    """What came out for one question: of each class that is told and each relabelled copy."""

    auc: np.ndarray  # (1 + DRAWS, told); the first row is the truth
    chance: np.ndarray  # (1 + DRAWS, told), the standard error of an AUC of 0.5 with these numbers
    score: np.ndarray  # (images, told), nan where not judged
    low: np.ndarray  # (told,), 95% intervals of the first row, resampling patients
    high: np.ndarray


def units(table: pd.DataFrame, seed: int = 0) -> Units:
    """Rows from images (`label`, `split`, `patient`), with the folds and the relabelled copies.

    With `train` and `test` (or `validation`) given and at least FEW patients of two classes in both,
    what is learned from the one is judged on the other; else in FOLDS parts of the patients, each
    judged by what the others teach.
    """
    rng = np.random.default_rng(seed)
    classes = tuple(table.label.value_counts().index)
    of, key = pd.factorize(pd.MultiIndex.from_frame(table[["patient", "label", "split"]]))
    patient, label, split = (np.array(key.get_level_values(i)) for i in range(3))
    label = np.array([classes.index(name) for name in label])
    count = pd.crosstab(split, label).reindex(columns=range(len(classes)), fill_value=0)
    judge = next((s for s in ("test", "validation") if s in count.index), "")
    enough = np.zeros(len(classes), bool)
    if judge and "train" in count.index:
        enough = (count.loc[["train", judge]] >= FEW).all().to_numpy()
    if enough.sum() >= 2:
        fold = np.where(split == judge, 0, -1)
        stratum = split
        kept = np.isin(split, ["train", judge])
        fold[~kept] = -2
    else:
        enough = (count.sum() >= FEW).to_numpy()
        names, number = np.unique(patient, return_inverse=True)
        parts = FOLDS if len(names) >= 2 * FOLDS else len(names)
        fold = (rng.permutation(len(names)) % max(parts, 1))[number]
        stratum = np.zeros(len(label), int)
    told = tuple(np.flatnonzero(enough)) if enough.sum() >= 2 else ()
    told = told[1:] if len(classes) == 2 else told  # the rarer of two: the other is its mirror
    drawn = np.tile(label, (1 + DRAWS, 1))
    for part in np.unique(stratum):
        here = np.flatnonzero(stratum == part)
        for row in drawn[1:]:
            row[here] = label[rng.permutation(here)]
    return Units(of, patient, label, split, fold, classes, told, drawn)


def averaged(values: np.ndarray, of: np.ndarray, rows: int) -> np.ndarray:
    sums = np.zeros((rows, values.shape[1]))
    np.add.at(sums, of, values)
    return sums / np.maximum(np.bincount(of, minlength=rows), 1)[:, None]


def measure(values: np.ndarray, by: Units, at: np.ndarray | None = None, penalty: float = 1.0):
    """How well columns of numbers tell the classes: a Measured.

    `values` has a row for each image at the positions `at` (default: all). `penalty` is that of the
    ridge. Columns count as they are scaled.
    """
    at = np.arange(len(by.of)) if at is None else at
    rows, index = np.unique(by.of[at], return_inverse=True)
    x = averaged(np.asarray(values, float), index, len(rows))
    fold, drawn = by.fold[rows], by.drawn[:, rows]
    judged = fold >= 0
    score = np.full((len(at), len(by.told)), np.nan)
    auc = np.empty((len(drawn), len(by.told)))
    low, high = np.full(len(by.told), np.nan), np.full(len(by.told), np.nan)
    for k, number in enumerate(by.told):
        positive = drawn == number
        found = np.full((len(rows), len(drawn)), np.nan)
        for part in np.unique(fold[judged]):
            learn, test = (fold != part) & (fold > -2), fold == part
            middle, y = x[learn].mean(0), positive[:, learn].T.astype(float)
            z, y = x[learn] - middle, y - y.mean(0)
            weight = np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ y)
            found[test] = (x[test] - middle) @ weight
            inside = test[index]
            score[inside, k] = (values[inside] - middle) @ weight[:, 0]
        auc[:, k] = areas(found[judged], positive[:, judged])
        low[k], high[k] = interval(found[judged, 0], positive[0, judged], by.patient[rows][judged])
    n1 = np.stack([(drawn[:, judged] == number).sum(1) for number in by.told], axis=1)
    n0 = judged.sum() - n1
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.sqrt((n1 + n0 + 1) / (12 * n1 * n0))
    return Measured(auc, chance, score, low, high)


def areas(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """ROC AUC of each column of scores by each row of truths; 0.5 where one class is missing."""
    ranks = rankdata(np.round(scores, 12), axis=0)
    n1 = positive.sum(1)
    n0 = positive.shape[1] - n1
    sums = (ranks * positive.T).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (sums - n1 * (n1 + 1) / 2) / (n1 * n0)
    return np.where((n1 > 0) & (n0 > 0), found, 0.5)


def interval(score: np.ndarray, positive: np.ndarray, patient: np.ndarray) -> tuple[float, float]:
    if positive.all() or not positive.any():
        return np.nan, np.nan
    ranked = rankdata(np.round(score, 12)) / len(score)
    return intervals.bootstrap(positive.astype(int), ranked, patient, resamples=RESAMPLES)["auc"]
