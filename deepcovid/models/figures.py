"""The learning curves of trained models."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from deepcovid.plots import COVID, GREY, NON_COVID, new

MEASURES = {"loss": "cross-entropy loss", "accuracy": "accuracy at 0.5", "auc": "ROC AUC"}
PHASES = {"train": GREY, "validation": COVID, "test": NON_COVID}
DASHES = {"train": "", "validation": "", "test": (4, 1.5)}


def learning_curves(histories: dict[tuple[str, int], pd.DataFrame]) -> Figure:
    """Loss, accuracy and ROC AUC over the epochs, of histories by (model, seed); a row per model.

    A thin line is a seed. Where a model has several, the thick one is their mean, and the band
    goes from the least to the largest.
    """
    table = pd.concat([h.assign(model=m, seed=s) for (m, s), h in histories.items()])
    models = list(table.groupby("model", sort=False))
    figure, axes = new(3, len(models), size=(3.1, 2.0), squeeze=False, sharex="row")
    looks = {"hue": "phase", "palette": PHASES, "style": "phase", "dashes": DASHES}
    for row, (model, part) in zip(axes, models, strict=True):
        several = part.seed.nunique()
        for axis, (column, label) in zip(row, MEASURES.items(), strict=True):
            given = {"data": part, "x": "epoch", "y": column, "ax": axis, **looks}
            sns.lineplot(**given, errorbar=("pi", 100), legend=axis is axes[0, 0])
            if several > 1:
                sns.lineplot(**given, units="seed", estimator=None, lw=0.5, legend=False)
            axis.set(title=label, ylabel="")
        row[0].set_ylim(bottom=0)
        row[0].set_ylabel(model + (f", {several} seeds" if several > 1 else ""))
        row[2].axhline(0.5, color=GREY, ls=":", lw=1)
    axes[0, 0].legend(title=None)
    return figure
