"""The plots of notebooks 06 and 06b, as wide as a page and with text that can be read there."""

from itertools import groupby
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from deepcovid.failure.design import FACTORS, FAILED, LEVELS, NAMES, PAPER
from deepcovid.failure.effects import replicates, select
from deepcovid.metrics.intervals import auc, confusion
from deepcovid.plots import CLASSES, COVID, GREY, NON_COVID, PALETTE, REFERENCE, intervals, new

WIDTH = 7.4  # inches
STEPS = dict(zip(LEVELS["optimiser"], (COVID, "#E69F00", NON_COVID), strict=True))


def one_legend(figure: Figure, axis, columns: int) -> None:
    """One legend for all panels, above them."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, fontsize=9)


def matrix(axis, counts: dict[str, int], title: str) -> None:
    """A confusion matrix: images, rows are what they are, columns what they are called."""
    cells = np.array([[counts["tn"], counts["fp"]], [counts["fn"], counts["tp"]]])
    share = cells / cells.sum(axis=1, keepdims=True)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axis.axhline(0.5, color="white", lw=2)
    for (row, column), n in np.ndenumerate(cells):
        ink = "white" if share[row, column] > 0.5 else "black"
        axis.text(column, row, f"{n:,}", ha="center", va="center", color=ink, fontsize=12)
    axis.set_xticks([0, 1], CLASSES)
    axis.set_yticks([0, 1], CLASSES, rotation=90, va="center")
    axis.set(xlabel="called", ylabel="is", title=title)
    axis.grid(False)


def roc(label, score) -> tuple[np.ndarray, np.ndarray]:
    """False alarms and sensitivity at each cut of the scores, from the highest down."""
    cuts, label, score = np.unique(score)[::-1], np.asarray(label), np.asarray(score)
    false, found = (
        1 - np.searchsorted(np.sort(score[label == k]), cuts) / (label == k).sum() for k in (0, 1)
    )
    return np.r_[0, false], np.r_[0, found]


def attempts(tables: dict[str, pd.DataFrame], reported: dict | None = None) -> Figure:
    """Confusion matrices at 0.5, above; ROC curves of all `tables`, and the scores of the first, below.

    `tables` hold labels and scores by name; `reported` is an attempt of which only numbers are
    known: its `name`, `counts` (tn, fp, fn, tp) and `auc`.
    """
    figure, ((left, right), (curves, scores)) = new(2, 2, size=(WIDTH / 2, 2.7))
    if reported:
        matrix(left, reported["counts"], reported["name"])
    else:
        left.remove()
    name, first = next(iter(tables.items()))
    matrix(right, confusion(first.label, first.score, 0.5), f"ours: {name}")
    for colour, (name, table) in zip(PALETTE, tables.items(), strict=False):
        value = auc(table.label, table.score)
        curves.plot(*roc(table.label, table.score), color=colour, label=f"{name}: AUC {value:.3f}")
    curves.plot([0, 1], [0, 1], **REFERENCE)
    curves.set(xlabel="1 - specificity", ylabel="sensitivity", title="our ROC curves")
    curves.legend(fontsize=9, loc="lower right", handlelength=1, frameon=True, edgecolor="none")
    for k, (kind, colour) in enumerate(CLASSES.items()):
        part = first.score[first.label == k]
        scores.hist(part, np.linspace(0, 1, 41), weights=np.full(len(part), 100 / len(part)),
                    color=colour, alpha=0.6, label=kind)  # fmt: skip
    scores.axvline(0.5, color="black", lw=1, ls="--")
    scores.text(0.52, 0.9, "called COVID-19\nfrom here on", va="top", fontsize=9,
                transform=scores.get_xaxis_transform())  # fmt: skip
    scores.set(xlabel="score", ylabel="% of the class", xlim=(0, 1))
    scores.set_title("our scores: " + next(iter(tables)))
    scores.legend(fontsize=9, loc="center right")
    return figure


def factorial(table: pd.DataFrame) -> Figure:
    """The sensitivity of each recipe of one network's factorial, a mean over its seeds.

    `table` is of `effects.factorials`. Framed: the failed recipe and, dashed, the paper's.
    """
    by = [factor for factor in FACTORS if table[factor].nunique() > 1]
    across = by[max(len(by) - 2, 1) :]
    down = [factor for factor in by if factor not in across]
    grid = replicates(table, by, ["sensitivity"])["sensitivity", "mean"].unstack(across, sort=False)
    figure, axis = new(size=(WIDTH - 0.6, 1.6 + 0.31 * len(grid)))  # names stand left of it
    drawn = axis.imshow(100 * grid, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(grid.to_numpy()):
        ink = "white" if value > 0.6 else "black"
        axis.text(column, row, f"{value:.0%}", ha="center", va="center", color=ink, fontsize=10)
    for depth, factor in enumerate(reversed(down)):
        name_groups(axis, grid.index, down, factor, place=-0.03 - 0.27 * depth)
    heads = [
        ",\n".join(fill(NAMES[f][v], 11) for f, v in zip(across, np.atleast_1d(c), strict=True))
        for c in grid
    ]
    axis.set_xticks(range(len(heads)), heads, fontsize=9)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.set_yticks([])
    axis.grid(False)
    for recipe, line in ((FAILED, "-"), (FAILED | PAPER, "--")):
        at = [index.get_loc(tuple(recipe[f] for f in names) if len(names) > 1 else recipe[names[0]])
              for index, names in ((grid.columns, across), (grid.index, down))]  # fmt: skip
        corner = at[0] - 0.47, at[1] - 0.46
        axis.add_patch(Rectangle(corner, 0.94, 0.92, fill=False, lw=2, ls=line, ec=COVID))
    images, seeds = int((table.tp + table.fn).iloc[0]), table.seed.nunique()
    figure.colorbar(drawn, shrink=0.8, pad=0.02).set_label(
        f"of {images} COVID-19 images found, %\n(mean of {seeds} seeds)", fontsize=9
    )
    figure.suptitle(f"{table.backbone.iloc[0]}: {len(table)} trainings, {grid.size} recipes",
                    fontsize=11)  # fmt: skip
    return figure


def name_groups(axis, index: pd.Index, names: list[str], factor: str, place: float) -> None:
    """Write a factor's level beside each group of rows that share it, a line above each group."""
    depth = names.index(factor)
    keys = [tuple(np.atleast_1d(row))[: depth + 1] for row in index]
    for key, rows in groupby(enumerate(keys), key=lambda item: item[1]):
        rows = [row for row, _ in rows]
        axis.text(place, np.mean(rows), NAMES[factor][key[-1]].replace(", ", ",\n"), ha="right",
                  va="center", fontsize=9, transform=axis.get_yaxis_transform())  # fmt: skip
        if depth == 0 and rows[0]:
            axis.axhline(rows[0] - 0.5, color="black", lw=1)


