"""Every plot of the study, one function each, returning a matplotlib `Figure`."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcovid import metrics
from deepcovid.runs import replacing

# Okabe and Ito's colours, which readers with a colour vision deficiency tell apart
COVID, NON_COVID, GREY = "#D55E00", "#0072B2", "#666666"
COLOURS = {
    "resnet18": "#E69F00",
    "resnet50": "#009E73",
    "squeezenet": "#0072B2",
    "densenet121": "#CC79A7",
}
STYLE = {
    "figure.dpi": 72,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "svg.hashsalt": "deepcovid",  # the same plot is the same file
    "svg.fonttype": "none",
}
plt.rcParams.update(STYLE)


def new(columns: int = 1, rows: int = 1, size=(4.2, 3.4), **options):
    """A figure that is shown once: where a notebook's cell returns it."""
    figure, axes = plt.subplots(
        rows, columns, figsize=(size[0] * columns, size[1] * rows), **options
    )
    plt.close(figure)
    return figure, axes


def save(figure: Figure, path: Path) -> Figure:
    """Write a plot as SVG or PNG by its suffix, and give it back to be shown."""
    undated = {"Date": None} if path.suffix == ".svg" else {}
    with replacing(path) as partial:
        figure.savefig(partial, metadata=undated)
    return figure


def radiographs(pictures, titles, columns: int = 5, masks=None, outline: str = COVID) -> Figure:
    """Radiographs in a grid under their titles; a mask, where given, is outlined."""
    rows = -(-len(pictures) // columns)
    figure, axes = new(columns, rows, size=(2.0, 2.25), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for i, (axis, picture, title) in enumerate(zip(axes.flat, pictures, titles, strict=False)):
        pixels = np.asarray(picture)
        axis.imshow(pixels, cmap="gray" if pixels.ndim == 2 else None, vmin=0, vmax=255)
        axis.set_title(title, fontsize=8)
        if masks is not None and np.asarray(masks[i]).any():
            axis.contour(np.asarray(masks[i]), levels=[0.5], colors=outline, linewidths=0.8)
    return figure


def class_counts(table: pd.DataFrame) -> Figure:
    """Images per split and class, from `manifest.counts`."""
    figure, axis = new(size=(6, 0.7 + 0.55 * len(table)))
    colours = {"COVID-19": COVID, "COVID-19, augmented": "#F3B98A", "Non-COVID": NON_COVID}
    left = np.zeros(len(table))
    for name in [c for c in colours if c in table]:
        bars = axis.barh(table.index, table[name], left=left, color=colours[name], label=name)
        wide = 0.06 * table.sum(axis=1).max()
        labels = [f"{n:,.0f}" if n > wide else "" for n in table[name]]
        axis.bar_label(bars, labels, label_type="center", fontsize=8, color="white")
        left += table[name].to_numpy()
    for i, row in enumerate(table.fillna(0).to_dict("records")):
        told = ", ".join(f"{n:,.0f} {name}" for name, n in row.items() if n)
        axis.text(left[i], i, f"  {told}", va="center", fontsize=7, color=GREY)
    axis.set_xlim(right=1.6 * left.max())
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("images")
    figure.legend(loc="outside upper center", ncols=3, fontsize=8)
    return figure


def learning_curves(histories: dict[tuple[str, int], pd.DataFrame]) -> Figure:
    """Loss, accuracy and ROC AUC over the epochs; a row per (model, seed), a line per phase."""
    figure, axes = new(3, len(histories), size=(3.1, 2.0), squeeze=False, sharex="row")
    styles = {"train": (GREY, "-"), "validation": (COVID, "-"), "test": (NON_COVID, "--")}
    names = {"loss": "cross-entropy loss", "accuracy": "accuracy at 0.5", "auc": "ROC AUC"}
    for row, ((model, seed), history) in zip(axes, histories.items(), strict=True):
        for axis, (column, label) in zip(row, names.items(), strict=True):
            for phase, part in history.groupby("phase"):
                colour, line = styles[phase]
                axis.plot(part.epoch, part[column], color=colour, ls=line, label=phase)
            axis.set_title(label, fontsize=9)
            axis.tick_params(labelsize=8)
        row[0].set_ylim(bottom=0)
        row[0].set_ylabel(name_of(model, seed, histories), fontsize=9)
        row[2].axhline(0.5, color=GREY, ls=":", lw=1)
    for axis in axes[-1]:
        axis.set_xlabel("epoch", fontsize=9)
    axes[0, 0].legend(fontsize=8)
    return figure


def name_of(model: str, seed: int, tables) -> str:
    """A model's name, with its seed where there are several."""
    return model if len({s for _, s in tables}) == 1 else f"{model}, seed {seed}"


def roc(tables: dict[tuple[str, int], pd.DataFrame]) -> Figure:
    """ROC curves of models, from their scores by (model, seed); good ones enlarged at the right."""
    aucs = {key: metrics.auc(table.label, table.score) for key, table in tables.items()}
    figure, axes = new(1 + (min(aucs.values()) > 0.9), size=(4.4, 4.0), squeeze=False)
    for (model, seed), table in tables.items():
        fpr, tpr, _ = metrics.roc(table.label, table.score)
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
        precision, recall, _ = metrics.precision_recall(table.label, table.score)
        value = metrics.average_precision(table.label, table.score)
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
        points, found = metrics.calibration(table.label, table.score)
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
