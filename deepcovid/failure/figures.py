"""The plots of notebook 06: rates, attempts, the ablation, single changes, epochs, the search."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from deepcovid.failure.design import LEVELS
from deepcovid.metrics import evaluation
from deepcovid.metrics.figures import matrix
from deepcovid.metrics.intervals import auc
from deepcovid.plots import CLASSES, COVID, GREY, NON_COVID, REFERENCE, intervals, new, panels

ORANGE = "#E69F00"


def one_legend(figure: Figure, axis, columns: int, place: str = "outside upper center") -> None:
    """One legend for all panels, in place of an axis' own."""
    handles, labels = axis.get_legend_handles_labels()
    if axis.get_legend():
        axis.get_legend().remove()
    figure.legend(handles, labels, loc=place, ncols=columns, fontsize=8)


def rate_budgets(budgets: dict[str, pd.DataFrame]) -> Figure:
    """Learning rate per epoch, and its sum so far, of schedules by `arithmetic.rate_budget`."""
    table = pd.concat(budgets, names=["schedule"]).reset_index("schedule")
    colours = dict(zip(budgets, (COVID, ORANGE, NON_COVID), strict=False))
    lines = {"data": table, "x": "epoch", "hue": "schedule", "palette": colours}
    figure, (left, right) = new(2, size=(4.4, 3.0))
    sns.lineplot(**lines, y="rate", drawstyle="steps-mid", ax=left)
    sns.lineplot(**lines, y="sum", legend=False, ax=right)
    ends = table.groupby("schedule", sort=False).last()
    for name, (epoch, _, total) in ends.iterrows():
        below = ((ends["sum"] > total) & (ends["sum"] < 2 * total)).any()  # else labels overlap
        right.annotate(
            f"{total:.1f}", (epoch, total), (-4, -11 if below else 5), textcoords="offset points",
            fontsize=8, ha="right", color=colours[name],
        )  # fmt: skip
    left.set(yscale="log", ylim=(1e-9, 3), title="learning rate of the epoch")
    left.set_ylabel("in units of the first")
    right.set(yscale="log", title="sum of all rates so far", ylabel="")
    right.set_ylim(top=2.5 * ends["sum"].max())
    one_legend(figure, left, 3)
    return figure


def attempts(tables: dict[str, pd.DataFrame], reported: dict | None = None) -> Figure:
    """Confusion matrix at 0.5, ROC curve and score histogram, a row for each table of scores.

    `reported` is an attempt of which only numbers are known: its `name`, `counts` (as of
    `evaluation.confusion`), `auc`.
    """
    rows = len(tables) + (reported is not None)
    figure, axes = new(3, rows, size=(3.1, 2.5), squeeze=False)
    if reported:
        matrix(axes[0, 0], reported["counts"])
        axes[0, 0].set_title(reported["name"], fontsize=9)
        told = (f"ROC AUC {reported['auc']:.3f}", "scores not published")
        for axis, text in zip(axes[0, 1:], told, strict=True):
            axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes)
            axis.set(xticks=[], yticks=[])
    for row, (name, table) in zip(axes[rows - len(tables) :], tables.items(), strict=True):
        matrix(row[0], evaluation.confusion(table.label, table.score, 0.5))
        row[0].set_title(name, fontsize=9)
        fpr, tpr, _ = evaluation.roc(table.label, table.score)
        row[1].plot(fpr, tpr, color=COVID)
        row[1].plot([0, 1], [0, 1], **REFERENCE)
        row[1].set_title(f"ROC AUC {auc(table.label, table.score):.3f}", fontsize=9)
        row[1].set(xlabel="1 - specificity", ylabel="sensitivity")
        kind = table.label.map(dict(enumerate(CLASSES))).rename("truth")
        sns.histplot(
            x=table.score, hue=kind, hue_order=CLASSES, palette=CLASSES, stat="percent",
            common_norm=False, bins=np.linspace(0, 1, 41), ax=row[2],
        )  # fmt: skip
        for cut, line in ((0.5, "--"), (0.2, ":")):
            row[2].axvline(cut, color="black", lw=1, ls=line)
        row[2].set(xlabel="score, P(COVID-19)", ylabel="% of the class", xlim=(0, 1))
    return figure


