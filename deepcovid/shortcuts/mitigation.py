"""What can be taken from the pictures so that the score holds in another hospital?

Each step prepares all pictures alike (see `preprocessing`), fits a logistic regression to what a
frozen backbone makes of the training images, and is judged inside and outside. Which step is kept
is decided on training images alone, by `chosen`; other collections are looked at, never asked.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from deepcovid.data import external
from deepcovid.metrics import intervals
from deepcovid.models import fitting, lungs
from deepcovid.models.run import Run
from deepcovid.models.seen import unseen
from deepcovid.runs import UserError
from deepcovid.shortcuts import ablations, measure
from deepcovid.shortcuts.encoders import SIDE, FeatureBank, first_model

COLUMNS = (
    "step", "preprocessing", "copies", "matched",
    "cv", "cv_border", "border_lung", "cv_frame", "gap", "gap_low", "gap_high", "wins", "chosen",
    "test", "test_low", "test_high", "test_border", "test_frame",
    "external", "external_low", "external_high", "external_border", "external_frame",
    "with_duplicates", "source", "positives", "negatives",
)  # fmt: skip
COPIES = 3  # of each training image, moved, where a step adds such


@dataclass(frozen=True)
class Step:
    """One way to prepare: what is done to pictures, and to the training set."""

    does: str
    preprocessing: tuple[str, ...] = ()
    copies: int = 0  # moved copies of each training image
    matched: bool = False  # both classes weighted to the same mix of views


CANDIDATES = (
    Step("nothing"),
    Step("grey", ("grey",)),
    Step("equalised", ("equalise",)),
    Step("coarse", ("downsample",)),
    Step("coarse, equalised", ("downsample", "equalise")),
    Step("cut to the lungs", ("crop_lungs",)),
    Step("cut to the lungs, equalised", ("crop_lungs", "equalise")),
    Step("cut to the lungs, coarse, equalised", ("crop_lungs", "downsample", "equalise")),
    Step(
        "only the lungs, coarse, equalised", ("crop_lungs", "downsample", "equalise", "mask_lungs")
    ),
)
# what is done to the training set, on top of the chosen step
MORE = (("moved copies", {"copies": COPIES}), ("views matched", {"matched": True}))


class Data:
    """The images of a run and external ones, `of`, under any preprocessing."""

    def __init__(self, run: Run):
        here = measure.collection(run.manifest, run.data)
        folder = Path(run.profile.external)
        there = unseen(external.table(folder), run.everything(), run.signatures)
        there = there.rename(columns={"reason": "duplicate"}).drop(columns=["twin", "source"])
        of = pd.concat([here, there.assign(folder="external")], ignore_index=True)
        self.of, self.name = of.fillna({"duplicate": ""}), first_model(run)
        self.bank = FeatureBank(run, of)
        self.train, self.test, self.external = (
            (of.folder == part).to_numpy() for part in ("train", "test", "external")
        )
        self.fresh = self.external & (self.of.duplicate == "").to_numpy()
        if of.label[self.fresh].nunique() < 2:
            raise UserError(f"No class of {folder} may be all duplicates of {run.profile.data}.")

    def values(self, step: Step, border: bool = False) -> list[np.ndarray]:
        """Features of all pictures, then of each moved copy of those for training."""
        parts = [self.of, *[self.of[self.train]] * step.copies]
        return [self.bank.encode(part, self.bank.ablation(step.preprocessing, border, copy), self.name)
                for copy, part in enumerate(parts)]  # fmt: skip

    def border_lung(self) -> float:
        """Share of the lungs' area that the border shows: mean of training pictures with lungs."""
        rows, columns = ablations.box((lungs.SIZE, lungs.SIZE), SIDE)
        found = [self.bank.lungs[path] for path in self.of.path[self.train]]
        return float(np.mean([1 - lung[rows, columns].sum() / lung.sum() for lung in found
                              if not lungs.missed(lung)] or [np.nan]))  # fmt: skip


def weights(of: pd.DataFrame, matched: bool) -> np.ndarray:
    """One for each image; where `matched`, such that each view weighs the same in both classes.

    Views that only one class has weigh nothing.
    """
    if not matched:
        return np.ones(len(of))
    label, view = of.label.to_numpy(), pd.factorize(of["view"])[0]
    weight = fitting.matched(torch.tensor(label), torch.tensor(view)).numpy()
    # the regression balances the classes itself
    per_class = np.bincount(label[weight > 0]) / np.bincount(label, weight)
    return weight * per_class[label]


def predict(data: Data, values, kind: str, step: Step, moved=()) -> dict[str, np.ndarray]:
    """Scores of training images by models fitted without their patients, and of all other images.

    `moved` are further values of the training images, fitted beside the first.
    """
    of, own = data.of[data.train], values[data.train]
    label, weight = of.label.to_numpy(), weights(of, step.matched)

    def fit(rows):
        x = np.concatenate([own[rows], *(more[rows] for more in moved)])
        times = 1 + len(moved)
        return measure.regression(kind).fit(
            x, np.tile(label[rows], times), logisticregression__sample_weight=np.tile(weight[rows], times)
        )  # fmt: skip

    held = measure.out_of_fold(
        label, of.patient, lambda rows, test: fit(rows).predict_proba(own[test])[:, 1], 1
    )
    return {"cv": held[0], "all": fit(np.arange(len(of))).predict_proba(values)[:, 1]}


