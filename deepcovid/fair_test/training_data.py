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

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid.data import duplicates, manifest
from deepcovid.fair_test.within import left_out
from deepcovid.metrics.intervals import auc, ci_columns
from deepcovid.models.run import Run
from deepcovid.shortcuts import probing
from deepcovid.shortcuts.encoders import FeatureBank
from deepcovid.shortcuts.probing import Candidate, auc_by_group
from imageaudit import images

TRAINED_ON = ("release", "collection", "both")
PREPARED = (("none",), ("downsample", "equalise"), ("crop_lungs", "downsample", "equalise"),
            ("crop_lungs", "downsample", "equalise", "mask_lungs"))  # fmt: skip
CLASSIFIERS = ("logistic", "ridge")


def candidates(models) -> list[Candidate]:
    """Each network alone on all training data; several also together, on the collection alone."""
    alone = product(TRAINED_ON, models, PREPARED)
    joined = ["+".join(models)] if len(models) > 1 else []
    together = product(("collection",), joined, PREPARED[1:], CLASSIFIERS)
    return [Candidate(*of) for of in (*alone, *together)]


def images_of(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """All images that candidates are trained on or tested by, a row each; `source` names which.

    The collection's (`table`, of `collection.of`), CheXpert's training images without twins of these,
    and the external folder's without twins of any of these, or of the run's data.
    """
    other = run.originals("train")
    other = other[other.label == 0]
    other = other.assign(path=run.paths(other.image), group="other " + other.patient, part="train")
    collected = table.assign(name=[path.name for path in table.path], augmented_from="")
    other = duplicates.unseen(other, collected, run.signatures)
    there = manifest.external(Path(run.profile.external))
    for known in (run.everything(), collected):  # the first as the step `external` has asked
        there = duplicates.unseen(there, known, run.signatures)
        there = there[there.reason == ""]
    there = there.assign(group="external " + there.patient, part="")
    here = table.assign(group="collection " + table.group.astype(str), reason="")
    parts = {"collection": here, "other": other.assign(site=""), "external": there.assign(site="")}
    found = pd.concat([part[part.reason == ""].assign(source=name) for name, part in parts.items()])
    columns = ["image", "path", "sha1", "label", "source", "group", "site", "part"]
    return found[columns].reset_index(drop=True)


class Data(probing.Images):
    """Images as `images_of` lists them. Folds are of the collection."""

    repeats = 5

    def __init__(self, of: pd.DataFrame, bank: FeatureBank, models):
        self.external = (of.source == "external").to_numpy()
        self.framings: dict = {}  # scores by what is trained on: the same for all candidates
        super().__init__(of, bank, models, (of.source == "collection").to_numpy())

    def fitted(self, candidate: Candidate) -> np.ndarray:
        other = (self.of.source == "other").to_numpy()
        train = self.of.part.isin(["train", "validation"]).to_numpy()
        rows = {"release": self.scored & train & (self.label == 1) | other,
                "collection": self.scored, "both": self.scored | other}  # fmt: skip
        return rows[candidate.trained_on]

    def weights(self, candidate: Candidate, rows: np.ndarray) -> np.ndarray:
        """The same sum for each source and class, so that the source gives no class away; mean 1."""
        kind = 2 * pd.factorize(self.of.source)[0][rows] + self.label[rows]
        weight = 1 / np.bincount(kind)[kind]
        return weight / weight.mean()

    def framing(self, candidate: Candidate) -> probing.Scores:
        """By where the lungs lie in each picture as it is, and its aspect ratio."""
        if candidate.trained_on not in self.framings:
            sizes = np.array([images.open_radiograph(path).size for path in self.of.path])
            values = np.column_stack([self.bank.framing(self.of), sizes[:, 0] / sizes[:, 1]])
            self.framings[candidate.trained_on] = self.scores(candidate, values, "table")
        return self.framings[candidate.trained_on]

    def auc_of_sites(self, candidate: Candidate) -> float:
        """Mean AUC over the collection's sites, each left out of the fit; NaN where none can be.

        Images of the collection whose site is unknown are not trained on: they may be of that site.
        """
        known = self.fitted(candidate) & (~self.scored | (self.of.site != "").to_numpy())
        values, weight, aucs = self.values(candidate), partial(self.weights, candidate), []
        for _, fit, test in left_out(self.of, known):
            score = probing.fit_score(values, self.label, fit, test, candidate.classifier, weight)
            aucs.append(auc(self.label[test], score))
        return float(np.mean(aucs or [np.nan]))


def row(data: Data, candidate: Candidate) -> dict:
    """All numbers of one candidate. Nothing of `external` is chosen by."""
    inside, outside, scores = data.of[data.scored], data.of[data.external], data.evaluate(candidate)
    held, every = scores[""].held, scores[""].every[data.external]
    blind = {end: of for end, of in scores.items() if end}
    return {
        "trained_on": candidate.trained_on, "model": candidate.model,
        "classifier": candidate.classifier, "preprocessing": ",".join(candidate.preprocessing),
        "images": int(data.fitted(candidate).sum()),
        **ci_columns("within", *auc_by_group(inside.label, held, inside.group)),
        **{end[1:]: auc(inside.label, of.held) for end, of in blind.items()},
        "site": data.auc_of_sites(candidate),
        **ci_columns("external", *auc_by_group(outside.label, every, outside.group)),
        **{f"external{end}": auc(outside.label, of.every[data.external])
           for end, of in blind.items()},
        **{f"external_{name}": n for name, n in probing.counts(outside.label).items()},
    }  # fmt: skip


def criterion(table: pd.DataFrame) -> pd.Series:
    """What decides: the worst of three numbers from inside the collection, each 0.5 for chance.

    AUC on cases that were not trained on; AUC on a site that was not; 0.5 and by how much the
    picture beats the better of border and frame, which can hardly show the disease.
    """
    gained = 0.5 + table.within - table[["border", "frame"]].max(axis=1)
    return pd.concat([table.within, table.site, gained], axis=1).min(axis=1, skipna=False)


def chosen(table: pd.DataFrame) -> int:
    """The place of the candidate that is kept: the highest criterion, and the first of equals."""
    return int(criterion(table).fillna(-1).to_numpy().argmax())


def compare(data: Data) -> pd.DataFrame:
    """All candidates, and which is chosen: `fair_test/training_data.csv`."""
    found = pd.DataFrame([row(data, each) for each in candidates(data.models)])
    found["criterion"] = criterion(found)
    return found.assign(chosen=np.arange(len(found)) == chosen(found))
