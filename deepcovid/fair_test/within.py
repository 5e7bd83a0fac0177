"""Trained and evaluated within one collection: is the fair question free of shortcuts?

Every model is fitted on some cases of the collection and scores others, in folds that keep a case
whole and are drawn several times. Nothing is chosen, so nothing needs a second round of folds.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import torch

from deepcovid.fair_test.names import EVERYTHING, INPUTS
from deepcovid.models import fitting
from deepcovid.models.run import Run
from deepcovid.runs import UserError
from deepcovid.shortcuts import probing
from deepcovid.shortcuts.ablations import WHOLE, by_input, lung_masks
from deepcovid.shortcuts.encoders import FeatureBank
from deepcovid.shortcuts.probing import auc_row, cross_val_scores, fit_score, is_stated, unlike
from imageaudit import images

REPEATS = 4
Probe = tuple[dict[str, str], Callable]  # words of its rows; gives scores of rows, fitted on others
KIND = {"random": "untrained", "none": "none"}  # of weights; all others are pretrained
SITES = ("whole picture", "outer 5% of each side")  # what is asked of a site that is left out
FEW, LEAST = 10, 5  # images of each class that a question needs, and a site that is left out
PROPERTIES = {
    "file properties": ["mode", "aspect ratio"],
    "view, age, sex": ["view", "age", "sex"],
}


def described(input: str, model: str, weights: str) -> dict[str, str]:
    """The words of a probe's rows."""
    kind = KIND.get(weights, "pretrained")
    return {"input": input, "model": model, "weights": weights, "weights_kind": kind}


def has_both(table: pd.DataFrame, column: str, few: int) -> pd.Index:
    """The words of a column with `few` images of each class."""
    known = table[table[column] != ""].groupby(column).label.agg(["sum", "size"])
    return known.index[np.minimum(known["sum"], known["size"] - known["sum"]) >= few]


def questions(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """All images, and parts of them that are alike in one thing, if they hold enough images and cases:
    bool (n,)."""
    parts = {f"{column} {value} only": (table[column] == value).to_numpy()
             for column in ("site", "view") for value in has_both(table, column, FEW)}  # fmt: skip
    whole = {EVERYTHING: np.ones(len(table), bool)}
    return whole | {name: rows for name, rows in parts.items()
                    if fewest_cases(table[rows]) >= probing.FOLDS}  # fmt: skip


def fewest_cases(table: pd.DataFrame) -> int:
    """The cases of the class that has fewest."""
    return table.groupby("label").group.nunique().min()


def of_properties(table: pd.DataFrame) -> Iterator[Probe]:
    """What is known of each image without its picture."""
    known = pd.DataFrame([images.facts(path) for path in table.path], table.index)
    known["aspect ratio"] = known.width / known.height
    known = known.join(table[["view", "sex"]]).assign(age=pd.to_numeric(table.age, "coerce"))
    for name, columns in PROPERTIES.items():
        if is_stated(part := known[columns]):
            words = described(name, "table", "none")
            yield words, partial(fit_score, part, table.label, kind="table")


def of_pictures(bank: FeatureBank, table: pd.DataFrame, ablations) -> Iterator[Probe]:
    """Each ablation by each model's own backbone and an untrained one.

    Whole pictures are encoded by all models of the run, all else by the first, as in notebook 07.
    """
    models = bank.run.profile.models
    kinds = ["own"] if bank.encoder("own", models[0])[1] == "random" else ["own", "untrained"]
    for each in ablations:
        names = models if each.input == WHOLE.input else models[:1]
        if each.network == "none":
            names = ["histogram"]
        asked, shown = kinds if each.network == "own" else ["none"], bank.prepared(each)
        found = {kind: bank.encode_models(table, shown, names, kind) for kind in asked}
        for name, kind in product(names, asked):
            words = described(each.input, name, bank.encoder(kind, name)[1])
            fit = "table" if kind == "none" else "logistic"
            yield words, partial(fit_score, found[kind][name], table.label, kind=fit)


def cross_val_row(table: pd.DataFrame, score: np.ndarray) -> dict:
    """AUC of out-of-fold scores (repeats, n), the mean over repeats, with its interval by cases."""
    return auc_row(table.label, score, table.group, "case") | {"groups": table.group.nunique()}


def battery(table: pd.DataFrame, probes: list[Probe]) -> Iterator[dict]:
    """A row for each probe and question: how well the collection's classes are separated."""
    asked = questions(table)
    for (words, fit_predict), (question, rows) in product(probes, asked.items()):
        held = cross_val_scores(table.label, table.group, fit_predict, REPEATS, rows, rows)
        found = cross_val_row(table[rows], held[:, rows])
        yield {"question": question, **words, "recipe": "regression", **found}


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
        maps = torch.from_numpy(bank.encode(table, bank.prepared(WHOLE), name, "maps"))

        def fit_predict(fit, test, name=name, maps=maps):
            model, _ = run.build(name, seed)
            of = {"cached": maps[fit], "source": source[fit], "view": view[fit]}
            fitting.fit(profile, model, {"train": fitting.Inputs(label[fit], **of)}, seed)
            logits = fitting.predict(model, fitting.Inputs(label[test], cached=maps[test]))
            return logits.softmax(1)[:, 1].numpy()

        found = cross_val_row(table, cross_val_scores(table.label, table.group, fit_predict))
        words = described(WHOLE.input, name, bank.encoder("maps", name)[1])
        yield {"question": EVERYTHING, **words, "recipe": "the profile's", **found}


def left_out(table: pd.DataFrame, fitted: np.ndarray) -> Iterator[tuple]:
    """Each site of publication with LEAST images of both classes, rows to fit on and rows to score.

    `fitted`, bool (n,), are the rows that may be fitted on.
    """
    for site in has_both(table, "site", LEAST):
        test = (table.site == site).to_numpy()
        fit = unlike(fitted, table.group.to_numpy(), test)
        if table.label.iloc[fit].nunique() == 2:
            yield site, fit, test


def leave_one_site_out(table: pd.DataFrame, probes: list[Probe]) -> Iterator[dict]:
    """Fitted on all sites of publication but one, tested on that one: whole pictures and borders.

    Images whose site is not known are in neither, since they may be of the site left out.
    """
    sites = list(left_out(table, (table.site != "").to_numpy()))
    for (words, fit_predict), (site, fit, test) in product(probes, sites):
        found = auc_row(table.label[test], fit_predict(fit, test), table.group[test], "case")
        yield {"site": site, **words, **found}


def compare(run: Run, table: pd.DataFrame, bank: FeatureBank) -> dict[str, pd.DataFrame]:
    """`within` and `sites`, tables of `collection.of`'s images."""
    if (few := fewest_cases(table)) < (folds := probing.FOLDS):
        raise UserError(f"The collection has images of {few} cases of a class: {folds} are needed.")
    known = by_input(lung_masks(run.data))
    pictures = of_pictures(bank, table, [known[name] for name in INPUTS if name in known])
    probes = [*of_properties(table), *pictures]
    sites = [probe for probe in probes if probe[0]["input"] in SITES]
    rows = [*battery(table, probes), *by_recipe(run, table, bank)]
    of_sites = pd.DataFrame(leave_one_site_out(table, sites))
    return {"within": pd.DataFrame(rows), "sites": of_sites}
