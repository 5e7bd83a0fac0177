"""Trained and judged within one collection: is the fair question free of shortcuts?

Every model is fitted on some cases of the collection and judged on others, in folds that keep a case
whole and are drawn several times. Nothing is chosen, so nothing needs a second round of folds.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image

from deepcovid.fair_test.names import EVERYTHING, SEEN
from deepcovid.metrics import intervals
from deepcovid.models import fitting
from deepcovid.models.run import Run
from deepcovid.shortcuts import encoders, measure
from deepcovid.shortcuts.ablations import ImageAblation, all_ablations, lung_masks
from deepcovid.shortcuts.measure import counts, regression, table_model, write

REPEATS = 4
KIND = {"random": "untrained", "none": "none"}  # of weights; all others are pretrained
SITES = ("whole picture", "outer 5% of each side")  # what a left-out site is judged by
FEW, LEAST = 10, 5  # images of each class that a question needs, and a site that is left out
PROPERTIES = {
    "file properties": ("mode", "aspect ratio"),
    "view, age, sex": ("view", "age", "sex"),
}


class Probe(NamedTuple):
    """Values of all images, and what makes a fresh scikit-learn model for some of them."""

    words: dict  # of its rows
    values: np.ndarray | pd.DataFrame
    model: Callable

    def score(self, label: np.ndarray, fit, judge) -> np.ndarray:
        """Scores of the images at `judge` by a model fitted on those at `fit`."""
        rows = self.values.iloc if isinstance(self.values, pd.DataFrame) else self.values
        fitted = self.model(rows[fit]).fit(rows[fit], label[fit])
        return fitted.predict_proba(rows[judge])[:, 1]


def judged(label, score: np.ndarray, group) -> dict[str, float]:
    """AUC of out-of-fold scores (repeats, n), the mean over repeats, with a 95% interval.

    The interval resamples groups, each resample's AUC being the mean over repeats as well.
    `auc_least`, `auc_most`: of the repeats, which differ in their folds alone.
    """
    each = [intervals.auc(label, row) for row in score]
    found = measure.auc(label, score, group, "case")
    found |= {"auc_least": min(each), "auc_most": max(each)}
    return found | counts(label) | {"groups": len(np.unique(group))}


def questions(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The collection's images, and parts of it that are alike in one thing, if they hold enough."""
    parts = {EVERYTHING: table}
    for column, name in (("site", "site"), ("view", "view")):
        counts = table[table[column] != ""].groupby(column).label.agg(["sum", "size"])
        enough = (counts["sum"] >= FEW) & (counts["size"] - counts["sum"] >= FEW)
        parts |= {f"{name} {v} only": table[table[column] == v] for v in counts.index[enough]}
    return parts


def as_prepared(run: Run, look: ImageAblation) -> ImageAblation:
    """The look as the run's models see pictures: prepared, where nothing is taken from them."""
    prepare = run.preprocessing
    if look.change or prepare is None:
        return look
    return replace(look, change=prepare, variant=prepare.variant)


def properties(table: pd.DataFrame) -> pd.DataFrame:
    """What is known of each image without its picture: mode, aspect ratio, view, age, sex."""
    rows = []
    for path in table.path:
        with Image.open(path) as picture:
            rows.append({"mode": picture.mode, "aspect ratio": picture.width / picture.height})
    known = pd.DataFrame(rows, index=table.index)
    return known.assign(view=table["view"], sex=table.sex, age=pd.to_numeric(table.age, "coerce"))


def of_properties(table: pd.DataFrame) -> Iterator[Probe]:
    known = properties(table)
    for name, columns in PROPERTIES.items():
        part = known[list(columns)]
        if (part.notna() & (part != "")).any(axis=None):
            words = {"seen": name, "model": "table", "weights": "none", "weights_kind": "none"}
            yield Probe(words, part, partial(table_model, names=columns, trees=False))


def of_pictures(run: Run, table: pd.DataFrame, seen: list[ImageAblation]) -> Iterator[Probe]:
    for look in seen:
        kind = "table" if look.network == "none" else "network"
        for name, (network, weights) in own_and_untrained(run, look):
            words = {"seen": look.seen, "model": name, "weights": weights}
            words["weights_kind"] = KIND.get(weights, "pretrained")
            values = encoders.encode(run, network, table, as_prepared(run, look))
            yield Probe(words, values, lambda _, kind=kind: regression(kind))


