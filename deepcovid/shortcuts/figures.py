"""TODO: what shortcuts/figures is."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcovid.plots import COVID, GREY, NON_COVID, new


def how_little(table: pd.DataFrame) -> Figure:
    """How little of an image is enough to tell the classes apart, with 95% intervals.

    Left: the outer rim that is left when the centre is black, and the reverse, by the share of
    the area left. Right: what else was taken away. `table` is a `shortcuts.csv`.
    """
    table = table[table.told == "COVID-19"]
    few = table[table.kind.isin(["lungs", "coarse", "grey levels", "untrained"])]
    figure, (left, right) = new(2, size=(5.4, 4.0), width_ratios=(1.15, 1), sharex=False)
    whole = table[table.kind == "whole"]
    for kind, colour, face, name in (
        ("border", COVID, "white", "only the rim: centre black"),
        ("centre", NON_COVID, NON_COVID, "only the centre: rim black"),
    ):
        part = pd.concat([whole, table[table.kind == kind]]).sort_values("seen_share")
        share = 100 * part.seen_share
        left.fill_between(share, part.auc_low, part.auc_high, color=colour, alpha=0.15, lw=0)
        left.plot(share, part.auc, "s-", color=colour, mfc=face, mew=2, ms=7, label=name)
    low = min(0.45, table.auc_low[table.kind.isin(["border", "centre", *few.kind])].min() - 0.02)
    left.set(ylim=(low, 1.01), xlim=(-2, 102), ylabel="ROC AUC on the test images")
    left.set_xlabel("% of the image area that is left")
    left.legend(loc="lower right", fontsize=9)
    left.set_title("how little of the image is enough")
    place = np.arange(len(few))
    named = few.seen.where(few.kind != "untrained", few.seen + ", untrained network")
    error = [few.auc - few.auc_low, few.auc_high - few.auc]
    right.errorbar(few.auc, place, xerr=error, fmt="o", color=COVID, capsize=2)
    for y, row in enumerate(few.itertuples()):
        right.text(row.auc_high + 0.01, y, f"{row.auc:.3f}", fontsize=8, va="center")
    right.set_yticks(place, named, fontsize=8)
    right.set(
        ylim=(len(few) - 0.5, -0.6),
        xlim=(low, 1.09),  # room for a number behind each dot
        title="what else may be taken away (line: nothing)",
    )
    counts = table.iloc[0]
    right.set_xlabel(f"ROC AUC ({counts.positives:,} COVID-19, {counts.negatives:,} Non-COVID)")
    right.axvline(whole.auc.iloc[0], color=GREY, lw=1)
    left.axhline(0.5, color=GREY, ls=":", lw=1)
    right.axvline(0.5, color=GREY, ls=":", lw=1)
    return figure


def dots(table: pd.DataFrame) -> Figure:
    """ROC AUC with 95% interval of each row of a `shortcuts.csv`; filled: regression, else trees."""
    each = table.assign(row=table.seen + np.where(table.told == "COVID-19", "", "\n" + table.told))
    names = list(dict.fromkeys(each.row))
    figure, axis = new(size=(7.4, 1.0 + 0.42 * len(names)))
    for trees, shift, face in ((False, -0.13, COVID), (True, 0.13, "white")):
        part = each[(each.model == "trees") == trees]
        if part.empty:
            continue
        place = np.array([names.index(name) for name in part.row]) + shift
        error = [part.auc - part.auc_low, part.auc_high - part.auc]
        axis.errorbar(part.auc, place, xerr=error, fmt="o", color=COVID, mfc=face, capsize=2,
                      label="trees" if trees else "logistic regression")  # fmt: skip
        for y, row in zip(place, part.itertuples(), strict=True):
            axis.text(row.auc_high + 0.012, y, f"{row.auc:.3f}", va="center", fontsize=8)
    sizes = each.drop_duplicates("row")
    ticks = [f"{row.row}\n({row.positives:,} + {row.negatives:,})" for row in sizes.itertuples()]
    axis.set_yticks(range(len(names)), ticks, fontsize=8)
    axis.set(ylim=(len(names) - 0.5, -0.5), xlim=(min(0.35, each.auc_low.min() - 0.02), 1.08))
    axis.axvline(0.5, color=GREY, ls=":", lw=1)
    axis.set_xlabel("ROC AUC on the test images (number that is told apart + the others)")
    if (each.model == "trees").any():
        figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    return figure


def collections(found: dict) -> Figure:
    """How one model's scores are spread in each collection, from `external.json`."""
    figure, axes = new(2, size=(4.2, 3.0), sharey=False)
    edges = np.linspace(0, 1, len(next(iter(found["histograms"].values()))) + 1)
    for axis, (where, about) in zip(
        axes, (("test", "test images of the dataset"), ("external", "external images")), strict=True
    ):
        for name, colour in (("Non-COVID", NON_COVID), ("COVID-19", COVID)):
            counts = np.array(found["histograms"][f"{name}, {where}"])
            share = 100 * counts / max(counts.sum(), 1)
            axis.stairs(share, edges, color=colour, lw=1.5, label=f"{name} ({counts.sum():,})")
            axis.stairs(share, edges, color=colour, alpha=0.15, fill=True)
        axis.axvline(found["threshold"], color=GREY, ls="--", lw=1, label="frozen threshold")
        axis.set(title=about, xlabel="score: P(COVID-19)", xlim=(0, 1))
        axis.legend(fontsize=8)
    axes[0].set_ylabel("% of the class")
    return figure


def mending(table: pd.DataFrame) -> Figure:
    """The steps of a `mending.csv`: what decides, and what it leads to in another hospital."""
    place = np.arange(len(table))
    figure, (left, right) = new(2, size=(4.4, 1.5 + 0.34 * len(table)), sharey=True)
    left.hlines(place, table[["cv_border", "cv_frame"]].max(axis=1), table.cv, color=GREY, lw=1.2)
    for column, mark, colour, name in (
        ("cv_border", "s", COVID, "border only"),
        ("cv_frame", "^", COVID, "frame only: where the lungs lie"),
        ("cv", "o", NON_COVID, "whole picture"),
    ):
        left.plot(table[column], place, mark, color=colour, label=name)
    left.set_title("decides: the widest gap on training images", fontsize=9)
    error = [table.external - table.external_low, table.external_high - table.external]
    right.plot(
        table.test, place, "o", mfc="white", color=NON_COVID, label="test images of the dataset"
    )
    right.errorbar(table.external, place, xerr=error, fmt="o", color=NON_COVID, capsize=2,
                   label="external images, no duplicates")  # fmt: skip
    right.plot(table.external_frame, place, "^", color=COVID, label="external, frame only")
    right.set_title("what it leads to (not used to decide)", fontsize=9)
    for axis in (left, right):
        axis.axvline(0.5, color=GREY, ls=":", lw=1)
        axis.set(xlabel="ROC AUC", xlim=(0.18, 1.02))
        axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.13))
    left.set_yticks(
        place,
        [f"{s}  ✓" if c else s for s, c in zip(table.step, table.chosen, strict=True)],
        fontsize=8,
    )
    left.set_ylim(len(table) - 0.5, -0.5)
    return figure
