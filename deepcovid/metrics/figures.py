"""The plots of scores: ROC curves, operating points, calibration, specificity by group."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcovid.metrics import evaluation, intervals
from deepcovid.metrics.evaluation import AT_98, Scores, of_models
from deepcovid.metrics.published import NETWORKS, published_values
from deepcovid.metrics.run import CROSS_VALIDATED, TEST, VALIDATION
from deepcovid.metrics.tables import over_seeds
from deepcovid.plots import CLASSES, COLOURS, COVID, GREY, NARROW, REFERENCE, forest, new

CHOSEN = {VALIDATION: "validation", CROSS_VALIDATED: "cross-validated", TEST: "test, in sample"}
MODELS = {model: (COLOURS[model], name) for model, name in NETWORKS.items()}  # hues of a plot
PAPER = {"fmt": "D", "color": GREY, "ms": 4, "label": None}  # how the paper's numbers are drawn
GUARANTEED = {"fmt": ">", "mfc": "none", "ms": 5, "label": None}


def counted(table: pd.DataFrame, label: int) -> str:
    """How many images of a class, and of how many patients."""
    own, name = table[table.label == label], list(CLASSES)[label]
    return f"{len(own):,} {name} images of {own.patient.nunique():,} patients"


def roc(test: Scores) -> Figure:
    """Mean ROC curve of each model's seeds with its 95% band by patients; enlarged at the right.

    `test` has the test images alone.
    """
    figure, axes = new(2, size=(3.5, 3.3))
    table, by_model = of_models(test)
    for model, scores in by_model.items():
        value = np.mean([intervals.auc(table.label, score) for score in scores])
        fpr = np.union1d(np.linspace(0, 0.2, 201), np.linspace(0, 1, 201))
        mean, *band = intervals.roc_band(table.label, scores, table.patient, fpr)
        for axis in axes:
            axis.plot(fpr, mean, color=COLOURS[model])
            axis.fill_between(fpr, *band, color=COLOURS[model], alpha=0.15, lw=0)
        axes[0].lines[-1].set_label(f"{NETWORKS[model]}, AUC {value:.4f}")
    axes[0].plot([0, 1], [0, 1], **REFERENCE)
    axes[0].set(ylabel=f"sensitivity\n({counted(table, 1)})", title="all")
    axes[1].set(xlim=(0, 0.2), ylim=(0.5, 1.01), title="upper left corner, enlarged")
    figure.supxlabel(f"1 - specificity ({counted(table, 0)})")
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def operating_points(table: pd.DataFrame, compared: pd.DataFrame, control=()) -> Figure:
    """Sensitivity and specificity on test by the images that the threshold was chosen on.

    `table` is an `operating_points.csv`. Mean over seeds, with the least and the greatest end of
    their 95% intervals by patients; triangles: what sensitivity the choice guarantees, patients
    counted; diamonds: the paper's numbers, whose threshold was chosen on the test images. Above
    stand the AUCs, with `compared` of `published.compare` and `control` of untrained networks.
    """
    first = table.drop_duplicates("chosen_on").set_index("chosen_on")
    words = "{0}\n{1.n_positive:.0f} COVID-19,\n{1.n_patients:.0f} patients"
    rows = {c: words.format(CHOSEN[c], first.loc[c]) for c in CHOSEN if c in first.index}
    claims, keys = pd.Series(published_values()), ["chosen_on", "model"]
    figure, grid = new(2, 2, size=(NARROW / 2, 2.15), sharey="row")
    asked = {"sensitivity": "sensitivity", "specificity": AT_98}
    for axis, (name, claim) in zip(grid[1], asked.items(), strict=True):
        found = over_seeds(table, keys, name, f"{name}_low", f"{name}_high").loc[[*rows]]
        found["guaranteed"] = table.groupby(keys).guaranteed_by_patient.mean()
        found = found.reset_index("model")
        found["paper"] = found.model.map(claims[claim]).where(found.index == TEST)
        forest(axis, found, ["paper"], rows, "model", MODELS, **PAPER)
        forest(axis, found, rows=rows, hue="model", hues=MODELS)
        if name == "sensitivity":
            forest(axis, found, ["guaranteed"], rows, "model", MODELS, **GUARANTEED)
        axis.set_xlabel(f"{name} on test")
    axis = grid[1, 0]
    axis.axvline(intervals.TARGET, **REFERENCE)
    axis.errorbar([], [], **GUARANTEED | {"color": GREY, "label": "guaranteed"})
    axis.errorbar([], [], **PAPER | {"label": "the paper"})
    axis.set_ylabel("threshold chosen on")
    aucs(grid[0, 0], compared[compared.claim == "auc"], control)
    grid[0, 1].axis("off")
    grid[0, 1].legend(*axis.get_legend_handles_labels(), loc="center left")
    return figure


def aucs(axis, compared: pd.DataFrame, control) -> None:
    """The paper's AUC, ours with its 90% interval, and untrained networks' with the range of seeds."""
    ours = compared.dropna(subset="ours").set_index("model").assign(mean=lambda of: of.ours)
    parts = {"the paper": ours.assign(mean=ours.published), "ours": ours}
    if len(control):
        untrained = over_seeds(control, "model", "auc", "auc", "auc")
        parts["untrained"] = untrained[untrained.index.isin(ours.index)]
    found = pd.concat(parts, names=["whose"]).reset_index("model")
    how = {"rows": {name: name for name in parts}, "hue": "model", "hues": MODELS}
    forest(axis, found.drop("the paper", errors="ignore"), **how)
    forest(axis, found[found.index == "the paper"], ["mean"], **how, **PAPER)
    axis.set_xlabel("ROC AUC on test")


def calibration(test: Scores) -> Figure:
    """Share of COVID-19 among images of like score, and the decision curve; a colour per model.

    Scores are means over seeds; the legend has slope, intercept and Brier score with 95% intervals
    by patients. The right panel is the net benefit at the test images' prevalence.
    """
    figure, (left, right) = new(2, size=(3.6, 3.1))
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
        legend = f"{NETWORKS[model]}: {', '.join(numbers)}"
        left.plot(bins.score, bins.covid, "o-", ms=4, color=COLOURS[model], label=legend)
        right.plot(cuts, evaluation.net_benefit(label, score, cuts), color=COLOURS[model])
    prevalence = label.mean()
    left.plot([0, 1], [0, 1], **REFERENCE)
    left.set(xlabel="mean score of the bin", ylabel="share that is COVID-19", title="calibration")
    right.plot(cuts, prevalence - cuts / (1 - cuts) * (1 - prevalence), color=GREY, ls="--")
    right.annotate("treat all", (0.03, 0.005), color=GREY)
    right.set(xlabel="threshold probability", ylabel="net benefit", ylim=(-0.004, 1.1 * prevalence),
              title=f"decision curve, prevalence {prevalence:.1%}")  # fmt: skip
    figure.legend(loc="outside lower center")
    return figure


def subgroups(table: pd.DataFrame) -> Figure:
    """Specificity by view and by finding, a row each; mean over seeds, 95% intervals by patients.

    `table` is a `subgroups.csv`; of the thresholds the one from cross-validation is shown, or, where
    there is none, the one that was tuned on the test images.
    """
    chosen_on = next(c for c in (CROSS_VALIDATED, TEST) if c in set(table.chosen_on))
    table = table[table.chosen_on == chosen_on].set_index(["by", "group"])
    first = table[~table.index.duplicated()]
    first = first.assign(mean=table.specificity.groupby(level=[0, 1]).mean())
    first = first.sort_values(["by", "mean"], ascending=[False, True])  # views above
    rows = {row.Index: f"{'view ' * (row.Index[0] == 'view')}{row.Index[1]} ({row.images:,}, {row.patients:,})"
            for row in first.itertuples()}  # fmt: skip
    figure, axis = new(size=(7.2, 0.32 * len(rows) + 1.2))
    forest(axis, table, ("specificity", "low", "high"), rows, "model", MODELS)
    title = f"threshold chosen on {chosen_on.partition(' (')[0]}; brackets: images, patients"
    axis.set(xlabel="specificity", title=title)
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
    figure, (spread, curve) = new(2, size=(3.6, 2.7), width_ratios=(1.2, 1))
    histogram(spread, table)
    spread.axvline(threshold, color="black", lw=1.4)
    spread.axvline(frozen, color="black", lw=1, ls=":")
    spread.legend(loc="upper center")
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
