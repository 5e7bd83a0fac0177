"""The plots of scores: curves, histograms, confusion matrices, calibration, beside the paper."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from deepcovid.metrics import evaluation, intervals
from deepcovid.plots import CLASSES, COLOURS, COVID, GREY, REFERENCE, name_of, new, panels
from deepcovid.plots import intervals as points

DASHES = ((), (4, 1.5), (1, 1), (6, 1, 1, 1))  # of a model's seeds


def lines(axes, curves: dict[tuple[str, int], pd.DataFrame], told: str, **options) -> None:
    """Draw a curve (columns x, y) for each (model, seed) on every axis: a colour per model, a dash
    per seed. `told` is what the legend says after the name, of the table's attribute `value`."""
    seeds = sorted({seed for _, seed in curves})
    names = {
        key: f"{name_of(*key, curves)}: {told} {c.attrs['value']:.4f}" for key, c in curves.items()
    }
    drawn = {
        "palette": {names[key]: COLOURS.get(key[0], "black") for key in curves},
        "dashes": {names[key]: DASHES[seeds.index(key[1]) % len(DASHES)] for key in curves},
    }
    table = pd.concat([c.assign(curve=names[key]) for key, c in curves.items()], ignore_index=True)
    for i, axis in enumerate(axes):
        sns.lineplot(
            table, x="x", y="y", hue="curve", style="curve", estimator=None, sort=False, ax=axis,
            legend=i == 0, **drawn, **options,
        )  # fmt: skip
    axes[0].get_legend().set_title(None)


def curve(x, y, value: float) -> pd.DataFrame:
    table = pd.DataFrame({"x": x, "y": y})
    table.attrs["value"] = value
    return table


def roc(tables: dict[tuple[str, int], pd.DataFrame]) -> Figure:
    """ROC curves of models, from their scores by (model, seed); good ones enlarged at the right."""
    curves = {
        key: curve(*evaluation.roc(t.label, t.score)[:2], intervals.auc(t.label, t.score))
        for key, t in tables.items()
    }
    good = min(c.attrs["value"] for c in curves.values()) > 0.9
    figure, axes = new(1 + good, size=(4.4, 4.0), squeeze=False)
    lines(axes[0], curves, "AUC")
    some = next(iter(tables.values())).label
    for axis in axes[0]:
        axis.plot([0, 1], [0, 1], **REFERENCE)
        axis.set(
            xlabel=f"1 - specificity (of {(some == 0).sum():,} Non-COVID)",
            ylabel=f"sensitivity (of {(some == 1).sum():,} COVID-19)",
        )
    axes[0, 0].set_title("ROC curves")
    if good:
        axes[0, 1].set(xlim=(0, 0.3), ylim=(0.7, 1.005), title="upper left corner, enlarged")
    return figure


def precision_recall(tables: dict[tuple[str, int], pd.DataFrame]) -> Figure:
    """Precision-recall curves of models; the dotted line is the share of COVID-19 images."""
    curves = {}
    for key, table in tables.items():
        precision, recall, _ = evaluation.precision_recall(table.label, table.score)
        value = evaluation.average_precision(table.label, table.score)
        curves[key] = curve(recall, precision, value)
    figure, axis = new(size=(5.0, 4.0))
    lines([axis], curves, "average precision", drawstyle="steps-post")
    prevalence = next(iter(tables.values())).label.mean()
    axis.axhline(prevalence, **REFERENCE)
    axis.set(
        xlabel="recall (sensitivity)",
        ylabel="precision (positive predictive value)",
        ylim=(0, 1.02),
        title=f"Precision-recall; {prevalence:.1%} of images are COVID-19",
    )
    return figure


def calibration(tables: dict[tuple[str, int], pd.DataFrame]) -> Figure:
    """Share of COVID-19 among images of like score; on the dotted line scores are probabilities."""
    curves = {}
    for key, table in tables.items():
        bins, found = evaluation.calibration(table.label, table.score)
        curves[key] = curve(bins.score, bins.covid, found["calibration_error"])
    figure, axis = new(size=(7.0, 4.0))
    lines([axis], curves, "error", marker="o", markersize=4)
    sns.move_legend(axis, "upper left", bbox_to_anchor=(1, 1))
    axis.plot([0, 1], [0, 1], **REFERENCE)
    axis.set(xlabel="mean score of the bin", ylabel="share that is COVID-19", title="Calibration")
    return figure


def histogram(axis, table: pd.DataFrame) -> None:
    """How the scores of each class are spread, drawn on an axis; a tick for each COVID-19 image."""
    n = table.label.value_counts()
    names = {label: f"{name} ({n.get(label, 0):,})" for label, name in enumerate(CLASSES)}
    palette = dict(zip(names.values(), CLASSES.values(), strict=True))
    sns.histplot(
        x=table.score, hue=table.label.map(names), palette=palette, bins=np.linspace(0, 1, 41),
        stat="percent", common_norm=False, alpha=0.6, linewidth=0, ax=axis,
    )  # fmt: skip
    sns.rugplot(x=table.score[table.label == 1], color=COVID, height=0.04, lw=0.6, ax=axis)
    axis.get_legend().set_title(None)
    axis.set(xlabel="score, P(COVID-19)", ylabel="% of the class", xlim=(-0.01, 1.01))


