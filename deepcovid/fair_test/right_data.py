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
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from deepcovid import runs
from deepcovid.data import external
from deepcovid.fair_test import within
from deepcovid.metrics import intervals
from deepcovid.models import lungs, seen
from deepcovid.models.features import extract
from deepcovid.models.opened import Run
from deepcovid.shortcuts import mending
from deepcovid.shortcuts.eyes import Pooled
from deepcovid.shortcuts.measure import regression, write
from imageaudit import images

TRAINED_ON = ("release", "collection", "both")
PREPARED = (("none",), ("coarse", "equalise"), ("lungs", "coarse", "equalise"),
            ("lungs", "coarse", "equalise", "only_lungs"))  # fmt: skip
CLASSIFIERS = ("logistic", "ridge")
REPEATS, FEW = 5, 5


@dataclass(frozen=True)
class Candidate:
    """One way to train: on which images, as what network sees them, prepared how, by what.

    `model` names one network, or several joined by `+`, whose features stand beside each other.
    """

    trained_on: str
    model: str
    preparation: tuple[str, ...]
    classifier: str = "logistic"


def candidates(models) -> list[Candidate]:
    """Each network alone on all training data; several also together, on the collection alone."""
    alone = [Candidate(*of) for of in product(TRAINED_ON, models, PREPARED)]
    equalised = [steps for steps in PREPARED if "equalise" in steps]
    joined = ["+".join(models)] if len(models) > 1 else []
    return alone + [
        Candidate(*of) for of in product(("collection",), joined, equalised, CLASSIFIERS)
    ]


class Bench:
    """All images that candidates are trained on or judged by, and what networks make of them.

    `of` has a row per image: collection, CheXpert's training images without twins of the
    collection's, and the external folder's without twins of any of these, or of the run's data.
    `source` names which.
    """

    def __init__(self, opened: Run, table: pd.DataFrame):
        self.opened = opened
        other = opened.originals("train")
        other = other[other.label == 0]
        other = other.assign(path=opened.paths(other.image), source="other",
                             group="other " + other.patient, site="", part="train")  # fmt: skip
        collected = table.assign(name=[path.name for path in table.path], augmented_from="")
        other = seen.unseen(other, collected, opened.signatures)
        other = other[other.reason == ""]
        here = table.assign(source="collection", group="collection " + table.group.astype(str))
        parts = [here, other]
        if opened.profile.external:
            trained_on = pd.concat([collected, opened.everything()]).drop_duplicates("sha1")
            there = seen.unseen(
                external.table(Path(opened.profile.external)), trained_on, opened.signatures
            )
            there = there[there.reason == ""]
            parts.append(there.assign(source="external", group="external " + there.patient, site="",
                                      part=""))  # fmt: skip
        columns = ["image", "path", "sha1", "label", "source", "group", "site", "part"]
        self.of = pd.concat([part[columns] for part in parts], ignore_index=True)
        self.inside = (self.of.source == "collection").to_numpy()
        self.outside = (self.of.source == "external").to_numpy()
        self.found: dict[Path, np.ndarray] = {}  # lungs, by path

    def prepare(self, steps: tuple[str, ...]):
        prepared = Run(replace(self.opened.profile, preparation=steps)).preparation
        if prepared is not None:
            prepared.found = self.found
        return prepared

    def values(self, candidate: Candidate, blind: bool = False) -> np.ndarray:
        """What the frozen networks make of all pictures, or of their borders: (n, columns)."""
        names = candidate.model.split("+")
        return np.hstack([self.features(name, candidate.preparation, blind) for name in names])

    def features(self, name: str, steps: tuple[str, ...], blind: bool) -> np.ndarray:
        """The same of one network."""
        prepare = self.prepare(steps)
        variant = (
            prepare.variant if prepare else ""
        ) + f" border {mending.SIDE}, before any cut" * blind
        change = (
            partial(mending.changed, prepare=prepare, border=blind, copy=0) if variant else None
        )
        network, _ = self.opened.build(name, self.opened.profile.seeds[0])
        return extract(
            Pooled(network.backbone), list(self.of.path), list(self.of.sha1), range(len(self.of)),
            self.opened.profile.image_size, self.opened.device,
            label=f"{name}, {', '.join(steps)}", change=change, variant=variant,
        )  # fmt: skip

    @cached_property
    def frames(self) -> np.ndarray:
        """Where the lungs lie in each picture, and its aspect ratio: (n, 6)."""
        finder = self.prepare(("lungs",))
        rows = []
        for path in self.of.path:
            picture = images.open_radiograph(path)
            if path not in self.found:
                self.found[path] = lungs.find(finder.segmenter, picture)
            lung = self.found[path]
            rows.append([*lungs.box(lung), lung.mean(), picture.width / picture.height])
        return np.array(rows)


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
    return regression(kind)


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

    return within.out_of_fold(part.label.to_numpy(), part.group.to_numpy(), scored, REPEATS)


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


