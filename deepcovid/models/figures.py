"""The learning curves of trained models."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from deepcovid.metrics.tables import NETWORKS
from deepcovid.plots import COVID, GREY, NON_COVID, REFERENCE, new

MEASURES = {"loss": "cross-entropy loss", "accuracy": "accuracy at 0.5", "auc": "ROC AUC"}
PHASES = {"train": GREY, "validation": COVID, "test": NON_COVID}


def learning_curves(histories: dict[tuple[str, int], pd.DataFrame]) -> Figure:
    """Loss, accuracy and ROC AUC over the epochs, of histories by (model, seed); a row per model.

    A thin line is a seed. Where a model has several, the thick one is their mean, and the band
    goes from the least to the largest.
    """
    table = pd.concat([h.assign(model=m, seed=s) for (m, s), h in histories.items()])
    models = list(table.groupby("model", sort=False))
    figure, axes = new(3, len(models), size=(2.45, 1.75), squeeze=False, sharex=True, sharey="col")
    for row, (model, part) in zip(axes, models, strict=True):
        for axis, column in zip(row, MEASURES, strict=True):
            how = {"x": "epoch", "y": column, "hue": "phase", "palette": PHASES, "ax": axis}
            sns.lineplot(part, **how, errorbar=("pi", 100), legend=axis is axes[0, 0])
            if (seeds := part.seed.nunique()) > 1:
                sns.lineplot(part, **how, units="seed", estimator=None, lw=0.5, legend=False)
            axis.set_ylabel("")
        name = NETWORKS[model] + f"\n{seeds} seeds" * (seeds > 1)
        row[0].set(ylim=(0, None), ylabel=name)
        row[2].axhline(0.5, **REFERENCE)
    for axis, title in zip(axes[0], MEASURES.values(), strict=True):
        axis.set_title(title)
    axes[0, 0].legend(title=None)
    return figure
