"""The plots of notebook 07: how little is enough, AUCs beside each other, scores, steps of mending."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from deepcovid.plots import CLASSES, COVID, GREY, NON_COVID, REFERENCE, intervals, new

AUC = ("auc", "auc_low", "auc_high")


def how_little(table: pd.DataFrame) -> Figure:
    """How little of an image is enough to tell the classes apart, with 95% intervals.

    Left: the outer rim that is left when the centre is black, and the reverse, by the share of
    the area left. Right: what else was taken away. `table` is a `shortcuts.csv`.
    """
    table = table[table.told == "COVID-19"]
    few = table[table.kind.isin(["lungs", "coarse", "grey levels", "untrained"])]
    whole = table[table.kind == "whole"]
    figure, (left, right) = new(2, size=(5.4, 4.0), width_ratios=(1.15, 1), sharex=False)
    names = {"border": "only the rim: centre black", "centre": "only the centre: rim black"}
    lines = pd.concat(
        part.assign(left=names[kind], percent=100 * part.seen_share)
        for kind in names
        for part in [pd.concat([whole, table[table.kind == kind]]).sort_values("seen_share")]
    )
    sns.lineplot(lines, x="percent", y="auc", hue="left", style="left", markers=["s", "o"],
                 dashes=False, palette=[COVID, NON_COVID], ms=7, ax=left)  # fmt: skip
    for name, colour in zip(names.values(), (COVID, NON_COVID), strict=True):
        part = lines[lines.left == name]
        left.fill_between(part.percent, part.auc_low, part.auc_high, color=colour, alpha=0.15, lw=0)
    low = min(0.45, pd.concat([lines, few]).auc_low.min() - 0.02)
    left.set(xlabel="% of the image area that is left", ylabel="ROC AUC on the test images",
             ylim=(low, 1.01), xlim=(-2, 102), title="how little of the image is enough")  # fmt: skip
    left.legend(loc="lower right", title=None)
    named = few.seen + np.where(few.kind == "untrained", ", untrained network", "")
    intervals(right, few, *AUC, names=named, values="{:.3f}")
    counts = table.iloc[0]
    right.set(xlim=(low, 1.09), title="what else may be taken away (line: nothing)",  # room for numbers
              xlabel=f"ROC AUC ({counts.positives:,} COVID-19, {counts.negatives:,} Non-COVID)")  # fmt: skip
    right.axvline(whole.auc.iloc[0], color=GREY, lw=1)
    left.axhline(0.5, **REFERENCE)
    right.axvline(0.5, **REFERENCE)
    return figure


def dots(table: pd.DataFrame) -> Figure:
    """ROC AUC with 95% interval of each row of a `shortcuts.csv`; filled: regression, else trees."""
    each = table.assign(row=table.seen + np.where(table.told == "COVID-19", "", "\n" + table.told))
    sizes = each.drop_duplicates("row")
    figure, axis = new(size=(7.4, 1.0 + 0.42 * len(sizes)))
    place = each.row.map({row: i for i, row in enumerate(sizes.row)})
    trees = each.model == "trees"
    for part, shift, face, name in (
        (~trees, -0.13, COVID, "logistic regression"), (trees, 0.13, "white", "trees")
    ):  # fmt: skip
        if part.any():
            intervals(
                axis, each[part], *AUC, place[part] + shift, values="{:.3f}", mfc=face, label=name
            )
    ticks = [f"{row.row}\n({row.positives:,} + {row.negatives:,})" for row in sizes.itertuples()]
    axis.set_yticks(range(len(sizes)), ticks, fontsize=8)
    axis.set(ylim=(len(sizes) - 0.5, -0.5), xlim=(min(0.35, each.auc_low.min() - 0.02), 1.08))
    axis.axvline(0.5, **REFERENCE)
    axis.set_xlabel("ROC AUC on the test images (number that is told apart + the others)")
    if trees.any():
        figure.legend(loc="outside upper center", ncols=2)
    return figure


def collections(found: dict) -> Figure:
    """How one model's scores are spread in each collection, from `external.json`."""
    figure, axes = new(2, size=(4.2, 3.0), sharey=False)
    bins = len(next(iter(found["histograms"].values())))
    middles = (np.arange(bins) + 0.5) / bins
    about = {"test": "test images of the dataset", "external": "external images"}
    for axis, (where, title) in zip(axes, about.items(), strict=True):
        for name, colour in CLASSES.items():
            counts = np.array(found["histograms"][f"{name}, {where}"])
            sns.histplot(x=middles, weights=counts, bins=bins, binrange=(0, 1), stat="percent",
                         element="step", color=colour, alpha=0.15, ax=axis,
                         label=f"{name} ({counts.sum():,})")  # fmt: skip
        axis.axvline(found["threshold"], color=GREY, ls="--", lw=1, label="frozen threshold")
        axis.set(title=title, xlabel="score: P(COVID-19)", ylabel="% of the class", xlim=(0, 1))
        axis.legend()
    return figure


def mending(table: pd.DataFrame) -> Figure:
    """The steps of a `mending.csv`: what decides, and what it leads to in another hospital."""
    place = np.arange(len(table))
    figure, (left, right) = new(2, size=(4.4, 1.5 + 0.34 * len(table)), sharey=True)
    left.hlines(place, table[["cv_border", "cv_frame"]].max(axis=1), table.cv, color=GREY, lw=1.2)
    for axis, column, mark, style, name in (
        (left, "cv_border", "s", {"color": COVID}, "border only"),
        (left, "cv_frame", "^", {"color": COVID}, "frame only: where the lungs lie"),
        (left, "cv", "o", {"color": NON_COVID}, "whole picture"),
        (right, "test", "o", {"color": NON_COVID, "mfc": "white"}, "test images of the dataset"),
        (right, "external_frame", "^", {"color": COVID}, "external, frame only"),
    ):
        axis.plot(table[column], place, mark, label=name, **style)
    intervals(right, table, "external", "external_low", "external_high", color=NON_COVID,
              label="external images, no duplicates")  # fmt: skip
    left.set_title("decides: the widest gap on training images")
    right.set_title("what it leads to (not used to decide)")
    for axis in (left, right):
        axis.axvline(0.5, **REFERENCE)
        axis.set(xlabel="ROC AUC", xlim=(0.18, 1.02))
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13))
    left.set_yticks(place, table.step + np.where(table.chosen, "  ✓", ""))
    left.set_ylim(len(table) - 0.5, -0.5)
    return figure
