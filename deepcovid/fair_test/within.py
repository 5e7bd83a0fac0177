"""Trained and judged within one collection: is the fair question free of shortcuts?

Every model is fitted on some cases of the collection and judged on others, in folds that keep a case
whole and are drawn several times. Nothing is chosen, so nothing needs a second round of folds.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from deepcovid.fair_test.names import EVERYTHING, SEEN
from deepcovid.metrics import intervals
from deepcovid.models import fitting, networks
from deepcovid.models.features import extract
from deepcovid.models.opened import Run
from deepcovid.shortcuts.eyes import Histogram, Pooled
from deepcovid.shortcuts.looks import Look, looks, lung_masks
from deepcovid.shortcuts.measure import regression, table_model, write

FOLDS, REPEATS = 5, 4
KIND = {"random": "untrained", "none": "none"}  # of weights; all others are pretrained
SITES = ("whole picture", "outer 5% of each side")  # what a left-out site is judged by
FEW = 10  # images of each class that a question needs
PROPERTIES = {
    "file properties": ("mode", "aspect ratio"),
    "view, age, sex": ("view", "age", "sex"),
}


def folds(label, group, repeats: int = REPEATS) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Repeat, rows to fit on and rows to judge on; no group is on both sides."""
    for repeat in range(repeats):
        kept = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=repeat)
        for fit, judge in kept.split(np.zeros(len(label)), label, group):
            yield repeat, fit, judge


def out_of_fold(label, group, fitted: Callable, repeats: int = REPEATS) -> np.ndarray:
    """Scores of images by models that did not see their group, (repeats, n), 0 to 1.

    `fitted(fit, judge)` gives the scores of the rows `judge` by a model fitted on the rows `fit`.
    """
    score = np.full((repeats, len(label)), np.nan)
    for repeat, fit, judge in folds(label, group, repeats):
        score[repeat, judge] = fitted(fit, judge)
    return score


def judged(label, score: np.ndarray, group) -> dict[str, float]:
    """AUC of out-of-fold scores (repeats, n), the mean over repeats, with a 95% interval.

    The interval resamples groups, each resample's AUC being the mean over repeats as well.
    `auc_least`, `auc_most`: of the repeats, which differ in their folds alone.
    """
    each = [intervals.auc(label, row) for row in score]
    low, high = intervals.bootstrap(label, score, group)["auc"]
    return {
        "auc": float(np.mean(each)), "case_low": low, "case_high": high,
        "auc_least": min(each), "auc_most": max(each),
        "positives": int(np.sum(label)), "negatives": int(np.sum(1 - np.asarray(label))),
        "groups": len(np.unique(group)),
    }  # fmt: skip


def regressed(values, label, model: Callable) -> Callable:
    """`fitted` for `out_of_fold`: a fresh scikit-learn model each time."""
    label = np.asarray(label)
    if isinstance(values, pd.DataFrame) and all(kind == np.float32 for kind in values.dtypes):
        values = values.to_numpy()  # of a table scikit-learn looks at each column, in each call
    rows = values.iloc if isinstance(values, pd.DataFrame) else values

    def fitted(fit, judge):
        part = rows[fit]
        return model(part).fit(part, label[fit]).predict_proba(rows[judge])[:, 1]

    return fitted


