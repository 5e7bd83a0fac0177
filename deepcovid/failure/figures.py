"""TODO: what failure/figures is."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcovid.metrics import evaluation, intervals
from deepcovid.metrics.figures import matrix
from deepcovid.plots import COVID, GREY, NON_COVID, new


def rate_budgets(budgets: dict[str, pd.DataFrame]) -> Figure:
    """Learning rate per epoch, and its sum so far, of schedules by `diagnosis.rate_budget`."""
    figure, (left, right) = new(2, size=(4.4, 3.0))
    colours = dict(zip(budgets, (COVID, "#E69F00", NON_COVID), strict=False))
    totals = [table["sum"].iloc[-1] for table in budgets.values()]
    for (name, table), total in zip(budgets.items(), totals, strict=True):
        below = any(total < other < 2 * total for other in totals)  # else labels overlap
        left.step(table.epoch, table.rate, where="mid", color=colours[name], label=name)
        right.plot(table.epoch, table["sum"], color=colours[name])
        right.annotate(
            f"{total:.1f}",
            (table.epoch.iloc[-1], total),
            xytext=(-4, -11 if below else 5),
            textcoords="offset points",
            fontsize=8,
            ha="right",
            color=colours[name],
        )
    left.set(yscale="log", ylim=(1e-9, 3), xlabel="epoch", title="learning rate of the epoch")
    left.set_ylabel("in units of the first")
    right.set(yscale="log", xlabel="epoch", title="sum of all rates so far")
    right.set_ylim(top=2.5 * max(totals))
    figure.legend(loc="outside upper center", ncols=3, fontsize=8)
    return figure


def attempts(tables: dict[str, pd.DataFrame], reported: dict | None = None) -> Figure:
    """Confusion matrix at 0.5, ROC curve and score histogram, a row for each table of scores.

    `reported` is an attempt of which only numbers are known: its `name`, `counts` (as of
    `metrics.confusion`), `auc`.
    """
    rows = len(tables) + (reported is not None)
    figure, axes = new(3, rows, size=(3.1, 2.5), squeeze=False)
    if reported:
        matrix(axes[0, 0], reported["counts"])
        axes[0, 0].set_title(reported["name"], fontsize=9)
        for axis, told in zip(
            axes[0, 1:], (f"ROC AUC {reported['auc']:.3f}", "scores not published"), strict=True
        ):
            axis.text(0.5, 0.5, told, ha="center", va="center", transform=axis.transAxes)
            axis.set(xticks=[], yticks=[])
    bins = np.linspace(0, 1, 41)
    for row, (name, table) in zip(axes[rows - len(tables) :], tables.items(), strict=True):
        matrix(row[0], evaluation.confusion(table.label, table.score, 0.5))
        row[0].set_title(name, fontsize=9)
        fpr, tpr, _ = evaluation.roc(table.label, table.score)
        row[1].plot(fpr, tpr, color=COVID)
        row[1].plot([0, 1], [0, 1], color=GREY, ls=":", lw=1)
        row[1].set_title(f"ROC AUC {intervals.auc(table.label, table.score):.3f}", fontsize=9)
        row[1].set(xlabel="1 - specificity", ylabel="sensitivity")
        for label, kind, colour in ((0, "Non-COVID", NON_COVID), (1, "COVID-19", COVID)):
            values = table.score[table.label == label]
            share = np.full(len(values), 100 / len(values))
            row[2].hist(values, bins, weights=share, color=colour, alpha=0.6, label=kind)
        for cut, line in ((0.5, "--"), (0.2, ":")):
            row[2].axvline(cut, color="black", lw=1, ls=line)
        row[2].set(xlabel="score, P(COVID-19)", ylabel="% of the class", xlim=(0, 1))
        row[2].legend(fontsize=7)
    return figure


def ablation(replicates: pd.DataFrame, effects: pd.DataFrame, outcome="sensitivity") -> Figure:
    """Left: the outcome of each cell, mean over its seeds. Right: how much each factor changes it.

    `replicates` is of `diagnosis.replicates` by two, three or four factors; the first half of them
    gives the rows of the grid. `effects` is of `diagnosis.effects`.
    """
    means = replicates[outcome]["mean"]
    names = means.index.names
    grid = means.unstack(list(names[(len(names) + 1) // 2 :]), sort=False)
    figure, (left, right) = new(2, size=(5.6, 3.6), width_ratios=(1, 1.05))
    left.imshow(grid, cmap="RdYlBu", vmin=0, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(grid.to_numpy()):
        colour = "white" if value < 0.15 or value > 0.85 else "black"
        shown = "-" if np.isnan(value) else f"{100 * value:.0f}%"
        left.text(j, i, shown, ha="center", va="center", color=colour)
    left.set_xticks(range(grid.shape[1]), ["\n".join(np.atleast_1d(c)) for c in grid.columns])
    left.set_yticks(range(grid.shape[0]), ["\n".join(np.atleast_1d(c)) for c in grid.index])
    left.tick_params(labelsize=8)
    left.grid(visible=False)
    left.set_title(f"{outcome} at 0.5: each cell's mean")
    names = [f"{term}\n({row.change})" if row.change else term for term, row in effects.iterrows()]
    place = np.arange(len(effects))
    error = 100 * np.array([effects.effect - effects.low, effects.high - effects.effect])
    main = effects.change != ""
    right.barh(place, 100 * effects.effect, color=np.where(main, COVID, GREY), alpha=0.75)
    right.errorbar(100 * effects.effect, place, xerr=error, fmt="none", color="black", capsize=2)
    edge = 100 * np.maximum(effects.high, 0)
    for y, (x, share) in enumerate(zip(edge, effects.share, strict=True)):
        right.text(x + 1.5, y, f"explains {share:.0%}", va="center", fontsize=8)
    right.set_yticks(place, names, fontsize=8)
    right.axvline(0, color="black", lw=0.8)
    right.invert_yaxis()
    right.set_xlim(right=1.35 * edge.max() + 8)
    right.set_xlabel(f"change of {outcome}, percentage points (95% interval)")
    right.set_title("effect of each factor, and of pairs (grey)")
    return figure


def one_change(table: pd.DataFrame) -> Figure:
    """Sensitivity at 0.5 and mean score of COVID-19 images after each single change of a recipe.

    `table` is of `diagnosis.mendings`, whose seeds' range is drawn too, or `diagnosis.verdicts`.
    """
    figure, axis = new(size=(6.4, 0.8 + 0.42 * len(table)))
    place = np.arange(len(table))
    colours = [GREY, *[COVID] * (len(table) - 1)]
    axis.barh(place, 100 * table.sensitivity, color=colours, height=0.5, alpha=0.75)
    ends = table[[c for c in ("sensitivity", "mean_score_covid", "most") if c in table]].max(axis=1)
    for y, (value, end) in enumerate(zip(table.sensitivity, ends, strict=True)):
        axis.text(100 * end + 3, y, f"{100 * value:.0f}%", fontsize=8, va="center")
    if "most" in table:
        axis.hlines(place, 100 * table.least, 100 * table.most, color="black", lw=1)
    axis.scatter(100 * table["mean_score_covid"], place, marker="|", s=180, color="black", zorder=3)
    axis.axvline(50, color=GREY, ls=":", lw=1)
    axis.set_yticks(place, table.index)
    axis.invert_yaxis()
    axis.set(
        xlim=(0, 112), xlabel="bar: COVID-19 images found at 0.5, %; tick: their mean score, %"
    )
    return figure


def over_epochs(table: pd.DataFrame) -> Figure:
    """Sensitivity at 0.5 and ROC AUC after more and more epochs; a line per optimiser and seed."""
    figure, axes = new(2, size=(4.4, 3.0))
    colours = dict(zip(table.optimiser.unique(), (NON_COVID, "#E69F00", COVID), strict=False))
    for (optimiser, seed), part in table.sort_values("after").groupby(["optimiser", "seed"]):
        for axis, column in zip(axes, ("sensitivity", "auc"), strict=True):
            label = optimiser if seed == table.seed.min() else None
            axis.plot(part.after, part[column], "o-", ms=3, color=colours[optimiser], label=label)
    for axis, name in zip(axes, ("sensitivity at 0.5", "ROC AUC"), strict=True):
        axis.set(xscale="log", xlabel="epochs trained", ylabel=name)
    axes[0].set_ylim(-0.03, 1)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def auc_search(table: pd.DataFrame, target: float, window: float = 0.02) -> Figure:
    """ROC AUC under each candidate cause; filled where the answers stay all Non-COVID."""
    figure, axis = new(size=(7.6, 1.0 + 0.27 * len(table)))
    place = np.arange(len(table))
    axis.axvspan(target - window, target + window, color=COVID, alpha=0.2)
    all_non = (table.sensitivity == 0) & (table.specificity == 1)
    for rows, face, label in (
        (all_non, NON_COVID, "all answers Non-COVID"),
        (~all_non, "white", "some answers COVID-19"),
    ):
        axis.scatter(
            table.auc[rows], place[rows], color=face, edgecolor=NON_COVID, label=label, zorder=3
        )
    axis.hlines(place, table.low, table.high, color=NON_COVID, lw=1)
    axis.set_yticks(place, table.index, fontsize=8)
    axis.invert_yaxis()
    axis.axvline(0.5, color=GREY, ls=":", lw=1)
    axis.set_xlabel(f"ROC AUC; the band is the reported {target} +- {window}")
    figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    return figure


def selection(histories: dict[str, pd.DataFrame], reported: float | None = None) -> Figure:
    """Test accuracy and ROC AUC over the epochs; the diamond is the epoch that accuracy selects.

    Each history has columns epoch, accuracy, auc. The first epoch of highest accuracy is selected.
    """
    figure, axes = new(len(histories), size=(4.8, 3.2), squeeze=False, sharey=True)
    for axis, (name, table) in zip(axes[0], histories.items(), strict=True):
        table = table.sort_values("epoch")
        chosen = table.loc[table.accuracy.idxmax()]
        axis.plot(table.epoch, table.auc, "o-", ms=3, color=COVID, label="ROC AUC")
        axis.plot(table.epoch, table.accuracy, "s-", ms=3, color=NON_COVID, label="accuracy at 0.5")
        axis.plot(chosen.epoch, chosen.auc, "D", ms=9, color="black", label="selected epoch")
        shift = {"xytext": (10, -4), "textcoords": "offset points", "fontsize": 9}
        axis.annotate(f"AUC {chosen.auc:.3f}", (chosen.epoch, chosen.auc), **shift)
        if reported:
            axis.axhline(reported, color=GREY, ls=":", lw=1)
            axis.text(table.epoch.max(), reported, f"reported: {reported}", ha="right", va="bottom")
        axis.set(xlabel="epoch", title=name)
    axes[0, 0].set_ylabel("on the test images")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=3, fontsize=8)
    return figure