def row(data: Data, step: Step) -> dict:
    """All numbers of one step."""
    label, parts = data.of.label.to_numpy(), {"test": data.test, "external": data.fresh}
    (whole, *moved), (border, *moved_border) = data.values(step), data.values(step, border=True)
    found = {
        "": predict(data, whole, "network", step, moved),
        "_border": predict(data, border, "network", step, moved_border),
        "_frame": predict(data, data.bank.framing(data.of, step.preprocessing), "table", step),
    }
    result = {
        "step": step.does, "preprocessing": ",".join(step.preprocessing) or "none",
        "copies": step.copies, "matched": step.matched, "border_lung": data.border_lung(),
    }  # fmt: skip
    for end, scores in found.items():
        result[f"cv{end}_scores"] = scores["cv"].tolist()
        result[f"cv{end}"] = intervals.auc(label[data.train], scores["cv"])
        for name, part in parts.items():
            result[f"{name}{end}"] = intervals.auc(label[part], scores["all"][part])
    score = found[""]["all"]
    for name, part in parts.items():
        low, high = intervals.auc_interval(label[part], score[part])
        result |= {f"{name}_low": low, f"{name}_high": high}
    result["with_duplicates"] = intervals.auc(label[data.external], score[data.external])
    # Non-COVID images of both collections: at 0.5 the score does not tell where one comes from
    healthy = (label == 0) & (data.test | data.fresh)
    result["source"] = intervals.auc(data.fresh[healthy].astype(int), score[healthy])
    return result | measure.counts(label[data.fresh])


def with_gap(table: pd.DataFrame) -> pd.DataFrame:
    """With `gap`: cross-validated AUC less the better of border and frame."""
    return table.assign(gap=table.cv - table[["cv_border", "cv_frame"]].max(axis=1))


def with_resamples(table: pd.DataFrame, label, patient) -> pd.DataFrame:
    """With what the gaps would be for other patients: resamples of those of the training images.

    `gap_low`, `gap_high`: the gap's 95% interval. `wins`: share of the resamples in which the step
    has the widest gap of all, and would be kept. `table` has the cross-validated scores of `row`;
    all steps and rivals share the resamples. What is added to the chosen step stays as it is.
    """

    def draws(column: str) -> np.ndarray:
        scores = (np.asarray(of, dtype=float) for of in table[f"{column}_scores"])
        return np.array([intervals.resample(label, one, patient)["auc"] for one in scores])

    gaps = draws("cv") - np.maximum(draws("cv_border"), draws("cv_frame"))
    low, high = np.quantile(gaps, (0.025, 0.975), axis=1)
    wins = np.bincount(gaps.argmax(axis=0), minlength=len(table)) / gaps.shape[1]
    return table.assign(gap_low=low, gap_high=high, wins=wins)


def chosen(table: pd.DataFrame) -> int:
    """The place of the step that is kept, by numbers of training images only.

    The widest `gap`: the most that is gained over what border and frame tell. The frame shows no
    lung, the border `border_lung` of it. A high score that the border reaches as well is no merit.
    """
    return int(with_gap(table).gap.to_numpy().argmax())


def measure_steps(run: Run) -> pd.DataFrame:
    """A row of each step, then of what is added to the chosen one."""
    data = Data(run)
    rows = [row(data, step) for step in CANDIDATES]
    best = CANDIDATES[chosen(pd.DataFrame(rows))]
    rows += [
        row(data, Step(f"{best.does}; {name}", best.preprocessing, **more)) for name, more in MORE
    ]
    train = data.of[data.train]
    table = with_resamples(
        with_gap(pd.DataFrame(rows)), train.label.to_numpy(), train.patient.to_numpy()
    )
    return table.assign(chosen=np.arange(len(table)) == chosen(table))[list(COLUMNS)]


def run(run: Run) -> pd.DataFrame:
    """Measure all steps on a run's images and its external folder, unless that was done.

    `mitigation.csv`, a row per step. ROC AUCs: `cv` of training images by models fitted without
    their patients; `test`; `external` without images that are also in the data, and
    `with_duplicates`. Of each, `_border` is of a model that gets only what lay in the outer eighth
    of each side, before any cut (of the lungs' area that is `border_lung`), `_frame` of one that
    gets only where the lungs lie in the picture. `source`: how well the score separates Non-COVID
    images of the two collections; 0.5 is not at all. Intervals are DeLong's, 95%; of `gap`, and how
    often it `wins`, see `with_resamples`.
    Without an external folder, or where the profile prepares nothing, there is nothing to decide: a
    table without rows, and no file.
    """
    if not run.profile.external or run.profile.preprocessing == ("none",):
        return pd.DataFrame(columns=list(COLUMNS))
    stamp = run.depends("shortcuts.mitigation")
    return measure.cached_table(run.folder / "mitigation.csv", stamp, lambda: measure_steps(run))