def single_changes(table: pd.DataFrame) -> Figure:
    """Sensitivity at 0.5 of the failed recipe and after each single change of it.

    `table` is of `effects.single_changes`, whose seeds' range is drawn too, or `failure.csv`.
    """
    figure, axis = new(size=(WIDTH, 1.0 + 0.36 * len(table)))
    place, found = np.arange(len(table)), 100 * table.sensitivity
    axis.barh(place, found, height=0.6, color=[GREY, *[COVID] * (len(table) - 1)], alpha=0.75)
    ends, texts = found, found.map("{:.0f}%".format)
    if "most" in table:
        axis.hlines(place, 100 * table.least, 100 * table.most, color="black", lw=1.5)
        ends = 100 * table.most
        texts += [
            f" ({100 * a:.0f} to {100 * b:.0f})"
            for a, b in zip(table.least, table.most, strict=True)
        ]
    for y, end, text, rest in zip(place, ends, texts, table.specificity, strict=True):
        axis.text(end + 1.5, y, text, va="center", fontsize=9)
        axis.text(137, y, f"{rest:.1%}", va="center", ha="right", fontsize=9)
    axis.text(137, -0.75, "specificity", ha="right", va="bottom", fontsize=9)
    axis.set_yticks(place, table.index, fontsize=10)
    axis.set(xlim=(0, 138), xticks=range(0, 101, 20), ylim=(len(table) - 0.5, -0.6))
    axis.set_xlabel("COVID-19 test images found at 0.5, %", fontsize=10)
    axis.grid(visible=False, axis="y")
    return figure


