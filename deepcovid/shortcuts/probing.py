"""Probes: one question, asked many times.

An encoder, or a table, makes numbers of images. A probe is a simple classifier of these numbers: it
is fitted on some images and scores others, of a test set, of a fold, of a site that was left out.
The AUC of the scores says how well the numbers tell the classes apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from deepcovid.metrics import intervals
from deepcovid.shortcuts.encoders import FeatureBank

FOLDS = 5
C = {"logistic": 0.01, "table": 1.0}  # inverse strength of the penalty; standardised columns
NUMBERS = ("width", "height", "aspect ratio", "age")  # columns of tables; others hold words


def classifier(values, kind: str) -> Pipeline:
    """What is fitted to `values`, an array (n, columns), or a table with some of NUMBERS and words.

    `logistic`, `table`: logistic regression on standardised columns, both classes of the same
    weight, the many columns of a network with a stronger penalty. `ridge`: ridge regression on the
    classes, each column with a penalty of 1. The sum of an image's squared columns is about their
    number, so that the penalty is that of a kernel whose diagonal is 1, however many networks there
    are.
    """
    columns = columns_of(values) if isinstance(values, pd.DataFrame) else StandardScaler()
    model = RidgeClassifier(alpha=values.shape[1])
    if kind != "ridge":
        model = LogisticRegression(C=C[kind], class_weight="balanced", max_iter=5000)
    return make_pipeline(columns, model)


def columns_of(table: pd.DataFrame) -> ColumnTransformer:
    """An unknown number becomes the median of `table`, an unknown word `not stated`.

    A word that `table` lacks counts as none. Columns of which it knows nothing are left out.
    """
    known = [name for name in table if is_stated(table[[name]])]
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    stated = SimpleImputer(missing_values="", strategy="constant", fill_value="not stated")
    words = make_pipeline(stated, OneHotEncoder(handle_unknown="ignore"))
    return ColumnTransformer([
        ("numbers", numbers, [name for name in known if name in NUMBERS]),
        ("words", words, [name for name in known if name not in NUMBERS]),
    ])  # fmt: skip


def is_stated(table: pd.DataFrame) -> bool:
    """Is anything in the table known?"""
    return bool((table.notna() & (table != "")).any(axis=None))


def fit_score(values, label, fit, test, kind="logistic", weight: Callable | None = None):
    """Scores, 0 to 1, of the rows `test` of `values` by a probe fitted on the rows `fit`.

    Rows are positions, or bool (n,). `kind` as `classifier` has it; `weight(fit)` gives the weights
    of the rows that are fitted, each 1 by default.
    """
    rows, label = getattr(values, "iloc", values), np.asarray(label)
    model = classifier(rows[fit], kind)
    given = {f"{model.steps[-1][0]}__sample_weight": weight(fit) if weight else None}
    with config_context(skip_parameter_validation=True, assume_finite=True):  # a tenth
        return expit(model.fit(rows[fit], label[fit], **given).decision_function(rows[test]))


def unlike(fitted: np.ndarray, group, test) -> np.ndarray:
    """The positions of rows `fitted`, bool (n,), of which none has the group of a row of `test`."""
    return np.flatnonzero(fitted & ~np.isin(group, group[test]))


def cross_val_scores(label, group, fit_predict: Callable, repeats=1, fitted=None, scored=None):
    """Scores of images by probes that saw none of their group: (repeats, n), 0 to 1.

    In each of `repeats` the rows `scored`, bool (n,), are shared out to folds; a probe for each is
    fitted on the rows `fitted`, but for groups in the fold. Both are all rows by default.
    `fit_predict(fit, test)` gives the scores of rows `test`. A row that is not scored has NaN.
    """
    label, group = np.asarray(label), np.unique(group, return_inverse=True)[1]
    every = np.ones(len(label), bool)
    fitted, rows = (every if part is None else part for part in (fitted, scored))
    rows, held = np.flatnonzero(rows), np.full((repeats, len(label)), np.nan)
    for repeat, fold in folds_of(tuple(label[rows]), tuple(group[rows]), repeats):
        test = rows[fold]
        held[repeat, test] = fit_predict(unlike(fitted, group, test), test)
    return held


@lru_cache(maxsize=64)  # candidates share them, and the search for even folds takes long
def folds_of(label: tuple, group: tuple, repeats: int) -> list[tuple[int, np.ndarray]]:
    """The number of a repeat, and a fold's rows by position; a group is in one fold of a repeat."""
    group = np.unique(group, return_inverse=True)[1]
    splitters = [StratifiedGroupKFold(FOLDS, shuffle=True, random_state=i) for i in range(repeats)]
    return [(repeat, test) for repeat, splitter in enumerate(splitters)
            for _, test in splitter.split(label, label, group)]  # fmt: skip


