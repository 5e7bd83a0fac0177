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
    "figure.dpi": 90,
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
        labels = [f"{n:,}" if n else "" for n in table[name]]
        axis.bar_label(bars, labels, label_type="center", fontsize=8, color="black")
        left += table[name].to_numpy()
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("images")
    figure.legend(loc="outside upper center", ncols=3, fontsize=8)
    return figure


def learning_curves(history: pd.DataFrame, title: str = "") -> Figure:
    """Loss, accuracy and ROC AUC over the epochs, a line per phase, from `history.csv`.

    The dotted line is the accuracy or AUC of a model that knows nothing, 0.5 for AUC.
    """
    figure, axes = new(3, size=(3.4, 3.0))
    styles = {"train": (GREY, "-"), "validation": (COVID, "-"), "test": (NON_COVID, "--")}
    names = {"loss": "cross-entropy loss", "accuracy": "accuracy at 0.5", "auc": "ROC AUC"}
    for axis, (column, label) in zip(axes, names.items(), strict=True):
        for phase, part in history.groupby("phase"):
            colour, line = styles[phase]
            axis.plot(part.epoch, part[column], color=colour, ls=line, label=phase)
        axis.set(xlabel="epoch", title=label)
    axes[2].axhline(0.5, color=GREY, ls=":", lw=1)
    axes[0].legend(fontsize=8)
    axes[0].set_ylim(bottom=0)
    figure.suptitle(title, fontsize="medium")
    return figure


def name_of(model: str, seed: int, seeds: int) -> str:
    return model if seeds == 1 else f"{model} (seed {seed})"


def roc(tables: dict[tuple[str, int], pd.DataFrame]) -> Figure:
    """ROC curves of models, from their scores by (model, seed); enlarged at the right."""
    figure, axes = new(2, size=(4.4, 4.0))
    seeds = len({seed for _, seed in tables})
    for (model, seed), table in tables.items():
        fpr, tpr, _ = metrics.roc(table.label, table.score)
        auc = metrics.auc(table.label, table.score)
        label = f"{name_of(model, seed, seeds)}: AUC {auc:.3f}"
        for axis in axes:
            axis.plot(fpr, tpr, color=COLOURS[model], lw=1.4, label=label, drawstyle="steps-post")
    some = next(iter(tables.values())).label
    for axis in axes:
        axis.plot([0, 1], [0, 1], color=GREY, ls=":", lw=1)
        axis.set(
            xlabel=f"1 - specificity (of {(some == 0).sum():,} Non-COVID)",
            ylabel=f"sensitivity (of {(some == 1).sum():,} COVID-19)",
        )
    axes[1].set(xlim=(0, 0.3), ylim=(0.7, 1.005), title="upper left corner, enlarged")
    axes[0].legend(fontsize=8, loc="lower right")
    axes[0].set_title("ROC curves")
    return figure


def precision_recall(tables: dict[tuple[str, int], pd.DataFrame]) -> Figure:
    """Precision-recall curves of models; the dotted line is the share of COVID-19 images."""
    figure, axis = new(size=(5.0, 4.0))
    seeds = len({seed for _, seed in tables})
    for (model, seed), table in tables.items():
        precision, recall, _ = metrics.precision_recall(table.label, table.score)
        value = metrics.average_precision(table.label, table.score)
        label = f"{name_of(model, seed, seeds)}: average precision {value:.3f}"
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


def score_histogram(table: pd.DataFrame, threshold: float, title: str = "") -> Figure:
    """How the scores of each class are spread; the line is the threshold."""
    figure, axis = new(size=(5.0, 3.2))
    bins = np.linspace(0, 1, 41)
    for label, name, colour in ((0, "Non-COVID", NON_COVID), (1, "COVID-19", COVID)):
        values = table.score[table.label == label]
        axis.hist(
            values,
            bins,
            weights=np.full(len(values), 100 / len(values)),
            color=colour,
            alpha=0.6,
            label=f"{name} ({len(values):,} images)",
        )
    axis.axvline(threshold, color="black", lw=1, ls="--", label=f"threshold {threshold:.3g}")
    axis.set(xlabel="score, P(COVID-19)", ylabel="% of the class", title=title)
    axis.legend(fontsize=8)
    return figure


def confusion(counts: dict[str, int], title: str = "") -> Figure:
    """A confusion matrix with the counts and the share of each row."""
    matrix = np.array([[counts["tn"], counts["fp"]], [counts["fn"], counts["tp"]]])
    share = matrix / matrix.sum(axis=1, keepdims=True)
    figure, axis = new(size=(3.4, 3.1))
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = ["Non-COVID", "COVID-19"]
    for (i, j), value in np.ndenumerate(matrix):
        axis.text(
            j,
            i,
            f"{value:,}\n{share[i, j]:.1%}",
            ha="center",
            va="center",
            color="white" if share[i, j] > 0.5 else "black",
        )
    axis.set(
        xticks=[0, 1],
        xticklabels=names,
        yticks=[0, 1],
        xlabel="model's answer",
        ylabel="truth",
        title=title,
    )
    axis.set_yticklabels(names, rotation=90, va="center")
    axis.grid(visible=False)
    return figure
