"""TODO: what models/figures is."""

import pandas as pd
from matplotlib.figure import Figure

from deepcovid.plots import COVID, GREY, NON_COVID, name_of, new


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