def row(bench: Bench, candidate: Candidate) -> dict:
    """All numbers of one candidate. Nothing of `external` is asked before the last lines."""
    part, on = bench.of[bench.inside], candidate.trained_on
    label, group = part.label.to_numpy(), part.group.to_numpy()
    kind = "ridge" if candidate.classifier == "ridge" else "network"
    inputs = {"picture": (bench.values(candidate), kind),
              "border": (bench.values(candidate, blind=True), kind), "frame": (bench.frames, "table")}  # fmt: skip
    inside = {
        name: within.judged(label, cross_validated(bench, values, on, how), group)
        for name, (values, how) in inputs.items()
    }
    seen = inside["picture"]
    result = {
        "trained_on": on, "model": candidate.model, "classifier": candidate.classifier,
        "preparation": ",".join(candidate.preparation), "images": int(rows_of(bench, on).sum()),
        "within": seen["auc"], "within_low": seen["case_low"], "within_high": seen["case_high"],
        "border": inside["border"]["auc"], "frame": inside["frame"]["auc"],
        "site": site_auc(bench, inputs["picture"][0], on, kind),
    }  # fmt: skip
    return result | (external_aucs(bench, inputs, on) if bench.outside.any() else {})


def external_aucs(bench: Bench, inputs: dict, trained_on: str) -> dict:
    """AUC on the external images, with an interval by patients, and what border and frame reach there."""
    there, aucs = bench.of[bench.outside], {}
    for name, (values, kind) in inputs.items():
        model = fitted(bench, values, rows_of(bench, trained_on), kind)
        score = model.predict_proba(values[bench.outside])[:, 1]
        aucs[name] = intervals.auc(there.label, score)
        if name == "picture":
            low, high = intervals.bootstrap(there.label, score, there.group)["auc"]
    return {"external": aucs["picture"], "external_low": low, "external_high": high,
            "external_border": aucs["border"], "external_frame": aucs["frame"],
            "external_positives": int(there.label.sum()),
            "external_negatives": int((1 - there.label).sum())}  # fmt: skip


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
    segmented = bench.prepare(("lungs",)).variant  # the candidates' own preparations need it
    stamp = runs.digest([segmented, bench.opened.depends(bench.of, "fair_test.right_data")])
    for candidate in candidates(bench.opened.profile.models):
        path = folder / f"{runs.digest([repr(candidate), stamp])}.json"
        if not path.exists():
            runs.write_json(path, row(bench, candidate))
        yield runs.read_json(path)


def run(opened: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Measure all candidates, choose one, and write `fair_test/right_data.csv`."""
    found = pd.DataFrame(measured(Bench(opened, table), opened.folder / "fair_test" / "right_data"))
    found["criterion"] = criterion(found)
    found["chosen"] = np.arange(len(found)) == chosen(found)
    return write(found, opened.folder / "fair_test" / "right_data.csv")
