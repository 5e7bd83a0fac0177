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
        matrix(row[0], metrics.confusion(table.label, table.score, 0.5))
        row[0].set_title(name, fontsize=9)
        fpr, tpr, _ = metrics.roc(table.label, table.score)
        row[1].plot(fpr, tpr, color=COVID)
        row[1].plot([0, 1], [0, 1], color=GREY, ls=":", lw=1)
        row[1].set_title(f"ROC AUC {metrics.auc(table.label, table.score):.3f}", fontsize=9)
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


def near_duplicates(found: dict) -> Figure:
    """How alike radiographs are: by hash to the nearest of another patient, and how well likely
    pairs agree when laid over each other. Dashed: the thresholds. `found` is an audit's section.
    """
    histograms = found["histograms"]
    figure, axes = new(2, size=(4.8, 3.4))
    kinds = {
        "nearest_other_patient": ("nearest of another patient", NON_COVID),
        "different_non_covid_patients": ("different Non-COVID patients", NON_COVID),
        "same_patient": ("same patient", "#E69F00"),
        "covid": ("at least one COVID-19 image", COVID),
        "doctored": ("image and its doctored double", "#009E73"),
    }
    cuts = (found["screen_bits"], found["same_from_agreement"])
    for axis, name, cut in zip(axes, ("bits", "agreement"), cuts, strict=True):
        for group, (label, colour) in kinds.items():
            if f"{name}_{group}" not in histograms:
                continue
            counts = np.array(histograms[f"{name}_{group}"])
            if name == "agreement":
                counts[0] = 0  # the pairs that could not be laid over each other
            label = f"{label} ({counts.sum():,})"
            axis.stairs(counts, histograms[name], color=colour, lw=1.6, label=label)
        axis.axvline(cut, color="black", ls="--", lw=1)
        axis.set_yscale("symlog", linthresh=1)
        axis.set_ylim(bottom=0)
        axis.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes[0].set(xlim=(0, 160), xlabel=f"differing bits of the hash, of {found['hash_bits']}")
    axes[0].set_ylabel("images")
    axes[1].set(xlim=(0.2, 1), xlabel="agreement, laid over each other", ylabel="pairs")
    return figure


def acquisition(table: pd.DataFrame) -> Figure:
    """ROC AUC with which one property alone separates the classes, with 95% intervals.

    `table` is of `audit.acquisition_table`; properties that are not known are left out.
    """
    known = table.dropna(subset="auc")
    figure, axis = new(size=(6.4, 1.0 + 0.36 * len(known)))
    place = np.arange(len(known))
    error = [known.auc - known.low, known.high - known.auc]
    axis.errorbar(known.auc, place, xerr=error, fmt="o", color=COVID, capsize=2)
    for y, row in enumerate(known.itertuples()):
        axis.text(row.high + 0.015, y, f"{row.auc:.3f}", va="center", fontsize=8)
    names = [f"{row.Index}\n({row.covid:,} + {row.non_covid:,})" for row in known.itertuples()]
    axis.set_yticks(place, names, fontsize=8)
    axis.invert_yaxis()
    axis.axvline(0.5, color=GREY, ls=":", lw=1)
    axis.set(xlim=(0.3, 1.1), xlabel="ROC AUC on the test images (COVID-19 + Non-COVID known)")
    return figure


