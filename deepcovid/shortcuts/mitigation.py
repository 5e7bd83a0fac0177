"""What can be taken from the pictures so that the score holds in another hospital?

Each step prepares all pictures alike (see `preprocessing`), fits a logistic regression to what a
frozen backbone makes of the training images, and is judged inside and outside. Which step is kept
is decided on training images alone, by `chosen`; other collections are looked at, never asked.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from deepcovid.data import manifest
from deepcovid.data.duplicates import unseen
from deepcovid.io import cached_table
from deepcovid.metrics import intervals
from deepcovid.models import fitting, lungs
from deepcovid.models.run import Run
from deepcovid.runs import UserError
from deepcovid.shortcuts import ablations, measure
from deepcovid.shortcuts.encoders import SIDE, FeatureBank, first_model
from deepcovid.shortcuts.probing import Candidate, Images, counts

COLUMNS = (
    "step", "preprocessing", "copies", "matched",
    "cv", "cv_border", "border_lung", "cv_frame", "gap", "gap_low", "gap_high", "wins", "chosen",
    "test", "test_low", "test_high", "test_border", "test_frame",
    "external", "external_low", "external_high", "external_border", "external_frame",
    "source", "positives", "negatives",
)  # fmt: skip
STEPS = {
    "nothing": ("none",),
    "grey": ("grey",),
    "equalised": ("equalise",),
    "coarse": ("downsample",),
    "coarse, equalised": ("downsample", "equalise"),
    "cut to the lungs": ("crop_lungs",),
    "cut to the lungs, equalised": ("crop_lungs", "equalise"),
    "cut to the lungs, coarse, equalised": ("crop_lungs", "downsample", "equalise"),
    "only the lungs, coarse, equalised": ("crop_lungs", "downsample", "equalise", "mask_lungs"),
}
# what is done to the training set, on top of the chosen step
MORE = {"moved copies": {"copies": 3}, "views matched": {"matched": True}}


class Data(Images):
    """The images of a run, and external ones that are not among them."""

    def __init__(self, run: Run):
        here = measure.collection(run.manifest, run.data)
        folder = Path(run.profile.external)
        there = unseen(manifest.external(folder), run.everything(), run.signatures)
        there = there[there.reason == ""].assign(folder="external")
        if there.label.nunique() < 2:
            raise UserError(f"No class of {folder} may be all duplicates of {run.profile.data}.")
        of = pd.concat([here, there], ignore_index=True).rename(columns={"patient": "group"})
        parts = ("train", "test", "external")
        self.train, self.test, self.external = ((of.folder == part).to_numpy() for part in parts)
        super().__init__(of, FeatureBank(run, of), [first_model(run)], self.train)

    def fitted(self, candidate: Candidate) -> np.ndarray:
        return self.train

    def weights(self, candidate: Candidate, rows: np.ndarray) -> np.ndarray:
        """One for each image; where `matched`, such that each view weighs the same in both classes.

        Views that only one class has weigh nothing.
        """
        weight = np.ones(len(self.of))
        if candidate.matched:
            label = self.label[self.train]
            view = torch.tensor(pd.factorize(self.of["view"][self.train])[0])
            found = fitting.matched(torch.tensor(label), view).numpy()
            # the regression balances the classes itself
            per_class = np.bincount(label[found > 0]) / np.bincount(label, found)
            weight[self.train] = found * per_class[label]
        return weight[rows]

    def border_lung(self) -> float:
        """Share of the lungs' area that the border shows: mean of training pictures with lungs."""
        rows, columns = ablations.box((lungs.SIZE, lungs.SIZE), SIDE)
        found = [self.bank.lungs[path] for path in self.of.path[self.train]]
        return float(np.mean([1 - lung[rows, columns].sum() / lung.sum() for lung in found
                              if not lungs.missed(lung)] or [np.nan]))  # fmt: skip


def row(data: Data, name: str, candidate: Candidate) -> dict:
    """All numbers of one step."""
    found = data.evaluate(candidate)
    result = {
        "step": name, "preprocessing": ",".join(candidate.preprocessing),
        "copies": candidate.copies, "matched": candidate.matched, "border_lung": data.border_lung(),
    }  # fmt: skip
    parts = {"test": data.test, "external": data.external}
    for end, scores in found.items():
        result[f"cv{end}_scores"] = scores.held[0]
        result[f"cv{end}"] = intervals.auc(data.label[data.train], scores.held[0])
        for part, rows in parts.items():
            of = data.label[rows], scores.every[rows]
            ends = intervals.auc_interval(*of)
            result |= intervals.ci_columns(part + end, intervals.auc(*of), *ends)
    score = found[""].every
    # Non-COVID images of both collections: at 0.5 the score does not tell where one comes from
    healthy = (data.label == 0) & ~data.train
    result["source"] = intervals.auc(data.external[healthy].astype(int), score[healthy])
    return result | counts(data.label[data.external])


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
        scores = table[f"{column}_scores"]
        return np.array([intervals.resample_auc(label, one, patient) for one in scores])

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
    data, model = Data(run), first_model(run)
    rows = [row(data, name, Candidate("train", model, steps)) for name, steps in STEPS.items()]
    best = rows[chosen(pd.DataFrame(rows))]["step"]
    rows += [row(data, f"{best}; {name}", Candidate("train", model, STEPS[best], **more))
             for name, more in MORE.items()]  # fmt: skip
    train = data.of[data.train]
    table = with_resamples(with_gap(pd.DataFrame(rows)), train.label.to_numpy(), train.group)
    return table.assign(chosen=np.arange(len(table)) == chosen(table))[list(COLUMNS)]


def run(run: Run) -> pd.DataFrame:
    """Measure all steps on a run's images and its external folder, unless that was done.

    `mitigation.csv`, a row per step. ROC AUCs: `cv` of training images by models fitted without
    their patients; `test`; `external` without images that are also in the data. Of each, `_border` is
    of a model that gets only what lay in the outer eighth of each side, before any cut (of the lungs'
    area that is `border_lung`), `_frame` of one that gets only where the lungs lie in the picture.
    `source`: how well the score separates Non-COVID images of the two collections; 0.5 is not at all.
    Intervals are DeLong's, 95%; of `gap`, and how often it `wins`, see `with_resamples`.
    Without an external folder, or where the profile prepares nothing, there is nothing to decide: a
    table without rows, and no file.
    """
    if not run.profile.external or run.profile.preprocessing == ("none",):
        return pd.DataFrame(columns=list(COLUMNS))
    stamp = run.depends("shortcuts.mitigation")
    return cached_table(run.folder / "mitigation.csv", stamp, lambda: measure_steps(run))
