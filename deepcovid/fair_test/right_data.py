"""Are few images from the right source worth more than many from the wrong one?

Logistic regressions on frozen features, trained on the release (COVID-19 of the collection against
CheXpert), on the collection alone, or on both with the same weight for each source and class; with
the preparations of notebook 07. Which is kept is decided inside the collection, by `chosen`, written
before any of it was computed; another hospital's images judge it, and are never asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

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
REPEATS, FEW = 5, 5


@dataclass(frozen=True)
class Candidate:
    """One way to train: on which images, as what network sees them, prepared how."""

    trained_on: str
    model: str
    preparation: tuple[str, ...]


def candidates(models) -> list[Candidate]:
    return [Candidate(*of) for of in product(TRAINED_ON, models, PREPARED)]


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
        """What the frozen network makes of all pictures, or of their borders: (n, columns)."""
        prepare = self.prepare(candidate.preparation)
        variant = (
            prepare.variant if prepare else ""
        ) + f" border {mending.SIDE}, before any cut" * blind
        change = (
            partial(mending.changed, prepare=prepare, border=blind, copy=0) if variant else None
        )
        network, _ = self.opened.build(candidate.model, self.opened.profile.seeds[0])
        return extract(
            Pooled(network.backbone), list(self.of.path), list(self.of.sha1), range(len(self.of)),
            self.opened.profile.image_size, self.opened.device,
            label=f"{candidate.model}, {', '.join(candidate.preparation)}", change=change, variant=variant,
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


def fitted(bench: Bench, values, rows: np.ndarray, kind: str = "network"):
    """A regression fitted on the images `rows` (bool), weighted by source and class."""
    weight = weights(bench.of[rows])
    weight = weight / weight.mean()
    return regression(kind).fit(
        values[rows], bench.of.label[rows], logisticregression__sample_weight=weight
    )


def cross_validated(bench: Bench, values, trained_on: str, kind: str = "network") -> np.ndarray:
    """Scores of the collection's images, by models that saw no image of their case: (repeats, n)."""
    allowed, part = rows_of(bench, trained_on), bench.of[bench.inside]
    inner = np.flatnonzero(bench.inside)

    def scored(_, judge):
        groups = set(part.group.iloc[judge])
        rows = allowed & ~bench.of.group.isin(groups).to_numpy()
        return fitted(bench, values, rows, kind).predict_proba(values[inner[judge]])[:, 1]

    return within.out_of_fold(part.label.to_numpy(), part.group.to_numpy(), scored, REPEATS)


def site_auc(bench: Bench, values, trained_on: str) -> float:
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
        score = fitted(bench, values, rows).predict_proba(values[here])[:, 1]
        found.append(intervals.auc(of.label[here], score))
    return float(np.mean(found)) if found else float("nan")


def row(bench: Bench, candidate: Candidate) -> dict:
    """All numbers of one candidate. Nothing of `external` is asked before the last lines."""
    part, on = bench.of[bench.inside], candidate.trained_on
    label, values = part.label.to_numpy(), bench.values(candidate)
    seen = within.judged(label, cross_validated(bench, values, on), part.group.to_numpy())
    blind = {
        "border": cross_validated(bench, bench.values(candidate, blind=True), on),
        "frame": cross_validated(bench, bench.frames, on, "table"),
    }
    result = {
        "trained_on": on, "model": candidate.model,
        "preparation": ",".join(candidate.preparation), "images": int(rows_of(bench, on).sum()),
        "within": seen["auc"], "within_low": seen["case_low"], "within_high": seen["case_high"],
        **{name: within.judged(label, score, part.group.to_numpy())["auc"] for name, score in blind.items()},
        "site": site_auc(bench, values, on),
    }  # fmt: skip
    if bench.outside.any():
        score = fitted(bench, values, rows_of(bench, on)).predict_proba(values[bench.outside])[:, 1]
        there = bench.of[bench.outside]
        low, high = intervals.bootstrap(there.label, score, there.group)["auc"]
        result |= {"external": intervals.auc(there.label, score), "external_low": low,
                   "external_high": high, "external_positives": int(there.label.sum()),
                   "external_negatives": int((1 - there.label).sum())}  # fmt: skip
    return result


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
