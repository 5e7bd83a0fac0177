"""TODO: what metrics/figures is."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcovid.metrics import evaluation, intervals
from deepcovid.plots import COLOURS, COVID, GREY, NON_COVID, name_of, new


def roc(tables: dict[tuple[str, int], pd.DataFrame]) -> Figure:
    """ROC curves of models, from their scores by (model, seed); good ones enlarged at the right."""
    aucs = {key: intervals.auc(table.label, table.score) for key, table in tables.items()}
    figure, axes = new(1 + (min(aucs.values()) > 0.9), size=(4.4, 4.0), squeeze=False)
    for (model, seed), table in tables.items():
        fpr, tpr, _ = evaluation.roc(table.label, table.score)
        label = f"{name_of(model, seed, tables)}: AUC {aucs[model, seed]:.3f}"
        for axis in axes[0]:
            axis.plot(fpr, tpr, color=COLOURS[model], lw=1.4, label=label)
    some = next(iter(tables.values())).label
    for axis in axes[0]:
        axis.plot([0, 1], [0, 1], color=GREY, ls=":", lw=1)
        axis.set(
            xlabel=f"1 - specificity (of {(some == 0).sum():,} Non-COVID)",
            ylabel=f"sensitivity (of {(some == 1).sum():,} COVID-19)",
        )
    axes[0, 0].legend(fontsize=8, loc="lower right")
    axes[0, 0].set_title("ROC curves")
    if axes.size > 1:
        axes[0, 1].set(xlim=(0, 0.3), ylim=(0.7, 1.005), title="upper left corner, enlarged")
    return figure


def precision_recall(tables: dict[tuple[str, int], pd.DataFrame]) -> Figure:
    """Precision-recall curves of models; the dotted line is the share of COVID-19 images."""
    figure, axis = new(size=(5.0, 4.0))
    for (model, seed), table in tables.items():
        precision, recall, _ = evaluation.precision_recall(table.label, table.score)
        value = evaluation.average_precision(table.label, table.score)
        label = f"{name_of(model, seed, tables)}: average precision {value:.3f}"
        axis.plot(
            recall, precision, color=COLOURS[model], lw=1.4, label=label, drawstyle="steps-post"
        )
    prevalence = next(iter(tables.values())).label.mean()
    axis.axhline(prevalence, color=GREY, ls=":", lw=1)
    axis.set(
        xlabel="recall (sensitivity)",
        ylabel="precision (positive predictive value)",
        ylim=(0, 1.02),
        title=f"Precision-recall; {prevalence:.1%} of images are COVID-19",
    )
    axis.legend(fontsize=8, loc="lower left")
    return figure


def score_histograms(tables: dict[tuple[str, int], pd.DataFrame], thresholds: dict) -> Figure:
    """How the scores of each class are spread, a panel per (model, seed); dashed: its threshold."""
    figure, axes = new(2, -(-len(tables) // 2), size=(4.2, 2.5), squeeze=False)
    bins = np.linspace(0, 1, 41)
    for axis in axes.flat[len(tables) :]:
        axis.axis("off")
    for axis, (key, table) in zip(axes.flat, tables.items(), strict=False):
        for label, name, colour in ((0, "Non-COVID", NON_COVID), (1, "COVID-19", COVID)):
            values = table.score[table.label == label]
            share = np.full(len(values), 100 / len(values))
            axis.hist(
                values,
                bins,
                weights=share,
                color=colour,
                alpha=0.6,
                label=f"{name} ({len(values):,})",
            )
        axis.axvline(thresholds[key], color="black", lw=1, ls="--")
        axis.set(xlabel="score, P(COVID-19)", ylabel="% of the class")
        axis.set_title(f"{name_of(*key, tables)}, threshold {thresholds[key]:.3g}")
    axes[0, 0].legend(fontsize=8)
    return figure


def confusions(rows: dict[tuple[str, int], dict]) -> Figure:
    """Confusion matrices with counts and the share of each row, a panel per (model, seed)."""
    columns = min(4, len(rows))
    figure, axes = new(columns, -(-len(rows) // columns), size=(2.5, 2.5), squeeze=False)
    names = ["Non-COVID", "COVID-19"]
    for axis in axes.flat[len(rows) :]:
        axis.axis("off")
    for axis, (key, row) in zip(axes.flat, rows.items(), strict=False):
        matrix = np.array([[row["tn"], row["fp"]], [row["fn"], row["tp"]]]).astype(int)
        share = matrix / matrix.sum(axis=1, keepdims=True)
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (i, j), value in np.ndenumerate(matrix):
            axis.text(
                j,
                i,
                f"{value:,}\n{share[i, j]:.1%}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if share[i, j] > 0.5 else "black",
            )
        axis.set(xticks=[0, 1], yticks=[0, 1], xlabel="model's answer", ylabel="truth")
        axis.set_xticklabels(names, fontsize=8)
        axis.set_yticklabels(names, rotation=90, va="center", fontsize=8)
        axis.set_title(f"{name_of(*key, rows)}, threshold {row['threshold']:.3g}", fontsize=9)
        axis.grid(visible=False)
    return figure


def calibration(tables: dict[tuple[str, int], pd.DataFrame]) -> Figure:
    """Share of COVID-19 among images of like score; on the dotted line scores are probabilities."""
    figure, axis = new(size=(4.6, 4.0))
    for (model, seed), table in tables.items():
        points, found = evaluation.calibration(table.label, table.score)
        label = f"{name_of(model, seed, tables)}: error {found['calibration_error']:.3f}"
        axis.plot(points.score, points.covid, "o-", ms=3, color=COLOURS[model], label=label)
    axis.plot([0, 1], [0, 1], color=GREY, ls=":", lw=1)
    axis.set(xlabel="mean score of the bin", ylabel="share that is COVID-19", title="Calibration")
    axis.legend(fontsize=8)
    return figure


def beside_the_paper(comparison: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Published numbers (diamonds) and ours, by claim: dots with 95% intervals, crosses the seeds.

    `comparison` is of `metrics.compare`, `table` a `metrics.csv`.
    """
    names = {"specificity_at_98_sensitivity": "specificity at 98% sensitivity", "auc": "ROC AUC"}
    figure, axes = new(2, size=(4.2, 2.8))
    for axis, (claim, label) in zip(axes, names.items(), strict=True):
        part = comparison[comparison.claim == claim].reset_index()
        axis.scatter(part.published, part.index - 0.15, marker="D", color=GREY, label="published")
        ran = part.dropna(subset="ours")
        error = [ran.ours - ran.low, ran.high - ran.ours]
        axis.errorbar(ran.ours, ran.index + 0.1, xerr=error, fmt="o", color=COVID, label="ours")
        row = dict(zip(part.model, part.index, strict=True))
        axis.scatter(
            table[claim],
            table.model.map(row) + 0.3,
            marker="x",
            s=16,
            color=COVID,
            label="ours, each seed",
        )
        axis.set_yticks(part.index, part.model)
        axis.set(xlabel=label, ylim=(len(part) - 0.4, -0.5))
    figure.legend(
        *axes[0].get_legend_handles_labels(), fontsize=8, loc="outside upper center", ncols=3
    )
    return figure


def matrix(axis, counts: dict[str, int]) -> None:
    """A confusion matrix with counts, drawn on an axis."""
    values = np.array([[counts["tn"], counts["fp"]], [counts["fn"], counts["tp"]]])
    share = values / values.sum(axis=1, keepdims=True)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (i, j), value in np.ndenumerate(values):
        colour = "white" if share[i, j] > 0.5 else "black"
        axis.text(j, i, f"{value:,}", ha="center", va="center", color=colour)
    names = ["Non-COVID", "COVID-19"]
    axis.set(xticks=[0, 1], yticks=[0, 1], xlabel="answer at 0.5", ylabel="truth")
    axis.set_xticklabels(names, fontsize=8)
    axis.set_yticklabels(names, rotation=90, va="center", fontsize=8)
    axis.grid(visible=False)
