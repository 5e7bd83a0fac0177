"""The learning curves of trained models."""

import pandas as pd
from matplotlib.figure import Figure

from deepcovid.metrics.tables import NETWORKS
from deepcovid.plots import COVID, GREY, NON_COVID, new

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
            for phase, of in part.groupby("phase", sort=False):
                curve(axis, of.pivot(index="epoch", columns="seed", values=column), phase)
        row[0].set_ylim(bottom=0)
        several = part.seed.nunique()
        row[0].set_ylabel(
            NETWORKS.get(model, model) + (f"\n{several} seeds" if several > 1 else "")
        )
        row[2].axhline(0.5, color=GREY, ls=":", lw=1)
    for axis, label in zip(axes[0], MEASURES.values(), strict=True):
        axis.set_title(label)
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
    axes[0, 0].legend(title=None, fontsize=9)
    return figure


def curve(axis, seeds: pd.DataFrame, phase: str) -> None:
    """One phase of one model: a column of `seeds` per seed, a row per epoch."""
    colour, dashes = PHASES[phase], (0, (4, 1.5)) if phase == "test" else "-"
    axis.plot(seeds.index, seeds.mean(axis=1), color=colour, ls=dashes, label=phase)
    if seeds.shape[1] > 1:
        axis.fill_between(
            seeds.index, seeds.min(axis=1), seeds.max(axis=1), color=colour, alpha=0.2, lw=0
        )
        axis.plot(seeds.index, seeds, color=colour, ls=dashes, lw=0.5)
