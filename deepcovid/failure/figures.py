"""The plots of notebooks 06 and 06b, as wide as a page and with text that can be read there."""

from textwrap import fill

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from deepcovid.failure.design import FACTORS, FAILED, LEVELS, NAMES, PAPER
from deepcovid.failure.effects import select
from deepcovid.failure.tables import REPORTED
from deepcovid.metrics.evaluation import roc
from deepcovid.metrics.figures import histogram
from deepcovid.metrics.intervals import auc, confusion
from deepcovid.metrics.tables import NETWORKS
from deepcovid.plots import CLASSES, COVID, GREY, NARROW, NON_COVID, PALETTE, REFERENCE, forest, new

WIDTH = 7.4  # inches


def matrix(axis, counts: dict[str, int], title: str) -> None:
    """A confusion matrix: images, rows are what they are, columns what they are called."""
    cells = np.array([[counts["tn"], counts["fp"]], [counts["fn"], counts["tp"]]])
    sns.heatmap(cells / cells.sum(axis=1, keepdims=True), vmin=0, vmax=1, annot=cells, fmt=",d",
                annot_kws={"size": 12}, cmap="Blues", cbar=False, linewidths=1,
                xticklabels=list(CLASSES), yticklabels=list(CLASSES), ax=axis)  # fmt: skip
    axis.set(xlabel="called", ylabel="is", title=title)


def attempts(tables: dict[str, pd.DataFrame]) -> Figure:
    """Confusion matrices at 0.5, above: the reported one and ours; below, ROC curves of all `tables`,
    labels and scores by name, and the scores of the first."""
    figure, ((left, right), (curves, scores)) = new(2, 2, size=(WIDTH / 2, 2.7))
    name, first = next(iter(tables.items()))
    matrix(left, REPORTED["counts"], REPORTED["name"])
    matrix(right, confusion(first.label, first.score, 0.5), f"ours: {name}")
    for colour, (seed, table) in zip(PALETTE, tables.items(), strict=False):
        label = f"{seed}: AUC {auc(table.label, table.score):.3f}"
        curves.plot(*roc(table.label, table.score)[:2], color=colour, label=label)
    curves.plot([0, 1], [0, 1], **REFERENCE)
    curves.set(xlabel="1 - specificity", ylabel="sensitivity", title="our ROC curves")
    curves.legend(loc="lower right", handlelength=1, frameon=True, edgecolor="none")
    histogram(scores, first)
    scores.axvline(0.5, color="black", lw=1, ls="--")
    scores.text(0.52, 0.9, "called COVID-19\nfrom here on", va="top",
                transform=scores.get_xaxis_transform())  # fmt: skip
    scores.set_title(f"our scores: {name}")
    scores.legend(loc="center right", handlelength=0.7, handletextpad=0.4)
    return figure


def factorial(table: pd.DataFrame) -> Figure:
    """The sensitivity of each recipe of one network's factorial, a mean over its seeds.

    `table` is of `effects.factorials`. Framed: the failed recipe and, dashed, the paper's.
    """
    by = [factor for factor in FACTORS if table[factor].nunique() > 1]
    down, across = by[: max(len(by) - 2, 1)], by[max(len(by) - 2, 1) :]
    table = table.sort_values(by, key=lambda levels: levels.map(list(LEVELS[levels.name]).index))
    names = table[by].apply(lambda levels: levels.map(NAMES[levels.name]))
    rows, columns = (names[part].agg(", ".join, axis=1) for part in (down, across))
    grid = table.sensitivity.groupby([rows, columns]).mean().unstack()
    grid = grid.loc[rows.unique(), columns.unique()]
    figure, axis = new(size=(WIDTH, 1.6 + 0.31 * len(grid)))
    images, seeds = int((table.tp + table.fn).iloc[0]), table.seed.nunique()
    bar = {"shrink": 0.8, "pad": 0.02,
           "label": f"of {images} COVID-19 images found, %\n(mean of {seeds} seeds)"}  # fmt: skip
    sns.heatmap(100 * grid, vmin=0, vmax=100, annot=True, fmt=".0f", annot_kws={"size": 10},
                cmap="Blues", cbar_kws=bar, xticklabels=[fill(name, 10) for name in grid], ax=axis)  # fmt: skip
    axis.xaxis.tick_top()
    axis.tick_params(length=0, labelsize=9)
    axis.set(xlabel="", ylabel="")
    for recipe, line in ((FAILED, "-"), (FAILED | PAPER, "--")):
        one = select(table, **{factor: recipe[factor] for factor in by}).index[0]
        corner = grid.columns.get_loc(columns[one]) + 0.03, grid.index.get_loc(rows[one]) + 0.04
        axis.add_patch(Rectangle(corner, 0.94, 0.92, fill=False, lw=2, ls=line, ec=COVID))
    figure.suptitle(
        f"{NETWORKS[table.backbone.iloc[0]]}: {len(table)} trainings, {grid.size} recipes"
    )
    return figure