def ablation(replicates: pd.DataFrame, effects: pd.DataFrame, outcome="sensitivity") -> Figure:
    """Left: the outcome of each cell, mean over its seeds. Right: what each change does to it.

    `replicates` is of `effects.replicates` by two or more factors; the first half of them gives the
    rows of the grid, and a cell that was not trained stays empty. `effects` is of `effects.effects`.
    """
    means, trainings = replicates[outcome]["mean"], replicates["trainings", ""].sum()
    names = means.index.names
    grid = means.unstack(list(names[(len(names) + 1) // 2 :]), sort=False)
    lines = max(2, grid.index.nlevels)  # of a row's name
    height = max(3.6, 0.2 * lines * len(grid), 0.4 * len(effects))
    figure, (left, right) = new(2, size=(5.6, height), width_ratios=(1, 1.05))
    style = {"cmap": "RdYlBu", "vmin": 0, "vmax": 1, "cbar": False, "annot": True, "fmt": ".0%"}
    sns.heatmap(
        grid, ax=left, **style,
        xticklabels=["\n".join(np.atleast_1d(c)) for c in grid.columns],
        yticklabels=["\n".join(np.atleast_1d(c)) for c in grid.index],
    )  # fmt: skip
    left.tick_params(labelsize=8, labelrotation=0)
    left.set(
        xlabel="",
        ylabel="",
        title=f"{outcome} at 0.5: each cell's mean ({trainings:.0f} trainings)",
    )
    place, points = np.arange(len(effects)), 100 * effects[["effect", "least", "most"]]
    intervals(right, points, "effect", "least", "most", y=place)
    for y, most, row in zip(place, points.most, effects.itertuples(), strict=True):
        right.annotate(
            f"up in {row.rises}, down in {row.falls}", (most, y), (6, 0), va="center", fontsize=8,
            textcoords="offset points",
        )  # fmt: skip
    told = [f"{row.Index}, {row.pairs} pairs\n({row.change})" for row in effects.itertuples()]
    right.set_yticks(place, told, fontsize=8)
    right.axvline(0, color="black", lw=0.8)
    right.invert_yaxis()
    right.set_xlim(right=1.6 * points.most.clip(0).max() + 8)
    right.set_xlabel(f"change of {outcome}, points: mean of pairs\n(line: lowest and highest seed)")
    right.set_title("each change, pairs alike in all else")
    return figure


def one_change(table: pd.DataFrame) -> Figure:
    """Sensitivity at 0.5 and mean score of COVID-19 images after each single change of a recipe.

    `table` is of `effects.mendings`, whose seeds' range is drawn too, or `tables.verdicts`.
    """
    figure, axis = new(size=(6.4, 0.8 + 0.42 * len(table)))
    place, percent = np.arange(len(table)), 100 * table.select_dtypes("number")
    colours = [GREY, *[COVID] * (len(table) - 1)]
    sns.barplot(
        x=percent.sensitivity, y=table.index, hue=table.index, palette=colours, legend=False,
        width=0.5, alpha=0.75, ax=axis,
    )  # fmt: skip
    ends = percent[percent.columns.intersection(["sensitivity", "mean_score_covid", "most"])]
    for y, value, end in zip(place, percent.sensitivity, ends.max(axis=1), strict=True):
        axis.text(end + 3, y, f"{value:.0f}%", fontsize=8, va="center")
    if "most" in table:
        axis.hlines(place, percent.least, percent.most, color="black", lw=1)
    axis.scatter(percent.mean_score_covid, place, marker="|", s=180, color="black", zorder=3)
    axis.axvline(50, **REFERENCE)
    axis.set(xlim=(0, 112), ylabel="")
    axis.set_xlabel("bar: COVID-19 images found at 0.5, %; tick: their mean score, %")
    return figure


def over_epochs(table: pd.DataFrame) -> Figure:
    """Sensitivity at 0.5 and ROC AUC after more and more epochs of a network's trainings; a line per
    optimiser and seed."""
    figure, axes = new(2, size=(4.4, 3.0))
    colours = dict(zip(LEVELS["optimiser"], (COVID, ORANGE, NON_COVID), strict=True))
    for axis, column in zip(axes, ("sensitivity", "auc"), strict=True):
        sns.lineplot(
            table, x="after", y=column, hue="optimiser", hue_order=[*colours], palette=colours,
            units="seed", estimator=None, marker="o", ms=4, legend=column == "sensitivity", ax=axis,
        )  # fmt: skip
        axis.set(xscale="log", xlabel="epochs trained", title=", ".join(table.backbone.unique()))
    axes[0].set(ylabel="sensitivity at 0.5", ylim=(-0.03, 1))
    axes[1].set_ylabel("ROC AUC")
    one_legend(figure, axes[0], 3)
    return figure


def auc_search(table: pd.DataFrame, target: float, window: float = 0.02) -> Figure:
    """ROC AUC under each candidate cause; filled where the answers stay all Non-COVID."""
    figure, axis = new(size=(7.6, 1.0 + 0.27 * len(table)))
    place = np.arange(len(table))
    axis.axvspan(target - window, target + window, color=COVID, alpha=0.2)
    all_non = ((table.sensitivity == 0) & (table.specificity == 1)).to_numpy()
    for rows, face, label in (
        (all_non, NON_COVID, "all answers Non-COVID"),
        (~all_non, "white", "some answers COVID-19"),
    ):
        style = {"color": NON_COVID, "mfc": face, "capsize": 0, "label": label}
        intervals(axis, table[rows], "auc", "low", "high", y=place[rows], **style)
    axis.set_yticks(place, table.index, fontsize=8)
    axis.invert_yaxis()
    axis.axvline(0.5, **REFERENCE)
    axis.set_xlabel(f"ROC AUC; the band is the reported {target} +- {window}")
    one_legend(figure, axis, 2)
    return figure


def selection(histories: dict[str, pd.DataFrame], reported: float | None = None) -> Figure:
    """Test accuracy and ROC AUC over the epochs; the diamond is the epoch that accuracy selects.

    Each history has columns epoch, accuracy, auc. The first epoch of highest accuracy is selected.
    """
    figure, axes = panels(len(histories), 3, size=(3.7, 2.6), sharex=True, sharey=True)
    for axis, (name, table) in zip(axes, histories.items(), strict=True):
        table = table.sort_values("epoch", ignore_index=True)
        chosen = table.loc[table.accuracy.idxmax()]
        lines = table.set_index("epoch")[["auc", "accuracy"]]
        lines.columns = ["ROC AUC", "accuracy at 0.5"]
        sns.lineplot(lines, palette=[COVID, NON_COVID], markers=["o", "s"], dashes=False, ax=axis)
        axis.plot(chosen.epoch, chosen.auc, "D", ms=9, color="black", label="selected epoch")
        shift = {"xytext": (10, -12), "textcoords": "offset points", "fontsize": 9}
        axis.annotate(f"AUC {chosen.auc:.3f}", (chosen.epoch, chosen.auc), **shift)
        if reported:
            axis.axhline(reported, **REFERENCE)
            axis.text(table.epoch.max(), reported, f"reported: {reported}", ha="right", va="bottom")
        axis.set(xlabel="epoch", title=name, ylabel="on the test images")
    for axis in axes[1:]:
        axis.get_legend().remove()
    one_legend(figure, axes[0], 3)
    return figure


def drift(table: pd.DataFrame) -> Figure:
    """Distance of batch norm's running means from where they were pretrained, and from where they
    are after one epoch, over the batches; `table` is of `drift.run`. A colour is a stage of layers."""
    table = table.assign(stage=table.layer.str.split(".").str[0])
    figure, axes = new(2, size=(4.4, 3.2), sharey=True)
    for axis, column in zip(axes, ("shift", "from_epoch_1"), strict=True):
        sns.lineplot(
            table, x="batches", y=column, hue="stage", style="crop", errorbar=None, markers=True,
            legend=column == "shift", ax=axis,
        )  # fmt: skip
        axis.set_xscale("symlog")
        axis.set_xlim(left=0)
    axes[0].set(title="from the pretrained statistics", xlabel="batches seen")
    axes[0].set_ylabel("mean shift of the means,\nin pretrained standard deviations")
    axes[1].set(title="from those after one epoch", xlabel="batches seen")
    one_legend(figure, axes[0], 1, "outside right center")
    return figure
