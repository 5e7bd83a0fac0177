"""Plots of notebook 08."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from deepcovid.fair_test.names import BLIND, EVERYTHING, RELEASE, SAME
from deepcovid.metrics import evaluation, intervals
from deepcovid.plots import COLOURS, COVID, GREY, NON_COVID, REFERENCE, new, panels
from deepcovid.plots import intervals as points

COLOUR = {RELEASE: NON_COVID, SAME: "#CC79A7"}
KINDS = {"COVID-19": COVID, f"Non-COVID, {RELEASE}": NON_COVID, f"Non-COVID, {SAME}": COLOUR[SAME]}


def kinds(sets: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Scores with their kind: COVID-19, and Non-COVID by whose."""
    rows = [
        sets[RELEASE].assign(
            kind=np.where(sets[RELEASE].label == 1, "COVID-19", f"Non-COVID, {RELEASE}")
        )
    ]
    fair = sets[SAME][sets[SAME].label == 0]
    return pd.concat([*rows, fair.assign(kind=f"Non-COVID, {SAME}")], ignore_index=True)


def swapped(table: pd.DataFrame, sets: dict[str, pd.DataFrame], title: str) -> Figure:
    """The same models and COVID-19 images against two kinds of Non-COVID images.

    Left: AUC of each model and seed, of a `swap.csv`. Right: how one model scores the three kinds
    of images, of `swap.swapped`.
    """
    models = table[["model", "seed"]].drop_duplicates()
    figure, (left, right) = new(
        2, size=(4.6, 1.4 + 0.3 * max(len(models), 5)), width_ratios=(1, 1.25)
    )
    names = [f"{row.model}, seed {row.seed}" for row in models.itertuples()]
    for shift, (kind, colour) in zip((-0.15, 0.15), COLOUR.items(), strict=True):
        part = models.merge(table[table.non_covid == kind])
        style = {"y": np.arange(len(part)) + shift, "color": colour, "values": "{:.3f}"}
        points(
            left,
            part,
            "auc",
            "case_low",
            "case_high",
            names=names,
            label=f"Non-COVID images: {kind}",
            **style,
        )
    left.axvline(0.5, **REFERENCE)
    left.set(xlim=(0.3, 1.12), xlabel="ROC AUC, 95% intervals by case")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=2, fontsize=8)
    scores = kinds(sets)
    counts = scores.kind.value_counts()
    sns.boxenplot(
        scores, x="score", y="kind", hue="kind", palette=KINDS, order=KINDS, ax=right, legend=False
    )
    right.set_yticks(
        range(len(KINDS)), [f"{kind}\n({counts.get(kind, 0):,} images)" for kind in KINDS]
    )
    right.set(xlim=(-0.02, 1.02), ylabel="", xlabel="score: P(COVID-19)", title=title)
    return figure


def curves(sets: dict[str, dict[str, pd.DataFrame]]) -> Figure:
    """ROC of each model against both kinds of Non-COVID images, a panel per model."""
    figure, axes = panels(len(sets), 3, size=(3.0, 3.0), sharex=True, sharey=True)
    for axis, (model, of) in zip(axes, sets.items(), strict=True):
        for kind, table in of.items():
            fpr, tpr, _ = evaluation.roc(table.label, table.score)
            label = f"{kind}: {intervals.auc(table.label, table.score):.3f}"
            axis.plot(fpr, tpr, color=COLOUR[kind], label=label)
        axis.plot([0, 1], [0, 1], **REFERENCE)
        axis.set(title=model, xlabel="1 - specificity", ylabel="sensitivity", aspect="equal")
        axis.legend(title="Non-COVID images, AUC", loc="lower right", fontsize=7, title_fontsize=7)
    return figure


def by_finding(scores: pd.DataFrame, threshold: float, least: int = 4) -> Figure:
    """Scores of the collection's images by finding, a dot per image; the line is the threshold."""
    fresh = scores[~scores.trained]
    counts = fresh.finding.value_counts()
    fresh = fresh.assign(
        finding=fresh.finding.where(fresh.finding.map(counts) >= least, "other findings")
    )
    order = fresh.groupby("finding").score.median().sort_values(ascending=False).index
    figure, axis = new(size=(6.4, 1.0 + 0.32 * len(order)))
    sns.boxplot(
        fresh,
        x="score",
        y="finding",
        order=order,
        color="white",
        linecolor=GREY,
        fliersize=0,
        ax=axis,
    )
    palette = {0: COLOUR[SAME], 1: COVID}
    sns.stripplot(fresh, x="score", y="finding", order=order, hue="label", palette=palette, size=3.5,
                  ax=axis, legend=False)  # fmt: skip
    sizes = fresh.finding.value_counts()
    axis.set_yticks(range(len(order)), [f"{name} ({sizes[name]})" for name in order])
    axis.axvline(threshold, color=GREY, ls="--", lw=1)
    axis.set(xlim=(-0.02, 1.02), ylabel="", xlabel="score: P(COVID-19)")
    return figure