def single_changes(table: pd.DataFrame) -> Figure:
    """Sensitivity at 0.5 of the failed recipe and after each single change of it.

    `table` is of `effects.single_changes`, whose seeds' range is drawn too, or `failure.csv`.
    """
    figure, axis = new(size=(NARROW, 0.9 + 0.28 * len(table)))
    found = 100 * table.sensitivity
    least, most = (100 * table.get(name, table.sensitivity) for name in ("least", "most"))
    axis.barh(table.index, found, xerr=[found - least, most - found], height=0.6, alpha=0.75, capsize=2,
              color=[GREY, *[COVID] * (len(table) - 1)])  # fmt: skip
    for y, row in enumerate(zip(found, least, most, table.specificity, strict=True)):
        several = " ({1:.0f} to {2:.0f})".format(*row) if "most" in table else ""
        axis.text(row[2] + 2, y, f"{row[0]:.0f}%{several}", va="center")
        axis.text(170, y, f"{row[3]:.1%}", va="center", ha="right")
    axis.text(170, -0.6, "specificity", ha="right", va="bottom")
    axis.set(xlim=(0, 170), xticks=range(0, 101, 20), ylim=(len(table) - 0.5, -0.6))
    images = (table.tp + table.fn).max()
    axis.set_xlabel(f"% of the {images:.0f} COVID-19 test images found at 0.5", loc="left")
    axis.grid(visible=False, axis="y")
    return figure


def auc_of_epochs(table: pd.DataFrame, target: float, window: float = 0.02) -> Figure:
    """The failed recipe's ROC AUC on test: ten trainings after the first epoch, three over 150.

    `table` is of the ablation, one network. The band is the reported AUC, `target`.
    """
    failed = select(table, **{k: v for k, v in FAILED.items() if k != "epochs"}, selection="last")
    figure, axis = new(size=(WIDTH, 3.4))
    axis.axhspan(target - window, target + window, color=COVID, alpha=0.2)
    axis.text(30, target - 0.003, f"reported: {target}", va="center")
    for n, (seed, part) in enumerate(select(failed, epochs=150).groupby("seed")):
        axis.plot(part.after, part.auc, "o-", ms=4, color=PALETTE[n], label=f"seed {seed}")
        axis.annotate(f"{part.auc.iloc[-1]:.3f}", (part.after.iloc[-1], part.auc.iloc[-1]), (6, 0),
                      textcoords="offset points", va="center")  # fmt: skip
    first = select(failed, epochs=1, after=1)
    axis.plot(0.8 * np.ones(len(first)), first.auc, "D", ms=5, color="black", mfc="none",
              label=f"first epoch, {len(first)} seeds")  # fmt: skip
    axis.axhline(0.5, **REFERENCE)
    axis.set(xscale="log", xlabel="epochs trained", ylabel="ROC AUC on the test images")
    axis.set_xticks(ticks := sorted({1, *failed.after}), [str(t) for t in ticks])
    axis.set_xlim(0.7, 220)
    axis.minorticks_off()
    axis.legend(loc="lower right", ncols=2)
    return figure


def lines(table, x: str, hue: str, measures: dict, xlabel: str, ylabel="", **how) -> Figure:
    """Lines over a logarithmic `x`, a colour for each `hue`, a panel for each of `measures`.

    These are columns, with their names for a reader; `how` are seaborn's `units` or `style`.
    """
    table = table.replace({factor: NAMES[factor] for factor in NAMES if factor in table})
    how |= {
        "palette": PALETTE[: table[hue].nunique()],
        "estimator": None if "units" in how else "mean",
    }
    size = WIDTH / 2, 3.6
    figure, axes = new(len(measures), size=size, squeeze=False, sharey=bool(ylabel))
    for axis, (measure, title) in zip(axes.flat, measures.items(), strict=True):
        sns.lineplot(table, x=x, y=measure, hue=hue, marker="o", errorbar=None, ax=axis, **how)
        axis.set(xscale="symlog", xlim=(0, None), xlabel=xlabel, ylabel="", title=title)
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.get_legend().remove()
    axes[0, 0].set_ylabel(ylabel)
    handles = axis.get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=3)
    return figure


def auc_search(table: pd.DataFrame, target: float, window: float = 0.02) -> Figure:
    """ROC AUC under each candidate cause; filled where the answers stay all Non-COVID."""
    figure, axis = new(size=(WIDTH, 1.0 + 0.25 * len(table)))
    axis.axvspan(target - window, target + window, color=COVID, alpha=0.2)
    all_non = (table.sensitivity == 0) & (table.specificity == 1)
    rows = {name: name for name in table.index}
    kinds = (
        (all_non, NON_COVID, "all called Non-COVID"),
        (~all_non, "white", "some called COVID-19"),
    )
    for own, face, label in kinds:
        style = {"color": NON_COVID, "mfc": face, "capsize": 0, "label": label}
        forest(axis, table[own], ("auc", "low", "high"), rows, **style)
    axis.axvline(0.5, **REFERENCE)
    axis.set_xlabel(f"ROC AUC; the band is the reported {target} ± {window}")
    figure.legend(loc="outside upper center", ncols=2)
    return figure