def shares(rows: list[dict]) -> Figure:
    """What part of each split and class has which view or sex; the number of images at the right.

    `rows` is `by_split_and_class` of an audit's `views` or `sex`.
    """
    table = pd.DataFrame(rows).set_index(["split", "class"]).fillna(0)
    figure, axis = new(size=(6.4, 0.9 + 0.4 * len(table)))
    colours = (NON_COVID, COVID, "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
    grey = {"not stated": "#BBBBBB"}
    total, left = table.sum(axis=1), np.zeros(len(table))
    names = [f"{name}, {split}" for split, name in table.index]
    for column, colour in zip(table, colours, strict=False):
        share = 100 * (table[column] / total).to_numpy()
        axis.barh(names, share, left=left, color=grey.get(column, colour), label=column)
        left += share
    for y, n in enumerate(total):
        axis.text(101, y, f"{n:,.0f}", va="center", fontsize=8, color=GREY)
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    axis.set(xlim=(0, 112), xlabel="% of the images; their number at the right")
    figure.legend(loc="outside upper center", ncols=len(table.columns), fontsize=8)
    return figure


def released_copies(found: dict) -> Figure:
    """How many originals have how many augmented copies; orange is the number that was stated.

    `found` is an audit's `released_augmentation`.
    """
    number = {int(k): n for k, n in found["originals_by_copies"].items()}
    figure, axis = new(size=(5.2, 2.8))
    stated = found["stated_images_per_original"] - 1
    colours = [COVID if k == stated else NON_COVID for k in number]
    bars = axis.bar(list(number), list(number.values()), color=colours)
    axis.bar_label(bars, fontsize=8)
    axis.grid(axis="x", visible=False)
    axis.set(xticks=range(max(number) + 1), ylabel=f"originals, of {found['originals']}")
    axis.set_xlabel("augmented copies of an original in the release")
    return figure


def overlays(pictures, maps: dict[str, np.ndarray], titles, masks=None) -> Figure:
    """Heatmaps over their radiographs: a row per method, with a colour bar each.

    `maps` holds arrays (n, height, width) by method; only positive values are shown, in the unit
    of the map. A mask, where given, is outlined.
    """
    figure, axes = new(len(titles), len(maps) + 1, size=(1.5, 1.5), squeeze=False)
    figure.set_layout_engine("compressed")
    for row, (method, of) in zip(axes, {"image": None, **maps}.items(), strict=True):
        top = None if of is None else max(float(np.max(of)), 1e-12)
        for i, axis in enumerate(row):
            axis.imshow(pictures[i], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.grid(visible=False)
            if of is None:
                axis.set_title(titles[i], fontsize=7)
            else:
                heat = np.maximum(of[i], 0).astype(float)
                strength = 0.75 * np.clip(heat / top, 0, 1) ** 0.5
                shown = axis.imshow(heat, cmap="inferno", vmin=0, vmax=top, alpha=strength)
            if masks is not None and np.asarray(masks[i]).any():
                axis.contour(np.asarray(masks[i]), levels=[0.5], colors="#56B4E9", linewidths=0.9)
        row[0].set_ylabel(method, fontsize=7)
        if of is not None:
            label = "drop of P" if method.startswith("occlusion") else "Grad-CAM"
            scale = plt.cm.ScalarMappable(shown.norm, "inferno")
            bar = figure.colorbar(scale, ax=list(row), fraction=0.015, pad=0.01)
            bar.set_label(label, fontsize=6)
            bar.ax.tick_params(labelsize=6)
    return figure


def map_scores(numbers: pd.DataFrame) -> Figure:
    """How well maps agree with masks, with 95% intervals; the grey band is of random maps.

    `numbers` is of `heatmaps.numbers`: mask, method, score, mean, low, high.
    """
    names = {
        "pointing": "peak in the mask",
        "mass": "share of the map in the mask",
        "iou": "IoU at the mask's area",
        "average_precision": "average precision",
    }
    masks = list(numbers["mask"].unique())
    ours = [m for m in numbers.method.unique() if m != "random maps"]
    place = np.arange(len(ours))
    size = (2.2, 0.8 + 0.26 * len(ours))
    figure, axes = new(len(names), len(masks), size=size, squeeze=False, sharey=True)
    for row, mask in zip(axes, masks, strict=True):
        for axis, (score, label) in zip(row, names.items(), strict=True):
            part = numbers[(numbers["mask"] == mask) & (numbers.score == score)]
            part = part.set_index("method")
            chance, part = part.loc["random maps"], part.loc[ours]
            axis.axvspan(chance.low, chance.high, color=GREY, alpha=0.25, lw=0)
            axis.axvline(chance["mean"], color=GREY, lw=1)
            error = [part["mean"] - part.low, part.high - part["mean"]]
            axis.errorbar(part["mean"], place, xerr=error, fmt="o", color=COVID, capsize=2)
            axis.set_xlim(-0.03, 1.03)
            axis.set_xlabel(label, fontsize=8)
        row[0].set_yticks(place, ours, fontsize=8)
        row[0].set_ylim(len(ours) - 0.5, -0.5)
        row[0].set_title(f"mask: {mask}", fontsize=9, loc="left")
    return figure


def lung_shares(table: pd.DataFrame, methods) -> Figure:
    """Share of each map inside the lungs against the lungs' share of the image, a dot an image.

    `table` is of `heatmaps.agreement_table`. On the dotted line a map is as even as no map.
    """
    table = table[table["mask"] == "lung"]
    figure, axes = new(len(methods), size=(2.7, 2.6), squeeze=False, sharey=True, sharex=True)
    for axis, method in zip(axes[0], methods, strict=True):
        part = table[table.method == method]
        for rows, name, colour in (
            (part.score >= 0.5, "score from 0.5", COVID),
            (part.score < 0.5, "score below 0.5", NON_COVID),
        ):
            label = f"{name} ({rows.sum()})"
            axis.scatter(part.area[rows], part["mass"][rows], s=14, color=colour, label=label)
        axis.plot([0, 1], [0, 1], color=GREY, ls=":", lw=1)
        axis.set(xlim=(0, 0.7), ylim=(0, 1), xlabel="lungs' share of the image", title=method)
        axis.legend(fontsize=7, loc="upper left")
    axes[0, 0].set_ylabel("share of the map inside the lungs")
    return figure


def perturbation(curves: dict) -> Figure:
    """Deletion and insertion curves, mean over images, from `heatmaps.run`'s `curves`."""
    figure, axes = new(2, size=(3.4, 2.6), sharey=True)
    methods = [name for name in curves if name != "images"]
    for axis, kind, said in zip(axes, ("deletion", "insertion"), ("covered", "shown"), strict=True):
        for method, colour in zip(methods, (COVID, NON_COVID, GREY), strict=False):
            values = np.asarray(curves[method][kind])
            share = np.linspace(0, 100, len(values))
            label = f"{method} (area {values.mean():.2f})"
            line = ":" if method == "random" else "-"
            axis.plot(share, values, color=colour, label=label, ls=line)
        axis.set(title=kind, xlabel=f"% of pixels {said}", ylim=(0, 1))
        axis.legend(fontsize=7)
    axes[0].set_ylabel(f"mean P(COVID-19) of {curves['images']} images")
    return figure


def how_little(table: pd.DataFrame) -> Figure:
    """How little of an image is enough to tell the classes apart, with 95% intervals.

    Left: the outer rim that is left when the centre is black, and the reverse, by the share of
    the area left. Right: what else was taken away. `table` is a `shortcuts.csv`.
    """
    table = table[table.told == "COVID-19"]
    few = table[table.kind.isin(["lungs", "coarse", "grey levels", "untrained"])]
    figure, (left, right) = new(2, size=(5.4, 4.0), width_ratios=(1.15, 1), sharex=False)
    whole = table[table.kind == "whole"]
    for kind, colour, face, name in (
        ("border", COVID, "white", "only the rim: centre black"),
        ("centre", NON_COVID, NON_COVID, "only the centre: rim black"),
    ):
        part = pd.concat([whole, table[table.kind == kind]]).sort_values("seen_share")
        share = 100 * part.seen_share
        left.fill_between(share, part.auc_low, part.auc_high, color=colour, alpha=0.15, lw=0)
        left.plot(share, part.auc, "s-", color=colour, mfc=face, mew=2, ms=7, label=name)
    low = min(0.45, table.auc_low[table.kind.isin(["border", "centre", *few.kind])].min() - 0.02)
    left.set(ylim=(low, 1.01), xlim=(-2, 102), ylabel="ROC AUC on the test images")
    left.set_xlabel("% of the image area that is left")
    left.legend(loc="lower right", fontsize=9)
    left.set_title("how little of the image is enough")
    place = np.arange(len(few))
    named = few.seen.where(few.kind != "untrained", few.seen + ", untrained network")
    error = [few.auc - few.auc_low, few.auc_high - few.auc]
    right.errorbar(few.auc, place, xerr=error, fmt="o", color=COVID, capsize=2)
    for y, row in enumerate(few.itertuples()):
        right.text(row.auc_high + 0.01, y, f"{row.auc:.3f}", fontsize=8, va="center")
    right.set_yticks(place, named, fontsize=8)
    right.set(
        ylim=(len(few) - 0.5, -0.6),
        xlim=(low, 1.09),  # room for a number behind each dot
        title="what else may be taken away (line: nothing)",
    )
    counts = table.iloc[0]
    right.set_xlabel(f"ROC AUC ({counts.positives:,} COVID-19, {counts.negatives:,} Non-COVID)")
    right.axvline(whole.auc.iloc[0], color=GREY, lw=1)
    left.axhline(0.5, color=GREY, ls=":", lw=1)
    right.axvline(0.5, color=GREY, ls=":", lw=1)
    return figure


def dots(table: pd.DataFrame) -> Figure:
    """ROC AUC with 95% interval of each row of a `shortcuts.csv`; filled: regression, else trees."""
    each = table.assign(row=table.seen + np.where(table.told == "COVID-19", "", "\n" + table.told))
    names = list(dict.fromkeys(each.row))
    figure, axis = new(size=(7.4, 1.0 + 0.42 * len(names)))
    for trees, shift, face in ((False, -0.13, COVID), (True, 0.13, "white")):
        part = each[(each.model == "trees") == trees]
        if part.empty:
            continue
        place = np.array([names.index(name) for name in part.row]) + shift
        error = [part.auc - part.auc_low, part.auc_high - part.auc]
        axis.errorbar(part.auc, place, xerr=error, fmt="o", color=COVID, mfc=face, capsize=2,
                      label="trees" if trees else "logistic regression")  # fmt: skip
        for y, row in zip(place, part.itertuples(), strict=True):
            axis.text(row.auc_high + 0.012, y, f"{row.auc:.3f}", va="center", fontsize=8)
    sizes = each.drop_duplicates("row")
    ticks = [f"{row.row}\n({row.positives:,} + {row.negatives:,})" for row in sizes.itertuples()]
    axis.set_yticks(range(len(names)), ticks, fontsize=8)
    axis.set(ylim=(len(names) - 0.5, -0.5), xlim=(min(0.35, each.auc_low.min() - 0.02), 1.08))
    axis.axvline(0.5, color=GREY, ls=":", lw=1)
    axis.set_xlabel("ROC AUC on the test images (number that is told apart + the others)")
    if (each.model == "trees").any():
        figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    return figure


def collections(found: dict) -> Figure:
    """How one model's scores are spread in each collection, from `external.json`."""
    figure, axes = new(2, size=(4.2, 3.0), sharey=False)
    edges = np.linspace(0, 1, len(next(iter(found["histograms"].values()))) + 1)
    for axis, (where, about) in zip(
        axes, (("test", "test images of the dataset"), ("external", "external images")), strict=True
    ):
        for name, colour in (("Non-COVID", NON_COVID), ("COVID-19", COVID)):
            counts = np.array(found["histograms"][f"{name}, {where}"])
            share = 100 * counts / max(counts.sum(), 1)
            axis.stairs(share, edges, color=colour, lw=1.5, label=f"{name} ({counts.sum():,})")
            axis.stairs(share, edges, color=colour, alpha=0.15, fill=True)
        axis.axvline(found["threshold"], color=GREY, ls="--", lw=1, label="frozen threshold")
        axis.set(title=about, xlabel="score: P(COVID-19)", xlim=(0, 1))
        axis.legend(fontsize=8)
    axes[0].set_ylabel("% of the class")
    return figure


def mending(table: pd.DataFrame) -> Figure:
    """The steps of a `mending.csv`: what decides, and what it leads to in another hospital."""
    place = np.arange(len(table))
    figure, (left, right) = new(2, size=(4.4, 1.5 + 0.34 * len(table)), sharey=True)
    left.hlines(place, table[["cv_border", "cv_frame"]].max(axis=1), table.cv, color=GREY, lw=1.2)
    for column, mark, colour, name in (
        ("cv_border", "s", COVID, "border only"),
        ("cv_frame", "^", COVID, "frame only: where the lungs lie"),
        ("cv", "o", NON_COVID, "whole picture"),
    ):
        left.plot(table[column], place, mark, color=colour, label=name)
    left.set_title("decides: the widest gap on training images", fontsize=9)
    error = [table.external - table.external_low, table.external_high - table.external]
    right.plot(
        table.test, place, "o", mfc="white", color=NON_COVID, label="test images of the dataset"
    )
    right.errorbar(table.external, place, xerr=error, fmt="o", color=NON_COVID, capsize=2,
                   label="external images, no duplicates")  # fmt: skip
    right.plot(table.external_frame, place, "^", color=COVID, label="external, frame only")
    right.set_title("what it leads to (not used to decide)", fontsize=9)
    for axis in (left, right):
        axis.axvline(0.5, color=GREY, ls=":", lw=1)
        axis.set(xlabel="ROC AUC", xlim=(0.18, 1.02))
        axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.13))
    left.set_yticks(
        place,
        [f"{s}  ✓" if c else s for s, c in zip(table.step, table.chosen, strict=True)],
        fontsize=8,
    )
    left.set_ylim(len(table) - 0.5, -0.5)
    return figure