def questions(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The collection's images, and parts of it that are alike in one thing, if they hold enough."""
    parts = {EVERYTHING: table}
    for column, name in (("site", "site"), ("view", "view")):
        counts = table[table[column] != ""].groupby(column).label.agg(["sum", "size"])
        enough = (counts["sum"] >= FEW) & (counts["size"] - counts["sum"] >= FEW)
        parts |= {f"{name} {v} only": table[table[column] == v] for v in counts.index[enough]}
    return parts


def values(opened: Run, table: pd.DataFrame, network: torch.nn.Module, look: Look) -> np.ndarray:
    """What a network makes of the images under a look: (n, columns), kept on disk."""
    prepare = opened.preparation if look.change is None else None
    return extract(
        network, list(table.path), list(table.sha1), range(len(table)), opened.profile.image_size,
        opened.device, label=look.seen, change=look.change or prepare,
        variant=look.variant or (prepare.variant if prepare else ""),
    )  # fmt: skip


def networks_of(opened: Run, look: Look) -> Iterator[tuple[str, str, torch.nn.Module]]:
    """Model, weights and network of all that look: each model's own backbone and an untrained one.

    Whole pictures are seen by all models of the run, all else by the first, as in notebook 07.
    """
    if look.network == "none":
        yield "histogram", "none", Histogram()
        return
    models = opened.profile.models if look.seen == "whole picture" else opened.profile.models[:1]
    for name in models:
        network, origin = opened.build(name, opened.profile.seeds[0])
        yield name, origin.label(), Pooled(network.backbone)
        if origin.kind != "random":
            untrained, _ = networks.build(name, "random", opened.profile.seeds[0])
            yield name, "random", Pooled(untrained.backbone)


def properties(table: pd.DataFrame) -> pd.DataFrame:
    """What is known of each image without its picture: mode, aspect ratio, view, age, sex."""
    rows = []
    for path in table.path:
        with Image.open(path) as picture:
            rows.append({"mode": picture.mode, "aspect ratio": picture.width / picture.height})
    known = pd.DataFrame(rows, index=table.index)
    return known.assign(view=table["view"], sex=table.sex, age=pd.to_numeric(table.age, "coerce"))


def of_properties(table: pd.DataFrame) -> Iterator[tuple[dict, pd.DataFrame, Callable]]:
    known = properties(table)
    for name, columns in PROPERTIES.items():
        part = known[list(columns)]
        if not (part.notna() & (part != "")).any(axis=None):
            continue
        words = {"seen": name, "model": "table", "weights": "none", "weights_kind": "none"}
        yield words, part, lambda rows, names=columns: table_model(rows, names, trees=False)


def of_pictures(opened: Run, table: pd.DataFrame, seen: list[Look]):
    for look in seen:
        kind = "table" if look.network == "none" else "network"
        for name, weights, network in networks_of(opened, look):
            words = {"seen": look.seen, "model": name, "weights": weights}
            words["weights_kind"] = KIND.get(weights, "pretrained")
            found = values(opened, table, network, look)
            yield words, pd.DataFrame(found, index=table.index), lambda _, k=kind: regression(k)


def battery(opened: Run, table: pd.DataFrame, seen: list[Look]) -> Iterator[dict]:
    """A row for each question, look and network: how well COVID-19 is told within the collection."""
    parts = questions(table)
    for words, given, model in (*of_properties(table), *of_pictures(opened, table, seen)):
        for question, part in parts.items():
            label, group = part.label.to_numpy(), part.group.to_numpy()
            score = out_of_fold(label, group, regressed(given.loc[part.index], label, model))
            yield {
                "question": question,
                **words,
                "recipe": "regression",
                **judged(label, score, group),
            }


def by_recipe(opened: Run, table: pd.DataFrame, repeats: int = 1) -> Iterator[dict]:
    """The run's own recipe, its last layer trained on the collection, by the same folds.

    COVID-19 images are the many here, so none are augmented.
    """
    profile = replace(opened.profile, trainable="head", train_crop="none", batch_norm="eval",
                      selection="last")  # fmt: skip
    label, group = torch.tensor(table.label.to_numpy()), table.group.to_numpy()
    # for recipes that weigh them: all are of one source
    view, source = torch.tensor(pd.factorize(table["view"])[0]), torch.zeros_like(label)
    for name in opened.profile.models:
        start, origin = opened.build(name, opened.profile.seeds[0])
        found = torch.from_numpy(
            values(opened, table, start.backbone, Look("whole", "whole picture"))
        )

        def fitted(fit, judge, name=name, found=found):
            model, _ = opened.build(name, opened.profile.seeds[0])
            inputs = fitting.Inputs(
                label[fit], cached=found[fit], source=source[fit], view=view[fit]
            )
            fitting.fit(profile, model, {"train": inputs}, opened.profile.seeds[0])
            logits = fitting.predict(model, fitting.Inputs(label[judge], cached=found[judge]))
            return logits.softmax(1)[:, 1].numpy()

        score = out_of_fold(table.label.to_numpy(), group, fitted, repeats)
        words = {"question": EVERYTHING, "seen": "whole picture", "model": name,
                 "weights": origin.label(), "weights_kind": KIND.get(origin.label(), "pretrained"), "recipe": "the profile's"}  # fmt: skip
        yield words | judged(table.label.to_numpy(), score, group)


def left_out(opened: Run, table: pd.DataFrame, seen: list[Look], few: int = 5) -> Iterator[dict]:
    """Fitted on all sites of publication but one, judged on that one: whole pictures and borders.

    Images whose site is not known are in neither, since they may be of the site left out.
    """
    known = table[table.site != ""]
    counts = known.groupby("site").label.agg(["sum", "size"])
    sites = counts.index[(counts["sum"] >= few) & (counts["size"] - counts["sum"] >= few)]
    for words, given, model in of_pictures(opened, known, seen):
        for site in sites:
            here = (known.site == site).to_numpy()
            other = ~known.group.isin(known.group[here]).to_numpy()
            fitted = model(given).fit(given[other], known.label[other])
            score, part = fitted.predict_proba(given[here])[:, 1], known[here]
            low, high = intervals.bootstrap(part.label, score, part.group)["auc"]
            yield {
                "site": site, **words, "auc": intervals.auc(part.label, score), "case_low": low,
                "case_high": high, "positives": int(part.label.sum()),
                "negatives": int((1 - part.label).sum()), "fitted_on": int(other.sum()),
            }  # fmt: skip


def chosen_looks(opened: Run) -> list[Look]:
    """The looks of SEEN that this run's masks allow."""
    found = {
        look.seen: look for look in looks(lung_masks(opened.data)) if look.network != "untrained"
    }
    return [found[name] for name in SEEN if name in found]


def run(opened: Run, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write `fair_test/within.csv` and `fair_test/sites.csv`, of `collection.of`'s table."""
    seen, folder = chosen_looks(opened), opened.folder / "fair_test"
    made = [pd.DataFrame([*battery(opened, table, seen), *by_recipe(opened, table)]),
            pd.DataFrame(left_out(opened, table, [look for look in seen if look.seen in SITES]))]  # fmt: skip
    for name, found in zip(("within", "sites"), made, strict=True):
        write(found, folder / f"{name}.csv")
    return tuple(made)