def auc_of_epochs(table: pd.DataFrame, target: float, window: float = 0.02) -> Figure:
    """The failed recipe's ROC AUC on test: ten trainings after the first epoch, three over 150.

    `table` is of the ablation, one network. The band is the reported AUC, `target`.
    """
    failed = select(table, **{k: v for k, v in FAILED.items() if k != "epochs"}, selection="last")
    figure, axis = new(size=(WIDTH, 3.4))
    axis.axhspan(target - window, target + window, color=COVID, alpha=0.2)
    axis.text(30, target - 0.003, f"reported: {target}", va="center", fontsize=9)
    for n, (seed, part) in enumerate(select(failed, epochs=150).groupby("seed")):
        axis.plot(part.after, part.auc, "o-", ms=4, color=PALETTE[n], label=f"seed {seed}")
        axis.annotate(f"{part.auc.iloc[-1]:.3f}", (part.after.iloc[-1], part.auc.iloc[-1]), (6, 0),
                      textcoords="offset points", va="center", fontsize=9)  # fmt: skip
    first = select(failed, epochs=4, after=1)
    axis.plot(0.8 * np.ones(len(first)), first.auc, "D", ms=5, color="black", mfc="none",
              label=f"first epoch, {len(first)} seeds")  # fmt: skip
    axis.axhline(0.5, **REFERENCE)
    axis.set(xscale="log", xlabel="epochs trained", ylabel="ROC AUC on the test images")
    axis.set_xticks(ticks := sorted({1, *failed.after}), [str(t) for t in ticks])
    axis.set_xlim(0.7, 220)
    axis.minorticks_off()
    axis.legend(fontsize=9, loc="lower right", ncols=2)
    return figure


def over_epochs(table: pd.DataFrame) -> Figure:
    """Sensitivity at 0.5 and ROC AUC after more and more epochs of a network's trainings; a line
    per optimiser and seed."""
    figure, axes = new(2, size=(WIDTH / 2, 3.0))
    for axis, column in zip(axes, ("sensitivity", "auc"), strict=True):
        for optimiser, colour in STEPS.items():
            parts = select(table, optimiser=optimiser).groupby("seed")
            for n, (_, part) in enumerate(parts):
                name = NAMES["optimiser"][optimiser] if n == 0 else None
                axis.plot(part.after, part[column], "o-", ms=4, color=colour, label=name)
        axis.set(xscale="log", xlabel="epochs trained")
        axis.set_xticks(ticks := [1, 2, 4, 7, 14, 24, 50, 150], [str(tick) for tick in ticks])
        axis.minorticks_off()
    axes[0].set(ylabel="sensitivity at 0.5", ylim=(-0.03, 1))
    axes[1].set_ylabel("ROC AUC")
    one_legend(figure, axes[0], 3)
    return figure


def auc_search(table: pd.DataFrame, target: float, window: float = 0.02) -> Figure:
    """ROC AUC under each candidate cause; filled where the answers stay all Non-COVID."""
    figure, axis = new(size=(WIDTH, 1.0 + 0.25 * len(table)))
    place = np.arange(len(table))
    axis.axvspan(target - window, target + window, color=COVID, alpha=0.2)
    all_non = ((table.sensitivity == 0) & (table.specificity == 1)).to_numpy()
    for rows, face, label in (
        (all_non, NON_COVID, "all called Non-COVID"),
        (~all_non, "white", "some called COVID-19"),
    ):
        style = {"color": NON_COVID, "mfc": face, "capsize": 0, "label": label}
        intervals(axis, table[rows], "auc", "low", "high", y=place[rows], **style)
    axis.set_yticks(place, table.index, fontsize=9)
    axis.invert_yaxis()
    axis.axvline(0.5, **REFERENCE)
    axis.set_xlabel(f"ROC AUC; the band is the reported {target} ± {window}")
    one_legend(figure, axis, 2)
    return figure


def drift(table: pd.DataFrame) -> Figure:
    """Distance of batch norm's running means from where they were pretrained, and from where they
    are after one epoch, over the batches; `table` is `drift.csv`. A colour is a stage of layers,
    dashed where images were whole."""
    table = table.assign(stage=table.layer.str.split(".").str[0])
    means = table.groupby(["stage", "crop", "batches"])[["shift", "from_epoch_1"]].mean()
    figure, axes = new(2, size=(WIDTH / 2, 3.2), sharey=True)
    colours = dict(zip(table.stage.unique(), PALETTE, strict=False))
    for axis, column in zip(axes, ("shift", "from_epoch_1"), strict=True):
        for (stage, crop), part in means[column].groupby(level=["stage", "crop"]):
            line, name = ("-", stage) if crop == "random" else ("--", None)
            axis.plot(part.index.get_level_values("batches"), part, line, color=colours[stage],
                      marker="o", ms=3, label=name)  # fmt: skip
        axis.set_xscale("symlog")
        axis.set(xlabel="batches seen", xlim=(0, None))
    axes[0].set(title="from the pretrained statistics", ylabel="shift, in pretrained SDs")
    axes[1].set(title="from those after one epoch")
    one_legend(figure, axes[0], 5)
    return figure