def score_histograms(tables: dict[tuple[str, int], pd.DataFrame], thresholds: dict) -> Figure:
    """How the scores of each class are spread, a panel per (model, seed); dashed: its threshold."""
    figure, axes = panels(len(tables), size=(4.2, 2.5))
    for axis, (key, table) in zip(axes, tables.items(), strict=True):
        histogram(axis, table)
        axis.axvline(thresholds[key], color="black", lw=1, ls="--")
        axis.set_title(f"{name_of(*key, tables)}, threshold {thresholds[key]:.3g}")
    return figure


def matrix(axis, counts: dict[str, int], threshold: float = 0.5) -> None:
    """A confusion matrix drawn on an axis: counts, and the share of each row."""
    values = np.array([[counts["tn"], counts["fp"]], [counts["fn"], counts["tp"]]]).astype(int)
    share = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    told = [
        [f"{n:,}\n{s:.1%}" for n, s in zip(*row, strict=True)]
        for row in zip(values, share, strict=True)
    ]
    sns.heatmap(
        share, annot=np.array(told), fmt="", vmin=0, vmax=1, cmap="Blues", cbar=False, square=True,
        xticklabels=list(CLASSES), yticklabels=list(CLASSES), ax=axis,
    )  # fmt: skip
    axis.set(xlabel=f"answer at {threshold:.3g}", ylabel="truth")


def confusions(rows: dict[tuple[str, int], dict]) -> Figure:
    """Confusion matrices with counts and the share of each row, a panel per (model, seed)."""
    figure, axes = panels(len(rows), columns=4, size=(2.4, 2.5))
    for axis, (key, row) in zip(axes, rows.items(), strict=True):
        matrix(axis, row, row["threshold"])
        axis.set_title(name_of(*key, rows))
    return figure


def at_threshold(table: pd.DataFrame, threshold: float, frozen: float, name: str) -> Figure:
    """What one threshold makes of scores: where it cuts, whom it calls what, its place on the ROC
    curve. Dotted, and a ring on the curve: the `frozen` one."""
    counts = evaluation.confusion(table.label, table.score, threshold)
    figure, (spread, cell, curve) = new(3, size=(2.9, 2.9), width_ratios=(1.2, 0.8, 1))
    histogram(spread, table)
    spread.axvline(threshold, color="black", lw=1.4)
    spread.axvline(frozen, color="black", lw=1, ls=":")
    sns.move_legend(spread, "lower left", bbox_to_anchor=(-0.2, 1), ncols=2)
    matrix(cell, counts, threshold)
    curve.plot(*evaluation.roc(table.label, table.score)[:2], color=GREY)
    curve.plot([0, 1], [0, 1], **REFERENCE)
    for at, face in ((frozen, "none"), (threshold, "black")):
        found = evaluation.confusion(table.label, table.score, at)
        positives, negatives = found["tp"] + found["fn"], found["fp"] + found["tn"]
        place = found["fp"] / negatives, found["tp"] / positives
        curve.plot(*place, "o", color="black", mfc=face, ms=8, clip_on=False, zorder=3)
    curve.set(xlabel=f"1 - specificity (of {negatives:,} Non-COVID)",
              ylabel=f"sensitivity (of {positives:,} COVID-19)")  # fmt: skip
    figure.suptitle(
        f"{name}: from {threshold:.3f} on, {counts['tp']:,} of {positives:,} COVID-19 images are "
        f"found and {counts['fp']:,} of {negatives:,} Non-COVID images called COVID-19"
    )
    return figure


def beside_the_paper(comparison: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Published numbers (diamonds) and ours, by claim: dots with intervals, crosses the seeds.

    `comparison` is of `published.compare`, `table` a `metrics.csv`. An interval without a lower end
    leaves the plot at the left.
    """
    names = {"specificity_at_98_sensitivity": "specificity at 98% sensitivity", "auc": "ROC AUC"}
    figure, axes = new(2, size=(4.2, 2.8))
    for axis, (claim, label) in zip(axes, names.items(), strict=True):
        part = comparison[comparison.claim == claim].reset_index()
        axis.scatter(part.published, part.index - 0.15, marker="D", color=GREY, label="published")
        points(axis, part, "ours", "low", "high", part.index + 0.1, label="ours")
        place = table.model.map(dict(zip(part.model, part.index + 0.3, strict=True)))
        axis.scatter(table[claim], place, marker="x", s=16, color=COVID, label="ours, each seed")
        axis.set_yticks(part.index, part.model)
        least = min(part.published.min(), table[claim].min(), part.low[part.low > 0].min())
        axis.set(
            xlabel=label, ylim=(len(part) - 0.4, -0.5), xlim=(1.1 * least - 0.1, 1.1 - 0.1 * least)
        )
    told = axes[0].get_legend_handles_labels()
    figure.legend(*told, loc="outside upper center", ncols=3)
    return figure
