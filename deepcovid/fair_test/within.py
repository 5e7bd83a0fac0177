"""Trained and evaluated within one collection: is the fair question free of shortcuts?

Every model is fitted on some cases of the collection and scores others, in folds that keep a case
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

from deepcovid.fair_test.names import EVERYTHING, INPUTS
from deepcovid.metrics import intervals
from deepcovid.models import fitting
from deepcovid.models.run import Run
from deepcovid.shortcuts.ablations import WHOLE, ImageAblation, by_input, lung_masks
from deepcovid.shortcuts.encoders import FeatureBank
from deepcovid.shortcuts.measure import auc_with_ci, counts, out_of_fold, regression, table_model

REPEATS = 4
KIND = {"random": "untrained", "none": "none"}  # of weights; all others are pretrained
SITES = ("whole picture", "outer 5% of each side")  # what is asked of a site that is left out
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

    def fit_predict(self, label: np.ndarray, fit, test) -> np.ndarray:
        """Scores of the images at `test` by a model fitted on those at `fit`."""
        rows = self.values.iloc if isinstance(self.values, pd.DataFrame) else self.values
        fitted = self.model(rows[fit]).fit(rows[fit], label[fit])
        return fitted.predict_proba(rows[test])[:, 1]


def cross_val_auc(label, score: np.ndarray, group) -> dict[str, float]:
    """AUC of out-of-fold scores (repeats, n), the mean over repeats, with a 95% interval.

    The interval resamples groups, each resample's AUC being the mean over repeats as well.
    `auc_least`, `auc_most`: of the repeats, which differ in their folds alone.
    """
    each = [intervals.auc(label, row) for row in score]
    found = auc_with_ci(label, score, group, "case")
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


def as_prepared(bank: FeatureBank, ablation: ImageAblation) -> ImageAblation:
    """The ablation as the run's models get pictures: preprocessed, where nothing is taken away."""
    prepare = bank.preprocessing(bank.run.profile.preprocessing)
    if ablation.change or prepare is None:
        return ablation
    return replace(ablation, change=prepare, variant=prepare.variant)


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
            words = {"input": name, "model": "table", "weights": "none", "weights_kind": "none"}
            yield Probe(words, part, partial(table_model, names=columns, trees=False))


def of_pictures(bank: FeatureBank, table: pd.DataFrame, ablations) -> Iterator[Probe]:
    """Each ablation by each model's own backbone and an untrained one.

    Whole pictures are encoded by all models of the run, all else by the first, as in notebook 07.
    """
    models = bank.run.profile.models
    kinds = ["own"] if bank.encoder("own", models[0])[1] == "random" else ["own", "untrained"]
    for each in ablations:
        whole = each.input == WHOLE.input
        pairs = [(name, kind) for name in (models if whole else models[:1]) for kind in kinds]
        if each.network == "none":
            pairs = [("histogram", "none")]
        for name, kind in pairs:
            weights = bank.encoder(kind, name)[1]
            words = {"input": each.input, "model": name, "weights": weights,
                     "weights_kind": KIND.get(weights, "pretrained")}  # fmt: skip
            if whole:
                values = bank.encode_models(table, as_prepared(bank, each), kind)[name]
            else:
                values = bank.encode(table, as_prepared(bank, each), name, kind)
            fit = "table" if kind == "none" else "network"
            yield Probe(words, values, lambda _, fit=fit: regression(fit))


def battery(table: pd.DataFrame, probes: list[Probe]) -> Iterator[dict]:
    """A row for each probe and question: how well the collection's classes are separated."""
    label = table.label.to_numpy()
    for probe in probes:
        for question, part in questions(table).items():
            rows = table.index.get_indexer(part.index)
            held = out_of_fold(
                label[rows], part.group,
                lambda fit, test, p=probe, r=rows: p.fit_predict(label, r[fit], r[test]), REPEATS,
            )  # fmt: skip
            words = {"question": question, **probe.words, "recipe": "regression"}
            yield words | cross_val_auc(label[rows], held, part.group)


def by_recipe(run: Run, table: pd.DataFrame, bank: FeatureBank) -> Iterator[dict]:
    """The run's own recipe, its last layer trained on the collection, by the same folds.

    COVID-19 images are the many here, so none are augmented.
    """
    profile = replace(run.profile, trainable="head", train_crop="none", batch_norm="eval",
                      selection="last")  # fmt: skip
    seed, label = run.profile.seeds[0], torch.tensor(table.label.to_numpy())
    # for recipes that weigh them: all are of one source
    view, source = torch.tensor(pd.factorize(table["view"])[0]), torch.zeros_like(label)
    for name in run.profile.models:
        weights = bank.encoder("maps", name)[1]
        maps = torch.from_numpy(bank.encode(table, as_prepared(bank, WHOLE), name, "maps"))

        def fit_predict(fit, test, name=name, maps=maps):
            model, _ = run.build(name, seed)
            inputs = fitting.Inputs(
                label[fit], cached=maps[fit], source=source[fit], view=view[fit]
            )
            fitting.fit(profile, model, {"train": inputs}, seed)
            logits = fitting.predict(model, fitting.Inputs(label[test], cached=maps[test]))
            return logits.softmax(1)[:, 1].numpy()

        words = {"question": EVERYTHING, "input": "whole picture", "model": name,
                 "weights": weights, "weights_kind": KIND.get(weights, "pretrained"), "recipe": "the profile's"}  # fmt: skip
        held = out_of_fold(label.numpy(), table.group, fit_predict, 1)
        yield words | cross_val_auc(label.numpy(), held, table.group)


def leave_one_site_out(table: pd.DataFrame, probes: list[Probe]) -> Iterator[dict]:
    """Fitted on all sites of publication but one, tested on that one: whole pictures and borders.

    Images whose site is not known are in neither, since they may be of the site left out.
    """
    known = table.site != ""
    counted = table[known].groupby("site").label.agg(["sum", "size"])
    enough = (counted["sum"] >= LEAST) & (counted["size"] - counted["sum"] >= LEAST)
    for probe in probes:
        for site in counted.index[enough]:
            here = table.site == site
            part, fit = table[here], known & ~table.group.isin(table.group[here])
            score = probe.fit_predict(table.label.to_numpy(), fit.to_numpy(), here.to_numpy())
            found = auc_with_ci(part.label, score, part.group, "case") | counts(part.label)
            yield {"site": site, **probe.words, **found, "fitted_on": int(fit.sum())}


def compare(run: Run, table: pd.DataFrame, bank: FeatureBank) -> dict[str, pd.DataFrame]:
    """`within` and `sites`, tables of `collection.of`'s images."""
    known = by_input(lung_masks(run.data))
    pictures = of_pictures(bank, table, [known[name] for name in INPUTS if name in known])
    probes = [*of_properties(table), *pictures]
    sites = [probe for probe in probes if probe.words["input"] in SITES]
    rows = [*battery(table, probes), *by_recipe(run, table, bank)]
    return {
        "within": pd.DataFrame(rows),
        "sites": pd.DataFrame(leave_one_site_out(table, sites)),
    }
