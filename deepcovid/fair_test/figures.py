"""Plots of notebook 08: a row for what is compared, a point for each network and seed."""

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcovid.fair_test.names import BLIND, EVERYTHING, RELEASE, SAME
from deepcovid.fair_test.tables import KINDS, readable
from deepcovid.metrics.figures import MODELS
from deepcovid.metrics.tables import over_seeds
from deepcovid.plots import COVID, GREY, NARROW, NON_COVID, REFERENCE, forest, new

PINK, GREEN, LIGHT = "#CC79A7", "#009E73", "#F2F2F2"
WEIGHTS = {"pretrained": (NON_COVID, "pretrained networks"), "profile": (COVID, "this run's recipe"),
           "untrained": (GREY, "untrained networks"), "none": ("black", "no network")}  # fmt: skip
DIAGNOSES = {"other findings": "other diagnoses", "No Finding": "no finding"}
WIDTH = 7.2  # inches: what a page shows in full


def swapped(table: pd.DataFrame) -> Figure:
    """AUC and specificity of the same models against two kinds of Non-COVID images, of `swap.csv`."""
    rows = {model: readable(model) for model in table.model}
    counts = table.drop_duplicates("non_covid").set_index("non_covid")
    table = table.set_index("model")
    hues = {kind: (colour, f"{KINDS[kind]} ({counts.negatives[kind]:,})")
            for kind, colour in ((RELEASE, NON_COVID), (SAME, PINK))}  # fmt: skip
    figure, axes = new(2, size=(NARROW / 2, 1.5 + 0.6 * len(rows)), sharey=True)
    asked = {"ROC AUC": ("auc", "case_low", "case_high"),
             "specificity,\nthreshold frozen": ("specificity", "specificity_low", "specificity_high")}  # fmt: skip
    for axis, (title, ends) in zip(axes, asked.items(), strict=True):
        forest(axis, table, ends, rows, "non_covid", hues, number="{:.3f}")
        axis.set(xlim=(0, 1.45), xticks=[0, 0.5, 1], xlabel=title)
    axes[0].axvline(0.5, **REFERENCE)
    title = f"{counts.positives.iloc[0]:,} COVID-19 images and"
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper left", title=title)
    return figure


def by_finding(table: pd.DataFrame) -> Figure:
    """Share of each diagnosis's images that a model calls COVID-19, of `findings.csv`."""
    first = table.drop_duplicates("finding")
    rows = {row.finding: f"{DIAGNOSES.get(row.finding, row.finding)} ({row.images}; {row.cases})"
            for row in first.itertuples()}  # fmt: skip
    mean = over_seeds(table, ["finding", "model"], "called", "called_low", "called_high")
    figure, axis = new(size=(WIDTH, 1.2 + 0.42 * len(rows)))
    forest(axis, mean.reset_index("model"), rows=rows, hue="model", hues=MODELS)
    axis.axhspan(-0.5, (first.label == 1).sum() - 0.5, color=LIGHT, zorder=0)
    axis.set(xlim=(-0.02, 1.02), xlabel="share of the images that is called COVID-19")
    figure.legend(loc="outside upper right", ncols=3)
    return figure


def within(table: pd.DataFrame) -> Figure:
    """Cross-validated AUC within the collection by what is left of the images; the grey part can hardly show lungs."""
    whole = table[table.question == EVERYTHING]
    kind = whole.weights_kind.where(whole.recipe == "regression", "profile")
    groups = whole.assign(kind=kind).set_index(["input", "kind"], drop=False)
    names = dict.fromkeys(["whole picture", *whole.input[~whole.input.isin(BLIND)], *BLIND])
    keys = [key for key in product(names, WEIGHTS) if key in groups.index]
    inputs = pd.Series([name for name, _ in keys])
    rows = dict(zip(keys, inputs.map(readable).mask(inputs.duplicated(), ""), strict=True))
    figure, axis = new(size=(WIDTH, 1.4 + 0.31 * len(rows)))
    ends = "auc", "case_low", "case_high"
    forest(axis, groups, ends, rows, "kind", WEIGHTS, number="{:.3f}")
    visible = (~inputs.isin(BLIND)).sum()
    axis.axhspan(visible - 0.5, len(rows) - 0.5, color=LIGHT, zorder=0)
    axis.axvline(0.5, **REFERENCE)
    first = whole.iloc[0]
    images = f"{first.positives:,} + {first.negatives:,} images of {first.groups:,} cases"
    axis.set(xlim=(0.35, 1), xlabel=f"ROC AUC ({images})")
    figure.legend(loc="outside upper right", ncols=2)
    return figure


def severity(table: pd.DataFrame) -> Figure:
    """Rank correlation with the senior radiologist's Brixia sum; right: the gain over no training."""
    rows, first = {rater: readable(rater) for rater in table.rater}, table.iloc[0]
    table = table.assign(trained=table.seed.notna()).set_index("rater")
    hues = {True: (COVID, None), False: (GREY, None)}
    figure, axes = new(2, size=(WIDTH / 2, 1.2 + 0.42 * len(rows)), sharey=True)
    asked = ("rho", "low", "high"), ("gain", "gain_low", "gain_high")
    for axis, ends in zip(axes, asked, strict=True):
        forest(axis, table, ends, rows, "trained", hues, number="{:.3f}")
        axis.axvline(0, **REFERENCE)
        axis.set_xticks([-0.5, 0, 0.5, 1])
    words = f"Spearman's correlation\n({first.images:,} images of {first.groups:,} cases)"
    axes[0].set(xlim=(-0.5, 1.2), xlabel=words)
    axes[1].set(xlim=(-0.7, 0.9), xlabel="gain over the same\nnetwork untrained")
    return figure


def training_data(table: pd.DataFrame) -> Figure:
    """AUC of each candidate beside what border or framing alone reach for the same training.

    Above the dotted line the picture adds something. The second panel is of external images.
    """
    asked = {"held-out cases of the collection": ("within", "border", "frame"),
             "external images": ("external", "external_border", "external_frame")}  # fmt: skip
    figure, axes = new(2, size=(WIDTH / 2, 4.4), sharex=True, sharey=True)
    colours = {"release": NON_COVID, "collection": PINK, "both": GREEN}
    several = table.model.str.contains("+", regex=False)
    kinds = table.trained_on + np.where(several, ", networks together", "")
    for axis, (title, (value, *blind)) in zip(axes, asked.items(), strict=True):
        best = table[blind].max(axis=1)
        for kind, own in table.groupby(kinds, sort=False):
            name, _, more = kind.partition(",")
            style = {"marker": "D" if more else "o", "color": colours[name], "label": kind}
            axis.plot(best[own.index], own[value], ls="", ms=5, **style)
        axis.plot(best[table.chosen], table[value][table.chosen], "*", ms=17, mfc="none",
                  color="black", label="chosen")  # fmt: skip
        axis.plot([0.3, 1], [0.3, 1], **REFERENCE)
        axis.set(xlim=(0.4, 1), ylim=(0.4, 1), aspect="equal", title=title,
                 xlabel="ROC AUC, border or framing alone")  # fmt: skip
    axes[0].set_ylabel("ROC AUC, whole picture")
    handles = axis.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, title="trained on")
    return figure
