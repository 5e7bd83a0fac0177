"""Are few images from the right source worth more than many from the wrong one?

Logistic regressions on frozen features, trained on the release (COVID-19 of the collection against
CheXpert), on the collection alone, or on both with the same weight for each source and class; with
the preprocessing of notebook 07. Which is kept is decided inside the collection, by `chosen`, written
before any of it was computed; another hospital's images test it, and are never asked.

Six more candidates were decided on 29 November 2026, before any of them was computed: the features of
all networks of the run together, trained on the collection alone after each preparation that
equalises, by logistic regression as the others and by ridge. The criterion is the same for all. What
border and framing alone reach stands beside each, inside and externally.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from deepcovid.data import external
from deepcovid.metrics import intervals
from deepcovid.models import seen
from deepcovid.models.run import Run
from deepcovid.shortcuts import measure
from deepcovid.shortcuts.encoders import FeatureBank
from imageaudit import images

TRAINED_ON = ("release", "collection", "both")
PREPARED = (("none",), ("downsample", "equalise"), ("crop_lungs", "downsample", "equalise"),
            ("crop_lungs", "downsample", "equalise", "mask_lungs"))  # fmt: skip
CLASSIFIERS = ("logistic", "ridge")
REPEATS, FEW = 5, 5


@dataclass(frozen=True)
class Candidate:
    """One way to train: on which images, as what network sees them, prepared how, by what.

    `model` names one network, or several joined by `+`, whose features stand beside each other.
    """

    trained_on: str
    model: str
    preprocessing: tuple[str, ...]
    classifier: str = "logistic"


def candidates(models) -> list[Candidate]:
    """Each network alone on all training data; several also together, on the collection alone."""
    alone = [Candidate(*of) for of in product(TRAINED_ON, models, PREPARED)]
    equalised = [steps for steps in PREPARED if "equalise" in steps]
    joined = ["+".join(models)] if len(models) > 1 else []
    return alone + [
        Candidate(*of) for of in product(("collection",), joined, equalised, CLASSIFIERS)
    ]


class Split(NamedTuple):
    """Rows to fit on, their weights, and rows to score."""

    fit: np.ndarray
    weight: np.ndarray
    test: np.ndarray


class Scores(NamedTuple):
    """Scores of the collection's images by models that saw no image of their case, (repeats, n);
    mean AUC over sites that were left out; scores of the external images."""

    held: np.ndarray
    site: float
    external: np.ndarray


def images_of(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """All images that candidates are trained on or tested by, a row each; `source` names which.

    The collection's (`table`, of `collection.of`), CheXpert's training images without twins of these,
    and the external folder's without twins of any of these, or of the run's data.
    """
    other = run.originals("train")
    other = other[other.label == 0]
    other = other.assign(path=run.paths(other.image), group="other " + other.patient, part="train")
    collected = table.assign(name=[path.name for path in table.path], augmented_from="")
    other = seen.unseen(other, collected, run.signatures)
    known = pd.concat([collected, run.everything()]).drop_duplicates("sha1")
    there = seen.unseen(external.table(Path(run.profile.external)), known, run.signatures)
    there = there.assign(group="external " + there.patient, part="")
    here = table.assign(group="collection " + table.group.astype(str), reason="")
    parts = {"collection": here, "other": other.assign(site=""), "external": there.assign(site="")}
    found = pd.concat([part[part.reason == ""].assign(source=name) for name, part in parts.items()])
    columns = ["image", "path", "sha1", "label", "source", "group", "site", "part"]
    return found[columns].reset_index(drop=True)


class Data:
    """Images as `images_of` lists them, their features, and how each way to train splits them."""

    def __init__(self, of: pd.DataFrame, bank: FeatureBank):
        self.of, self.bank, self.label = of, bank, of.label.to_numpy()
        self.inside, self.external = (
            (of.source == name).to_numpy() for name in ("collection", "external")
        )
        self.known: dict[str, tuple] = {}  # splits, and scores of framing, by what is trained on

    def values(self, candidate: Candidate, border: bool = False) -> np.ndarray:
        """Features of all pictures, or of their borders, by all networks: (n, columns)."""
        ablation = self.bank.ablation(candidate.preprocessing, border)
        found = self.bank.encode_models(self.of, ablation)
        return np.hstack([found[name] for name in candidate.model.split("+")])

    @cached_property
    def framing(self) -> np.ndarray:
        """Where the lungs lie in each picture, and its aspect ratio: (n, 6)."""
        sizes = [images.open_radiograph(path).size for path in self.of.path]
        ratio = [width / height for width, height in sizes]
        return np.column_stack([self.bank.framing(self.of), ratio])

    def allowed(self, trained_on: str) -> np.ndarray:
        """Which images a candidate may be trained on: bool (n,)."""
        other = (self.of.source == "other").to_numpy()
        train = self.of.part.isin(["train", "validation"]).to_numpy()
        rows = {"release": self.inside & train & (self.label == 1) | other,
                "collection": self.inside, "both": self.inside | other}  # fmt: skip
        return rows[trained_on]

    def split(self, rows: np.ndarray, test: np.ndarray) -> Split:
        """Fitted on those of `rows` (bool) of which no image is of a group of the rows `test`."""
        rows = rows & ~self.of.group.isin(set(self.of.group[test])).to_numpy()
        weight = weights(self.of[rows]) if rows.any() else np.empty(0)
        return Split(np.flatnonzero(rows), weight, np.flatnonzero(test))

    def splits(self, trained_on: str) -> tuple[list[list[Split]], list[Split], Split]:
        """Of each repeat the folds; each site left out; all that may be trained on, for external images.

        Images of the collection whose site is unknown are not trained on where one is left out: they
        may be of that site.
        """
        rows, part = self.allowed(trained_on), self.of[self.inside]
        inner = np.flatnonzero(self.inside)
        folds = measure.grouped_folds(part.label, part.group, REPEATS)
        held = [[self.split(rows, np.isin(np.arange(len(self.of)), inner[test])) for _, test in repeat]
                for repeat in folds]  # fmt: skip
        known = ~self.inside | (self.of.site != "").to_numpy()
        count = pd.crosstab(self.of.site, self.of.label)[lambda of: of.index != ""]
        enough = count.index[count.reindex(columns=[0, 1], fill_value=0).min(axis=1) >= FEW]
        sites = [self.split(rows & known, self.of.site.eq(site).to_numpy()) for site in enough]
        return held, sites, self.split(rows, self.external)

    def predict(self, values, split: Split, kind: str) -> np.ndarray:
        """Scores of the rows to test by a classifier of a kind."""
        model = classifier(kind, values.shape[1])
        weight = {f"{model.steps[-1][0]}__sample_weight": split.weight}
        model.fit(values[split.fit], self.label[split.fit], **weight)
        return model.predict_proba(values[split.test])[:, 1]

    def scores(self, values, trained_on: str, kind: str, sites: bool = False) -> Scores:
        """By models of `values` (n, columns), of which each is fitted on one of `splits`."""
        if trained_on not in self.known:
            self.known[trained_on] = self.splits(trained_on)
        repeats, left_out, whole = self.known[trained_on]
        held, place = np.empty((len(repeats), len(self.of))), []
        for score, folds in zip(held, repeats, strict=True):
            for split in folds:
                score[split.test] = self.predict(values, split, kind)
        for split in left_out * sites:
            if len(np.unique(self.label[split.fit])) < 2:
                place = []
                break
            score = self.predict(values, split, kind)
            place.append(intervals.auc(self.label[split.test], score))
        there = self.predict(values, whole, kind) if self.external.any() else np.empty(0)
        return Scores(held[:, self.inside], float(np.mean(place)) if place else np.nan, there)


def weights(of: pd.DataFrame) -> np.ndarray:
    """The same sum for each source and class, so that the source gives no class away; mean 1."""
    weight = 1 / of.groupby(["source", "label"]).label.transform("size").to_numpy()
    return weight / weight.mean()


class RidgeProbe(RidgeClassifier):
    """Ridge regression on the classes, in closed form, with scores from 0 to 1."""

    def predict_proba(self, values) -> np.ndarray:
        score = expit(self.decision_function(values))
        return np.column_stack([1 - score, score])


def classifier(kind: str, columns: int) -> Pipeline:
    """`network` or `table`: `measure.regression`; `ridge`: on standardised columns, penalty 1 each.

    The sum of the squared columns of an image is about `columns`, so that the penalty is that of a
    kernel whose diagonal is 1, however many networks there are.
    """
    if kind == "ridge":
        return make_pipeline(StandardScaler(), RidgeProbe(alpha=columns))
    return measure.regression(kind)


def row(data: Data, candidate: Candidate) -> dict:
    """All numbers of one candidate. Nothing of `external` is asked before the last lines."""
    inside, outside, on = data.of[data.inside], data.of[data.external], candidate.trained_on
    kind = "ridge" if candidate.classifier == "ridge" else "network"
    if ("framing", on) not in data.known:  # the same for all candidates with these images
        data.known["framing", on] = data.scores(data.framing, on, "table")
    whole = data.scores(data.values(candidate), on, kind, sites=True)
    blind = {"border": data.scores(data.values(candidate, border=True), on, kind),
             "frame": data.known["framing", on]}  # fmt: skip
    within = measure.auc_with_ci(inside.label, whole.held, inside.group, "case")
    result = {
        "trained_on": on, "model": candidate.model, "classifier": candidate.classifier,
        "preprocessing": ",".join(candidate.preprocessing), "images": int(data.allowed(on).sum()),
        "within": within["auc"], "within_low": within["case_low"], "within_high": within["case_high"],
        **{name: measure.mean_auc(inside.label, of.held) for name, of in blind.items()},
        "site": whole.site,
    }  # fmt: skip
    if not len(outside):
        return result
    found = measure.auc_with_ci(outside.label, whole.external, outside.group)
    number = measure.counts(outside.label)
    return result | {
        "external": found["auc"], "external_low": found["patient_low"],
        "external_high": found["patient_high"],
        **{f"external_{name}": intervals.auc(outside.label, of.external) for name, of in blind.items()},
        "external_positives": number["positives"], "external_negatives": number["negatives"],
    }  # fmt: skip


def criterion(table: pd.DataFrame) -> pd.Series:
    """What decides: the worst of three numbers from inside the collection, each 0.5 for chance.

    AUC on cases that were not trained on; AUC on a site that was not; 0.5 and by how much the
    picture beats the better of border and frame, in which no disease can be seen.
    """
    gained = 0.5 + table.within - table[["border", "frame"]].max(axis=1)
    return pd.concat([table.within, table.site, gained], axis=1).min(axis=1, skipna=False)


def chosen(table: pd.DataFrame) -> int:
    """The place of the candidate that is kept: the highest criterion, and the first of equals."""
    return int(criterion(table).fillna(-1).to_numpy().argmax())


def compare(run: Run, data: Data) -> pd.DataFrame:
    """All candidates, and which is chosen: `fair_test/training_data.csv`."""
    found = pd.DataFrame([row(data, each) for each in candidates(run.profile.models)])
    found["criterion"] = criterion(found)
    return found.assign(chosen=np.arange(len(found)) == chosen(found))
