"""Plots of notebook 08: a row for what is compared, a point for each network and seed."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text

from deepcovid import plots
from deepcovid.fair_test.names import BLIND, EVERYTHING, RELEASE, SAME
from deepcovid.fair_test.tables import KINDS, readable
from deepcovid.metrics.tables import over_seeds
from deepcovid.plots import COLOURS, COVID, GREY, NARROW, NON_COVID, REFERENCE

PINK, GREEN, LIGHT = "#CC79A7", "#009E73", "#F2F2F2"
COLOUR = {RELEASE: NON_COVID, SAME: PINK}
WEIGHTS = {"pretrained": (NON_COVID, "pretrained networks"), "profile": (COVID, "this run's recipe"),
           "untrained": (GREY, "untrained networks"), "none": ("black", "no network")}  # fmt: skip
DIAGNOSES = {"other findings": "other diagnoses", "No Finding": "no finding"}
WIDTH = 7.2  # inches: what a page shows in full


def legible(figure: Figure, least: float = 9.5) -> Figure:
    """No text smaller than `least` points."""
    for text in figure.findobj(Text):
        text.set_fontsize(max(text.get_fontsize(), least))
    return figure


def dodged(axis, part: pd.DataFrame, ends: tuple, place: float, room: float, **style) -> None:
    """The rows of `part` beside each other in a band of height `room` at `place`, and their mean.

    `ends` names the columns of value, low and high end.
    """
    value, low, high = ends
    y = place + np.linspace(-room / 2, room / 2, len(part)) if len(part) > 1 else [place]
    plots.intervals(axis, part, value, low, high, y=y, ms=3.5, lw=1, **style)
    at = part[high].max()
    axis.annotate(f"{part[value].mean():.3f}", (at, place), (6, 0), textcoords="offset points",
                  va="center", color=style["color"])  # fmt: skip


def swapped(table: pd.DataFrame) -> Figure:
    """AUC and specificity of the same models against two kinds of Non-COVID images, of `swap.csv`."""
    models = list(dict.fromkeys(table.model))
    figure, axes = plots.new(2, size=(NARROW / 2, 1.5 + 0.6 * len(models)), sharey=True)
    asked = {"auc": ("case_low", "case_high", "ROC AUC"),
             "specificity": ("specificity_low", "specificity_high", "specificity,\nthreshold frozen")}  # fmt: skip
    for axis, (value, (low, high, title)) in zip(axes, asked.items(), strict=True):
        for shift, (kind, colour) in zip((-0.2, 0.2), COLOUR.items(), strict=True):
            for place, model in enumerate(models):
                part = table[(table.model == model) & (table.non_covid == kind)]
                dodged(axis, part, (value, low, high), place + shift, 0.2, color=colour)
        plots.rows_at(axis, [*map(readable, models)])
        axis.set(xlim=(0, 1.45), xticks=[0, 0.5, 1], xlabel=title)
    axes[0].axvline(0.5, **REFERENCE)
    counts = table.drop_duplicates("non_covid").set_index("non_covid")
    for kind, colour in COLOUR.items():
        label = f"{KINDS[kind]} ({counts.negatives[kind]:,})"
        axes[0].plot([], [], "o-", color=colour, label=label)
    title = f"{counts.positives.iloc[0]:,} COVID-19 images and"
    figure.legend(loc="outside upper left", title=title)
    return legible(figure)


def by_finding(table: pd.DataFrame) -> Figure:
    """Share of each diagnosis's images that a model calls COVID-19, of `findings.csv`."""
    rows = table.drop_duplicates("finding").reset_index(drop=True)
    models = list(dict.fromkeys(table.model))
    figure, axis = plots.new(size=(WIDTH, 1.2 + 0.42 * len(rows)))
    for model, shift in plots.side_by_side(models, 0.25):
        own = table[table.model == model]
        mean = over_seeds(own, "finding", "called", "called_low", "called_high")
        plots.intervals(axis, mean.loc[rows.finding], "mean", "low", "high", y=rows.index + shift, ms=4.5, lw=1,
               color=COLOURS.get(model, GREY), label=readable(model))  # fmt: skip
    axis.axhspan(-0.5, (rows.label == 1).sum() - 0.5, color=LIGHT, zorder=0)
    names = rows.finding.replace(DIAGNOSES)
    plots.rows_at(axis, names + [f" ({r.images}; {r.cases})" for r in rows.itertuples()])
    axis.set(xlim=(-0.02, 1.02), xlabel="share of the images that is called COVID-19")
    figure.legend(loc="outside upper right", ncols=3)
    return legible(figure)


