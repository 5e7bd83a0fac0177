"""Are few images from the right source worth more than many from the wrong one?

Logistic regressions on frozen features, trained on the release (COVID-19 of the collection against
CheXpert), on the collection alone, or on both with the same weight for each source and class; with
the preparations of notebook 07. Which is kept is decided inside the collection, by `chosen`, written
before any of it was computed; another hospital's images judge it, and are never asked.

Six more candidates were decided on 29 November 2026, before any of them was computed: the features of
all networks of the run together, trained on the collection alone after each preparation that
equalises, by logistic regression as the others and by ridge. The criterion is the same for all. What
border and framing alone reach stands beside each, inside and externally.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from deepcovid.data import external
from deepcovid.metrics import intervals
from deepcovid.models import seen
from deepcovid.models.preprocessing import SEGMENTED
from deepcovid.models.run import Run
from deepcovid.shortcuts import measure, prepared
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


class Bench(prepared.Bench):
    """All images that candidates are trained on or judged by, and what networks make of them.

    `of` has a row per image: collection, CheXpert's training images without twins of the
    collection's, and the external folder's without twins of any of these, or of the run's data.
    `source` names which.
    """

    def __init__(self, run: Run, table: pd.DataFrame):
        other = run.originals("train")
        other = other[other.label == 0]
        other = other.assign(path=run.paths(other.image), source="other",
                             group="other " + other.patient, site="", part="train")  # fmt: skip
        collected = table.assign(name=[path.name for path in table.path], augmented_from="")
        other = seen.unseen(other, collected, run.signatures)
        other = other[other.reason == ""]
        here = table.assign(source="collection", group="collection " + table.group.astype(str))
        parts = [here, other]
        if run.profile.external:
            trained_on = pd.concat([collected, run.everything()]).drop_duplicates("sha1")
            there = seen.unseen(
                external.table(Path(run.profile.external)), trained_on, run.signatures
            )
            there = there[there.reason == ""]
            parts.append(there.assign(source="external", group="external " + there.patient, site="",
                                      part=""))  # fmt: skip
        columns = ["image", "path", "sha1", "label", "source", "group", "site", "part"]
        super().__init__(run, pd.concat([part[columns] for part in parts], ignore_index=True))
        self.inside = (self.of.source == "collection").to_numpy()
        self.outside = (self.of.source == "external").to_numpy()

    def values(self, candidate: Candidate, border: bool = False) -> np.ndarray:
        """What the frozen networks make of all pictures, or of their borders: (n, columns)."""
        names = candidate.model.split("+")
        return np.hstack([self.encode(name, candidate.preprocessing, border) for name in names])

    @cached_property
    def framing(self) -> np.ndarray:
        """Where the lungs lie in each picture, and its aspect ratio: (n, 6)."""
        sizes = [images.open_radiograph(path).size for path in self.of.path]
        return np.column_stack([self.frames(), [width / height for width, height in sizes]])


def rows_of(bench: Bench, trained_on: str) -> np.ndarray:
    """Which images a candidate may be trained on: bool (n,)."""
    of = bench.of
    other = (of.source == "other").to_numpy()
    own = bench.inside & ((of.label == 1) & of.part.isin(["train", "validation"])).to_numpy()
    return {"release": own | other, "collection": bench.inside, "both": bench.inside | other}[
        trained_on
    ]


def weights(of: pd.DataFrame) -> np.ndarray:
    """The same sum for each source and class, so that the source does not tell the class."""
    return 1 / of.groupby(["source", "label"]).label.transform("size").to_numpy()


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


def fitted(bench: Bench, values, rows: np.ndarray, kind: str = "network"):
    """A classifier fitted on the images `rows` (bool), weighted by source and class."""
    weight = weights(bench.of[rows])
    model = classifier(kind, values.shape[1])
    weighed = {f"{model.steps[-1][0]}__sample_weight": weight / weight.mean()}
    return model.fit(values[rows], bench.of.label[rows], **weighed)


def cross_validated(bench: Bench, values, trained_on: str, kind: str = "network") -> np.ndarray:
    """Scores of the collection's images, by models that saw no image of their case: (repeats, n)."""
    allowed, part = rows_of(bench, trained_on), bench.of[bench.inside]
    inner = np.flatnonzero(bench.inside)

    def scored(_, judge):
        groups = set(part.group.iloc[judge])
        rows = allowed & ~bench.of.group.isin(groups).to_numpy()
        return fitted(bench, values, rows, kind).predict_proba(values[inner[judge]])[:, 1]

    return measure.out_of_fold(part.label.to_numpy(), part.group, scored, REPEATS)