def severity(table: pd.DataFrame) -> Figure:
    """Spearman's correlation with the senior radiologist's Brixia sum, 95% intervals by case."""
    names = [
        row.reader if pd.isna(row.seed) else f"{row.reader}, seed {row.seed:.0f}"
        for row in table.itertuples()
    ]
    figure, axis = new(size=(6.0, 1.0 + 0.3 * len(table)))
    points(axis, table, "rho", "low", "high", names=names, values="{:.3f}")
    axis.axvline(0, **REFERENCE)
    first = table.iloc[0]
    axis.set(
        xlim=(-0.6, 1.12),
        xlabel=f"Spearman's correlation ({first.images:.0f} images of {first.groups:.0f} cases)",
    )
    return figure


def graded(table: pd.DataFrame) -> Figure:
    """Each image's score beside its Brixia sum: columns `model`, `score`, `senior`."""
    names = list(dict.fromkeys(table.model))
    figure, axes = panels(len(names), 3, size=(2.9, 2.6), sharex=True, sharey=True)
    for axis, name in zip(axes, names, strict=True):
        part = table[table.model == name]
        sns.regplot(part, x="senior", y="score", lowess=True, ax=axis, scatter_kws={"s": 12, "alpha": 0.6},
                    line_kws={"color": COVID}, color=COLOURS.get(name, NON_COVID))  # fmt: skip
        axis.set(
            title=name,
            xlabel="Brixia score, 0 to 18",
            ylabel="score: P(COVID-19)",
            ylim=(-0.03, 1.03),
        )
    return figure


def battery(table: pd.DataFrame) -> Figure:
    """AUC within the collection by what is seen and asked; the mean over networks, by weights."""
    table = table[table.recipe == "regression"]
    mean = table.groupby(["seen", "weights_kind", "question"], sort=False).auc.mean().unstack()
    columns = [EVERYTHING, *(name for name in mean.columns if name != EVERYTHING)]
    seen = [name for name in mean.index.get_level_values(0).unique() if name not in BLIND]
    order = [*seen, *(name for name in BLIND if name in mean.index.get_level_values(0))]
    mean = mean.reindex(order, level=0)[columns]
    figure, axis = new(size=(2.6 + 1.25 * len(columns), 1.4 + 0.28 * len(mean)))
    names = [
        f"{seen}" + (f" ({weights})" if weights != "none" else "") for seen, weights in mean.index
    ]
    sns.heatmap(mean.to_numpy(), annot=True, fmt=".2f", vmin=0.3, vmax=1, cmap="vlag", center=0.5, ax=axis,
                cbar_kws={"label": "ROC AUC"}, linewidths=0.5)  # fmt: skip
    counts = table.drop_duplicates("question").set_index("question")
    told = [f"{name}\n({counts.positives[name]} + {counts.negatives[name]})" for name in columns]
    axis.set_xticks(np.arange(len(columns)) + 0.5, told, rotation=20, ha="right")
    axis.set_yticks(np.arange(len(mean)) + 0.5, names, rotation=0)
    blind = sum(seen not in BLIND for seen, _ in mean.index)
    axis.axhline(blind, color="black", lw=1.5)
    return figure


def sites(table: pd.DataFrame) -> Figure:
    """AUC on each site of publication by models that saw none of its images, by what they see."""
    table = table.sort_values("site", kind="stable").reset_index(drop=True)
    figure, axis = new(size=(6.4, 1.1 + 0.22 * len(table)))
    names = [
        f"{r.site} ({r.positives} + {r.negatives}): {r.model}, {r.weights_kind}"
        for r in table.itertuples()
    ]
    points(axis, table, "auc", "case_low", "case_high", names=names, color="none")
    for seen, colour in zip(dict.fromkeys(table.seen), (COVID, NON_COVID), strict=False):
        part = table[table.seen == seen]
        points(
            axis,
            part,
            "auc",
            "case_low",
            "case_high",
            y=part.index,
            color=colour,
            label=seen,
            values="{:.2f}",
        )
    axis.axvline(0.5, **REFERENCE)
    axis.set(xlim=(0, 1.12), xlabel="ROC AUC on the site left out (95%, by case)")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize=8)
    return figure


def right_data(table: pd.DataFrame) -> Figure:
    """What candidates reach inside the collection and in another hospital; the star was chosen."""
    palette = {"release": NON_COVID, "collection": COLOUR[SAME], "both": "#009E73"}
    figure, axis = new(size=(5.6, 4.4))
    sns.scatterplot(
        table.rename(columns={"trained_on": "trained on", "model": "network"}),
        x="within",
        y="external",
        hue="trained on",
        style="network",
        palette=palette,
        s=55,
        ax=axis,
    )
    kept = table[table.chosen]
    axis.plot(kept.within, kept.external, "*", ms=18, mfc="none", color="black", label="chosen")
    axis.axhline(0.5, **REFERENCE)
    axis.axvline(0.5, **REFERENCE)
    axis.set(xlim=(0.35, 1), ylim=(0.35, 1), xlabel="ROC AUC within the collection, on cases not trained on",
             ylabel="ROC AUC in another hospital")  # fmt: skip
    axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