def within(table: pd.DataFrame) -> Figure:
    """Cross-validated AUC within the collection by what is left of the images; the grey part cannot show lungs."""
    whole = table[table.question == EVERYTHING]
    kind = whole.weights_kind.where(whole.recipe == "regression", "profile")
    visible = [*dict.fromkeys(name for name in whole.input if name not in BLIND)]
    names = sorted(visible, key=lambda name: name != "whole picture")
    names += [name for name in BLIND if name in set(whole.input)]
    groups = [(name, one, part) for name in names for one in WEIGHTS
              if len(part := whole[(whole.input == name) & (kind == one)])]  # fmt: skip
    figure, axis = plots.new(size=(WIDTH, 1.4 + 0.31 * len(groups)))
    for place, (_, one, part) in enumerate(groups):
        dodged(axis, part, ("auc", "case_low", "case_high"), place, 0.4, color=WEIGHTS[one][0])
    for one, (colour, label) in WEIGHTS.items():
        if one in set(kind):
            axis.plot([], [], "o-", color=colour, label=label)
    blind = [place for place, (name, *_) in enumerate(groups) if name in BLIND]
    if blind:
        axis.axhspan(blind[0] - 0.5, blind[-1] + 0.5, color=LIGHT, zorder=0)
    axis.axvline(0.5, **REFERENCE)
    shown = [name for name, *_ in groups]
    plots.rows_at(axis, [readable(name) * (name not in shown[:i]) for i, name in enumerate(shown)])
    first = whole.iloc[0]
    images = f"{first.positives:,} + {first.negatives:,} images of {first.groups:,} cases"
    axis.set(xlim=(0.35, 1), xlabel=f"ROC AUC ({images})")
    figure.legend(loc="outside upper right", ncols=2)
    return legible(figure)


def severity(table: pd.DataFrame) -> Figure:
    """Rank correlation with the senior radiologist's Brixia sum; right: the gain over no training."""
    names = list(dict.fromkeys(table.rater))
    figure, axes = plots.new(2, size=(WIDTH / 2, 1.2 + 0.42 * len(names)), sharey=True)
    asked = ("rho", "low", "high"), ("gain", "gain_low", "gain_high")
    for axis, ends in zip(axes, asked, strict=True):
        for place, name in enumerate(names):
            part = table[(table.rater == name) & table[ends[0]].notna()]
            if len(part):
                colour = COVID if part.seed.notna().all() else GREY
                dodged(axis, part, ends, place, 0.4, color=colour)
        plots.rows_at(axis, [*map(readable, names)])
        axis.axvline(0, **REFERENCE)
        axis.set_xticks([-0.5, 0, 0.5, 1])
    first = table.iloc[0]
    words = f"Spearman's correlation\n({first.images:,} images of {first.groups:,} cases)"
    axes[0].set(xlim=(-0.5, 1.2), xlabel=words)
    axes[1].set(xlim=(-0.7, 0.9), xlabel="gain over the same\nnetwork untrained")
    return legible(figure)


def training_data(table: pd.DataFrame) -> Figure:
    """AUC of each candidate beside what border or framing alone reach for the same training.

    Above the dotted line the picture adds something. The second panel is of external images.
    """
    asked = {"held-out cases of the collection": ("within", "border", "frame"),
             "external images": ("external", "external_border", "external_frame")}  # fmt: skip
    figure, axes = plots.new(2, size=(WIDTH / 2, 4.4), sharex=True, sharey=True)
    colours = {"release": NON_COVID, "collection": PINK, "both": GREEN}
    several = table.model.str.contains("+", regex=False)
    for axis, (title, (value, *blind)) in zip(axes, asked.items(), strict=True):
        best = table[blind].max(axis=1)
        for name, colour in colours.items():
            for marker, part in (("o", ~several), ("D", several)):
                own = part & (table.trained_on == name)
                label = f"{name}, networks together" if marker == "D" else name
                if own.any():
                    axis.plot(best[own], table[value][own], marker, ms=5, color=colour, label=label)
        axis.plot(best[table.chosen], table[value][table.chosen], "*", ms=17, mfc="none",
                  color="black", label="chosen")  # fmt: skip
        axis.plot([0.3, 1], [0.3, 1], **REFERENCE)
        axis.set(xlim=(0.4, 1), ylim=(0.4, 1), aspect="equal", title=title,
                 xlabel="ROC AUC, border or framing alone")  # fmt: skip
    axes[0].set_ylabel("ROC AUC, whole picture")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, title="trained on")
    return legible(figure)
