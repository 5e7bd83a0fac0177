"""The plots of scores: ROC curves, operating points, calibration, specificity by group."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcovid import plots
from deepcovid.metrics import evaluation, intervals
from deepcovid.metrics.evaluation import AT_98, Scores, of_models
from deepcovid.metrics.operating_points import CROSS_VALIDATED, TEST, VALIDATION
from deepcovid.metrics.published import NETWORKS, published_values
from deepcovid.metrics.tables import over_seeds
from deepcovid.plots import CLASSES, COLOURS, COVID, GREY, NARROW, REFERENCE

CHOSEN = {VALIDATION: "validation", CROSS_VALIDATED: "cross-validated", TEST: "test, in sample"}

PAPER = {"ls": "", "marker": "D", "color": GREY, "ms": 4}  # how the paper's numbers are drawn


def counted(table: pd.DataFrame, label: int) -> str:
    """How many images of a class, and of how many patients."""
    own, name = table[table.label == label], list(CLASSES)[label]
    return f"{len(own):,} {name} images of {own.patient.nunique():,} patients"


def roc(test: Scores) -> Figure:
    """Mean ROC curve of each model's seeds with its 95% band by patients; enlarged at the right.

    `test` has the test images alone.
    """
    figure, axes = plots.new(2, size=(3.5, 3.3))
    table, by_model = of_models(test)
    for model, scores in by_model.items():
        value = np.mean([intervals.auc(table.label, score) for score in scores])
        fpr = np.union1d(np.linspace(0, 0.2, 201), np.linspace(0, 1, 201))
        mean, *band = intervals.roc_band(table.label, scores, table.patient, fpr)
        for axis in axes:
            axis.plot(fpr, mean, color=COLOURS[model])
            axis.fill_between(fpr, *band, color=COLOURS[model], alpha=0.15, lw=0)
        axes[0].lines[-1].set_label(f"{NETWORKS.get(model, model)}, AUC {value:.4f}")
    axes[0].plot([0, 1], [0, 1], **REFERENCE)
    axes[0].set(ylabel=f"sensitivity\n({counted(table, 1)})", title="all")
    axes[1].set(xlim=(0, 0.2), ylim=(0.5, 1.01), title="upper left corner, enlarged")
    figure.supxlabel(f"1 - specificity ({counted(table, 0)})", fontsize=9)
    figure.legend(loc="outside upper center", ncols=3, fontsize=9)
    return figure


def operating_points(table: pd.DataFrame, compared: pd.DataFrame, control=()) -> Figure:
    """Sensitivity and specificity on test by the images that the threshold was chosen on.

    `table` is an `operating_points.csv`. Mean over seeds, with the least and the greatest end of
    their 95% intervals by patients; triangles: what sensitivity the choice guarantees, patients
    counted; diamonds: the paper's numbers, whose threshold was chosen on the test images. Above
    stand the AUCs, with `compared` of `published.compare` and `control` of untrained networks.
    """
    table = table[table.chosen_on.isin(CHOSEN)]
    chosen = [c for c in CHOSEN if c in set(table.chosen_on)]
    models, claims = [m for m in NETWORKS if m in set(table.model)], published_values()
    figure, grid = plots.new(2, 2, size=(NARROW / 2, 2.0), sharey="row")
    asked = {"sensitivity": "sensitivity", "specificity": AT_98}
    for axis, (name, claim) in zip(grid[1], asked.items(), strict=True):
        for model, shift in plots.side_by_side(models, 0.25):
            own, style = table[table.model == model], {"color": COLOURS[model]}
            found = over_seeds(own, "chosen_on", name, f"{name}_low", f"{name}_high")
            at = found.index.map(chosen.index).to_numpy() + shift
            plots.intervals(axis, found, "mean", "low", "high", at, label=NETWORKS[model], **style)
            if name == "sensitivity":
                bounds = own.groupby("chosen_on").guaranteed_by_patient.mean()[found.index]
                axis.plot(bounds, at, ">", mfc="none", ms=5, **style)
            if TEST in chosen and (claim, model) in claims:
                axis.plot(claims[claim, model], chosen.index(TEST) + shift, **PAPER)
        axis.set_xlabel(f"{name} on test")
        axis.grid(False, axis="y")
    axis = grid[1, 0]
    axis.axvline(intervals.TARGET, **REFERENCE)
    axis.plot([], [], ">", color=GREY, mfc="none", ms=5, label="guaranteed")
    axis.plot([], [], label="the paper", **PAPER)
    first = table.drop_duplicates("chosen_on").set_index("chosen_on")
    words = "{0}\n{1.n_positive:.0f} COVID-19,\n{1.n_patients:.0f} patients"
    plots.rows_at(axis, [words.format(CHOSEN[c], first.loc[c]) for c in chosen])
    axis.set_ylabel("threshold chosen on")
    aucs(grid[0, 0], compared[compared.claim == "auc"], control)
    grid[0, 1].axis("off")
    grid[0, 1].legend(*axis.get_legend_handles_labels(), loc="center left")
    return figure


def aucs(axis, compared: pd.DataFrame, control) -> None:
    """The paper's AUC, ours with its 90% interval, and untrained networks' with the range of seeds."""
    untrained = over_seeds(control, "model", "auc") if len(control) else compared[:0]
    compared = compared.dropna(subset="ours")
    for model, shift in plots.side_by_side([*compared.model], 0.25):
        ours, style = compared[compared.model == model], {"color": COLOURS[model]}
        axis.plot(ours.published, [shift], **PAPER)
        plots.intervals(axis, ours, "ours", "low", "high", [1 + shift], **style)
        own = untrained[untrained.index == model]
        plots.intervals(axis, own, "mean", "least", "most", [2 + shift] * len(own), **style)
    plots.rows_at(axis, ["the paper", "ours", *["untrained"] * (len(untrained) > 0)])
    axis.set_xlabel("ROC AUC on test")


def calibration(test: Scores) -> Figure:
    """Share of COVID-19 among images of like score, and the decision curve; a colour per model.

    Scores are means over seeds; the legend has slope, intercept and Brier score with 95% intervals
    by patients. The right panel is the net benefit at the test images' prevalence.
    """
    figure, (left, right) = plots.new(2, size=(3.6, 3.1))
    cuts = np.linspace(0.005, 0.5, 100)
    table, by_model = of_models(test)
    label = table.label
    for model, scores in by_model.items():
        score = scores.mean(axis=0)
        bins, _ = evaluation.calibration(label, score)
        found = evaluation.recalibration(label, score, table.patient)
        numbers = [
            f"{name} {intervals.format_ci_from_row(found, name.lower(), digits)}"
            for name, digits in (("slope", 2), ("intercept", 2), ("Brier", 4))
            if found[name.lower()] is not None
        ]
        legend = f"{NETWORKS.get(model, model)}: {', '.join(numbers)}"
        left.plot(bins.score, bins.covid, "o-", ms=4, color=COLOURS[model], label=legend)
        right.plot(cuts, evaluation.net_benefit(label, score, cuts), color=COLOURS[model])
    prevalence = label.mean()
    left.plot([0, 1], [0, 1], **REFERENCE)
    left.set(xlabel="mean score of the bin", ylabel="share that is COVID-19", title="calibration")
    right.plot(cuts, prevalence - cuts / (1 - cuts) * (1 - prevalence), color=GREY, ls="--")
    right.annotate("treat all", (0.03, 0.005), fontsize=9, color=GREY)
    right.set(xlabel="threshold probability", ylabel="net benefit", ylim=(-0.004, 1.1 * prevalence),
              title=f"decision curve, prevalence {prevalence:.1%}")  # fmt: skip
    figure.legend(loc="outside lower center", fontsize=9)
    return figure


def subgroups(table: pd.DataFrame) -> Figure:
    """Specificity by view and by finding, a row each; mean over seeds, 95% intervals by patients.

    `table` is a `subgroups.csv`; of the thresholds the one from cross-validation is shown, or, where
    there is none, the one that was tuned on the test images.
    """
    chosen_on = next(c for c in (CROSS_VALIDATED, TEST) if c in set(table.chosen_on))
    table = table[table.chosen_on == chosen_on].set_index(["by", "group"])
    models = [model for model in NETWORKS if model in set(table.model)]
    mean = table.groupby(level=[0, 1]).specificity.mean().sort_values()
    rows = [key for by in ("view", "finding") for key in mean.index if key[0] == by]
    figure, axis = plots.new(size=(7.2, 0.32 * len(rows) + 1.2))
    for model, shift in plots.side_by_side(models, 0.22):
        own = table[table.model == model].reindex(rows)
        style = {"color": COLOURS[model], "ms": 4, "label": NETWORKS[model]}
        y = np.arange(len(rows)) + shift
        plots.intervals(axis, own, "specificity", "low", "high", y, **style)
    n = table[~table.index.duplicated()]
    names = [f"{'view ' if by == 'view' else ''}{group} ({n.images[by, group]:,}, {n.patients[by, group]:,})"
             for by, group in rows]  # fmt: skip
    plots.rows_at(axis, names)
    axis.set_xlabel("specificity")
    chosen = chosen_on.partition(" (")[0]
    axis.set_title(f"threshold chosen on {chosen}; brackets: images, patients", fontsize=9)
    axis.axhline(sum(by == "view" for by, _ in rows) - 0.5, **REFERENCE)
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def histogram(axis, table: pd.DataFrame) -> None:
    """How the scores of each class are spread, drawn on an axis; a tick for each COVID-19 image."""
    style = {"bins": np.linspace(0, 1, 41), "alpha": 0.6, "lw": 0}
    for label, (name, shade) in enumerate(CLASSES.items()):
        score = table.score[table.label == label]
        share, name = np.full(len(score), 100 / max(len(score), 1)), f"{name} ({len(score):,})"
        axis.hist(score, weights=share, color=shade, label=name, **style)
    axis.plot(score, np.zeros(len(score)), "|", color=COVID, ms=8, mew=0.6)
    axis.set(xlabel="score, P(COVID-19)", ylabel="% of the class", xlim=(-0.01, 1.01))


def at_threshold(table: pd.DataFrame, threshold: float, frozen: float, name: str) -> Figure:
    """What one threshold makes of scores: where it cuts, and its place on the ROC curve.

    The title has the confusion matrix. Dotted, and a ring on the curve: the `frozen` one."""
    figure, (spread, curve) = plots.new(2, size=(3.6, 2.7), width_ratios=(1.2, 1))
    histogram(spread, table)
    spread.axvline(threshold, color="black", lw=1.4)
    spread.axvline(frozen, color="black", lw=1, ls=":")
    spread.legend(loc="upper center", fontsize=9)
    curve.plot(*evaluation.roc(table.label, table.score)[:2], color=GREY)
    curve.plot([0, 1], [0, 1], **REFERENCE)
    for at, face in ((frozen, "none"), (threshold, "black")):
        counts = intervals.confusion(table.label, table.score, at)
        positives, negatives = counts["tp"] + counts["fn"], counts["fp"] + counts["tn"]
        place = counts["fp"] / negatives, counts["tp"] / positives
        curve.plot(*place, "o", color="black", mfc=face, ms=8, clip_on=False, zorder=3)
    curve.set(xlabel=f"1 - specificity (of {negatives:,} Non-COVID)",
              ylabel=f"sensitivity\n(of {positives:,} COVID-19)")  # fmt: skip
    figure.suptitle(
        f"{name}: from {threshold:.3f} on, {counts['tp']:,} of {positives:,} COVID-19 images are "
        f"found\nand {counts['fp']:,} of {negatives:,} Non-COVID images called COVID-19"
    )
    return figure