def own_and_untrained(run: Run, look: ImageAblation) -> Iterator[tuple]:
    """All that look, by the name of the model: each model's own backbone and an untrained one.

    Whole pictures are seen by all models of the run, all else by the first, as in notebook 07.
    """
    if look.network == "none":
        yield "histogram", encoders.encoder(run, "none", "")
        return
    for name in run.profile.models[: None if look.seen == "whole picture" else 1]:
        yield name, (own := encoders.encoder(run, "own", name))
        if own[1] != "random":
            yield name, encoders.encoder(run, "untrained", name)


def battery(table: pd.DataFrame, probes: list[Probe]) -> Iterator[dict]:
    """A row for each probe and question: how well COVID-19 is told within the collection."""
    label = table.label.to_numpy()
    for probe in probes:
        for question, part in questions(table).items():
            rows = table.index.get_indexer(part.index)
            held = measure.out_of_fold(
                label[rows], part.group,
                lambda fit, judge, p=probe, r=rows: p.score(label, r[fit], r[judge]), REPEATS,
            )  # fmt: skip
            words = {"question": question, **probe.words, "recipe": "regression"}
            yield words | judged(label[rows], held, part.group)


def by_recipe(run: Run, table: pd.DataFrame) -> Iterator[dict]:
    """The run's own recipe, its last layer trained on the collection, by the same folds.

    COVID-19 images are the many here, so none are augmented.
    """
    profile = replace(run.profile, trainable="head", train_crop="none", batch_norm="eval",
                      selection="last")  # fmt: skip
    label = torch.tensor(table.label.to_numpy())
    # for recipes that weigh them: all are of one source
    view, source = torch.tensor(pd.factorize(table["view"])[0]), torch.zeros_like(label)
    whole = as_prepared(run, ImageAblation("whole", "whole picture"))
    for name in run.profile.models:
        start, origin = run.build(name, run.profile.seeds[0])
        found = torch.from_numpy(encoders.encode(run, start.backbone, table, whole))

        def fitted(fit, judge, name=name, found=found):
            model, _ = run.build(name, run.profile.seeds[0])
            inputs = fitting.Inputs(
                label[fit], cached=found[fit], source=source[fit], view=view[fit]
            )
            fitting.fit(profile, model, {"train": inputs}, run.profile.seeds[0])
            logits = fitting.predict(model, fitting.Inputs(label[judge], cached=found[judge]))
            return logits.softmax(1)[:, 1].numpy()

        words = {"question": EVERYTHING, "seen": "whole picture", "model": name,
                 "weights": origin.label(), "weights_kind": KIND.get(origin.label(), "pretrained"), "recipe": "the profile's"}  # fmt: skip
        held = measure.out_of_fold(label.numpy(), table.group, fitted, 1)
        yield words | judged(label.numpy(), held, table.group)


def left_out(table: pd.DataFrame, probes: list[Probe]) -> Iterator[dict]:
    """Fitted on all sites of publication but one, judged on that one: whole pictures and borders.

    Images whose site is not known are in neither, since they may be of the site left out.
    """
    known = table.site != ""
    counted = table[known].groupby("site").label.agg(["sum", "size"])
    enough = (counted["sum"] >= LEAST) & (counted["size"] - counted["sum"] >= LEAST)
    for probe in probes:
        for site in counted.index[enough]:
            here = table.site == site
            part, fit = table[here], known & ~table.group.isin(table.group[here])
            score = probe.score(table.label.to_numpy(), fit.to_numpy(), here.to_numpy())
            found = measure.auc(part.label, score, part.group, "case") | counts(part.label)
            yield {"site": site, **probe.words, **found, "fitted_on": int(fit.sum())}


def chosen_looks(run: Run) -> list[ImageAblation]:
    """The looks of SEEN that this run's masks allow."""
    found = {
        look.seen: look
        for look in all_ablations(lung_masks(run.data))
        if look.network != "untrained"
    }
    return [found[name] for name in SEEN if name in found]


def run(run: Run, table: pd.DataFrame) -> None:
    """Write `fair_test/within.csv` and `fair_test/sites.csv`, of `collection.of`'s table."""
    folder = run.folder / "fair_test"
    probes = [*of_properties(table), *of_pictures(run, table, chosen_looks(run))]
    judging = [probe for probe in probes if probe.words["seen"] in SITES]
    rows = [*battery(table, probes), *by_recipe(run, table)]
    write(pd.DataFrame(left_out(table, judging)), folder / "sites.csv")
    write(pd.DataFrame(rows), folder / "within.csv")