def site_auc(bench: Bench, values, trained_on: str, kind: str = "network") -> float:
    """Mean AUC over sites of publication, each judged by a model that saw none of its images.

    Images of the collection whose site is unknown are not trained on: they may be of that site.
    """
    of, found = bench.of, []
    known = ~bench.inside | (of.site != "").to_numpy()
    for site, counts in (
        of[bench.inside & known].groupby("site").label.value_counts().unstack(0, 0).items()
    ):
        if min(counts.get(0, 0), counts.get(1, 0)) < FEW:
            continue
        here = bench.inside & (of.site == site).to_numpy()
        rows = rows_of(bench, trained_on) & known & ~of.group.isin(of.group[here]).to_numpy()
        if of.label[rows].nunique() < 2:
            return float("nan")
        score = fitted(bench, values, rows, kind).predict_proba(values[here])[:, 1]
        found.append(intervals.auc(of.label[here], score))
    return float(np.mean(found)) if found else float("nan")


def scored(bench: Bench, values, trained_on: str, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Out-of-fold scores of the collection's images, (repeats, n); scores of the external ones, (m,)."""
    held, there = cross_validated(bench, values, trained_on, kind), np.empty(0)
    if bench.outside.any():
        model = fitted(bench, values, rows_of(bench, trained_on), kind)
        there = model.predict_proba(values[bench.outside])[:, 1]
    return held, there


def row(bench: Bench, candidate: Candidate) -> dict:
    """All numbers of one candidate. Nothing of `external` is asked before the last lines."""
    inside, outside, on = bench.of[bench.inside], bench.of[bench.outside], candidate.trained_on
    kind = "ridge" if candidate.classifier == "ridge" else "network"
    values = bench.values(candidate)
    if ("framing", on) not in bench.known:  # the same for all candidates with these images
        bench.known["framing", on] = scored(bench, bench.framing, on, "table")
    (held, there), blind = scored(bench, values, on, kind), {
        "border": scored(bench, bench.values(candidate, border=True), on, kind),
        "frame": bench.known["framing", on],
    }  # fmt: skip
    within = measure.auc(inside.label, held, inside.group, "case")
    result = {
        "trained_on": on, "model": candidate.model, "classifier": candidate.classifier,
        "preprocessing": ",".join(candidate.preprocessing), "images": int(rows_of(bench, on).sum()),
        "within": within["auc"], "within_low": within["case_low"], "within_high": within["case_high"],
        **{name: measure.mean_auc(inside.label, scores) for name, (scores, _) in blind.items()},
        "site": site_auc(bench, values, on, kind),
    }  # fmt: skip
    if not len(outside):
        return result
    found = measure.auc(outside.label, there, outside.group)
    number = measure.counts(outside.label)
    return result | {
        "external": found["auc"], "external_low": found["patient_low"],
        "external_high": found["patient_high"],
        **{f"external_{name}": intervals.auc(outside.label, scores)
           for name, (_, scores) in blind.items()},
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


def measured(bench: Bench, folder: Path) -> Iterator[dict]:
    """A row per candidate, kept in `folder` as they come, and not computed twice."""
    segmented = bench.prepare(tuple(SEGMENTED)).variant  # the candidates' own preparations need it
    stamp = [segmented, bench.run.depends(bench.of, "fair_test.right_data")]
    for candidate in candidates(bench.run.profile.models):
        yield measure.kept(folder, [repr(candidate), stamp], lambda c=candidate: row(bench, c))


def run(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Measure all candidates, choose one, and write `fair_test/right_data.csv`."""
    folder = run.folder / "fair_test"
    found = pd.DataFrame(measured(Bench(run, table), folder / "right_data"))
    found["criterion"] = criterion(found)
    found["chosen"] = np.arange(len(found)) == chosen(found)
    return measure.write(found, folder / "right_data.csv")