def auc_row(label, score, group, unit: str = "patient") -> dict[str, float]:
    """`auc_by_group` as a row: `auc`, `UNIT_low`, `UNIT_high`, and the images of each class."""
    value, low, high = auc_by_group(label, score, group)
    return {"auc": value, f"{unit}_low": low, f"{unit}_high": high, **counts(label)}


def auc_by_group(label, score, group) -> list[float]:
    """Mean AUC over scores (n,) or (repeats, n), and its 95% interval by resampling groups."""
    ends = np.quantile(intervals.resample_auc(label, score, group), (0.025, 0.975))
    return [intervals.auc(label, score), *ends]


def counts(label) -> dict[str, int]:
    positives = int(np.sum(label))
    return {"positives": positives, "negatives": len(label) - positives}


@dataclass(frozen=True)
class Candidate:
    """One way to train a probe: how pictures are prepared, whose features of which images, by what.

    `model` names one network, or several joined by `+`, whose features stand beside each other;
    `trained_on` is what `Images.fitted` knows. Moved `copies` of each training image may be added;
    `matched`: both classes are weighted to the same mix of views.
    """

    trained_on: str
    model: str
    preprocessing: tuple[str, ...]
    classifier: str = "logistic"
    copies: int = 0
    matched: bool = False


class Scores(NamedTuple):
    """Of the images that are `scored` by probes that saw none of their group, (repeats, n); of all
    images by a probe that was fitted on all that it may be."""

    held: np.ndarray
    every: np.ndarray


class Images:
    """Images that candidates are fitted on and judged by: `of`, a row each, and their features.

    `of` has path, sha1, label and group; `models` look at a picture together. Which rows are scored
    in folds is `scored`, bool (n,). Who inherits says which images a candidate may be `fitted` on,
    bool (n,), and the `weights` of rows of `of` in a fit.
    """

    repeats = 1  # of the folds

    def __init__(self, of: pd.DataFrame, bank: FeatureBank, models, scored: np.ndarray):
        self.of, self.bank, self.models, self.scored = of, bank, models, scored
        self.label = of.label.to_numpy(int)
        self.group = np.unique(of.group, return_inverse=True)[1]

    def values(self, candidate: Candidate, border: bool = False) -> np.ndarray:
        """Features of all pictures, or of their borders, then of moved copies: (n, columns)."""
        images, parts = [self.of, *[self.of[self.fitted(candidate)]] * candidate.copies], []
        for copy, part in enumerate(images):
            ablation = self.bank.ablation(candidate.preprocessing, border, copy)
            found = self.bank.encode_models(part, ablation, self.models)
            parts.append(np.hstack([found[name] for name in candidate.model.split("+")]))
        return np.concatenate(parts)

    def framing(self, candidate: Candidate) -> Scores:
        """By where the lungs lie in the pictures once they are preprocessed."""
        return self.scores(candidate, self.bank.framing(self.of, candidate.preprocessing), "table")

    def evaluate(self, candidate: Candidate) -> dict[str, Scores]:
        """By a candidate's pictures, and what can hardly show the disease: `_border`, `_frame`."""
        values = (self.values(candidate, border) for border in (False, True))
        whole, border = (self.scores(candidate, of, candidate.classifier) for of in values)
        return {"": whole, "_border": border, "_frame": self.framing(candidate)}

    def scores(self, candidate: Candidate, values: np.ndarray, kind: str) -> Scores:
        """By probes of `values` (n, columns), or as the method `values` gives them, with copies."""
        fitted, n = self.fitted(candidate), len(self.of)
        rows = np.r_[np.arange(n), np.tile(np.flatnonzero(fitted), candidate.copies)][: len(values)]
        own = np.arange(len(rows)) < n
        fit_predict = partial(fit_score, values, self.label[rows], kind=kind,
                              weight=lambda fit: self.weights(candidate, rows[fit]))  # fmt: skip
        held = cross_val_scores(self.label[rows], self.group[rows], fit_predict, self.repeats,
                                fitted[rows], self.scored[rows] & own)  # fmt: skip
        return Scores(held[:, :n][:, self.scored], fit_predict(np.flatnonzero(fitted[rows]), own))
