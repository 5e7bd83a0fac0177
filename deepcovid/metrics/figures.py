"""The plots of scores: ROC curves, operating points, calibration, specificity by group."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcovid.metrics import evaluation, intervals
from deepcovid.metrics.operating_points import CROSS_VALIDATED, TEST, VALIDATION
from deepcovid.metrics.tables import NETWORKS, of_models, published_values
from deepcovid.plots import CLASSES, COLOURS, COVID, GREY, REFERENCE, new
from deepcovid.plots import intervals as points

CHOSEN = {VALIDATION: "validation", CROSS_VALIDATED: "cross-validated", TEST: "test, in sample"}
ENDS = ("", "_low", "_high")
Scores = dict[tuple[str, int], pd.DataFrame]  # of the same images, by (model, seed)


def colour(model: str) -> str:
    return COLOURS.get(model, "black")


def counted(table: pd.DataFrame, label: int) -> str:
    """How many images of a class, and of how many patients where these are known."""
    own, name = table[table.label == label], list(CLASSES)[label]
    patients = f" of {own.patient.nunique():,} patients" if "patient" in own else ""
    return f"{len(own):,} {name} images{patients}"


def roc(test: Scores) -> Figure:
    """Mean ROC curve of each model's seeds with its 95% band by patients; enlarged at the right.

    `test` has the test images alone.
    """
    figure, axes = new(2, size=(3.5, 3.3))
    for model, (table, scores) in of_models(test).items():
        patient, name = table.get("patient"), NETWORKS.get(model, model)
        value = np.mean([intervals.auc(table.label, score) for score in scores])
        for axis, fpr in zip(axes, (np.linspace(0, 1, 201), np.linspace(0, 0.2, 201)), strict=True):
            mean, low, high = intervals.roc_band(table.label, scores, patient, fpr)
            axis.plot(fpr, mean, color=colour(model), label=f"{name}, AUC {value:.4f}")
            axis.fill_between(fpr, low, high, color=colour(model), alpha=0.15, lw=0)
    axes[0].plot([0, 1], [0, 1], **REFERENCE)
    axes[0].set(ylabel=f"sensitivity\n({counted(table, 1)})", title="all")
    axes[1].set(xlim=(0, 0.2), ylim=(0.5, 1.01), title="upper left corner, enlarged")
    figure.supxlabel(f"1 - specificity ({counted(table, 0)})", fontsize=9)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=9
    )
    return figure


def operating_points(table: pd.DataFrame) -> Figure:
    """Sensitivity and specificity on test by the images that the threshold was chosen on.

    `table` is an `operating_points.csv`. Mean over seeds, with the least and the greatest end of
    their 95% intervals by patients; triangles: what sensitivity the choice guarantees, patients
    counted; diamonds: the paper's numbers, whose threshold was chosen on the test images.
    """
    table = table[(table.rule == "sensitivity_98") & table.chosen_on.isin(CHOSEN)]
    unit = (
        "bootstrap, patients"
        if table.interval.eq("bootstrap, patients").any()
        else "Wilson, images"
    )
    table = table[table.interval == unit]
    models = [model for model in NETWORKS if model in set(table.model)]
    places = {
        name: place for place, name in enumerate(c for c in CHOSEN if c in set(table.chosen_on))
    }
    claims = published_values()
    figure, axes = new(2, size=(3.5, 0.8 * len(places) + 0.9), sharey=True)
    for axis, name in zip(axes, ("sensitivity", "specificity"), strict=True):
        for shift, model in zip(np.linspace(-0.25, 0.25, len(models)), models, strict=True):
            own = table[table.model == model].groupby("chosen_on").agg(
                value=(name, "mean"), low=(f"{name}_low", "min"), high=(f"{name}_high", "max"),
                bound=("guaranteed_by_patient" if unit.endswith("patients") else "guaranteed_by_image", "mean"),
            )  # fmt: skip
            at = own.index.map(places).to_numpy() + shift
            points(
                axis, own, "value", "low", "high", y=at, color=colour(model), label=NETWORKS[model]
            )
            if name == "sensitivity":
                axis.plot(own.bound, at, ">", color=colour(model), mfc="none", ms=5)
        axis.set_xlabel(f"{name} on test")
        axis.grid(False, axis="y")
        for between in range(1, len(places)):
            axis.axhline(between - 0.5, **REFERENCE)
    for shift, model in zip(np.linspace(-0.25, 0.25, len(models)), models, strict=True):
        if TEST in places and ("auc", model) in claims:
            axes[0].plot(claims["sensitivity", model], places[TEST] + shift, "D", color=GREY, ms=4)
            axes[1].plot(
                claims["specificity_at_98_sensitivity", model],
                places[TEST] + shift,
                "D",
                color=GREY,
                ms=4,
            )
    axes[0].plot([], [], ">", color=GREY, mfc="none", ms=5, label="guaranteed")
    axes[0].plot([], [], "D", color=GREY, ms=4, label="the paper")
    first = table.drop_duplicates("chosen_on").set_index("chosen_on")
    names = [f"{CHOSEN[c]}\n{first.n_positive[c]:.0f} COVID-19 images"
             + (f",\n{first.n_patients[c]:.0f} patients" if pd.notna(first.n_patients[c]) else "")
             for c in places]  # fmt: skip
    axes[0].set_yticks([*places.values()], names)
    axes[0].set_ylim(len(places) - 0.5, -0.5)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure


def calibration(test: Scores) -> Figure:
    """Share of COVID-19 among images of like score, and the decision curve; a colour per model.

    Scores are means over seeds; the legend has slope, intercept and Brier score with 95% intervals
    by patients. The right panel is the net benefit at the test images' prevalence.
    """
    figure, (left, right) = new(2, size=(3.6, 3.1))
    cuts = np.linspace(0.005, 0.5, 100)
    for model, (table, scores) in of_models(test).items():
        score, label = scores.mean(axis=0), table.label
        bins, _ = evaluation.calibration(label, score)
        found = evaluation.recalibration(label, score, table.get("patient"))
        said = ", ".join(
            f"{name} {intervals.format_ci(*(found[key + end] for end in ENDS), digits)}"
            for name, key, digits in (("slope", "slope", 2), ("intercept", "intercept", 2), ("Brier", "brier", 4))
            if found[key] is not None
        )  # fmt: skip
        left.plot(
            bins.score,
            bins.covid,
            "o-",
            ms=4,
            color=colour(model),
            label=f"{NETWORKS.get(model, model)}: {said}",
        )
        right.plot(cuts, evaluation.net_benefit(label, score, cuts), color=colour(model))
    prevalence = label.mean()
    left.plot([0, 1], [0, 1], **REFERENCE)
    left.set(xlabel="mean score of the bin", ylabel="share that is COVID-19", title="calibration")
    odds = cuts / (1 - cuts)
    right.plot(cuts, prevalence - odds * (1 - prevalence), color=GREY, ls="--")
    right.annotate("treat all", (0.03, 0.005), fontsize=9, color=GREY)
    right.set(xlabel="threshold probability", ylabel="net benefit", ylim=(-0.004, 1.1 * prevalence),
              title=f"decision curve, prevalence {prevalence:.1%}")  # fmt: skip
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", fontsize=9)
    return figure


def subgroups(table: pd.DataFrame) -> Figure:
    """Specificity by view and by finding, a row each; mean over seeds, 95% intervals by patients.

    `table` is a `subgroups.csv`; of the thresholds the one from cross-validation is shown, or, where
    a model has none, the one that was tuned on the test images.
    """
    models = table.groupby("chosen_on").model.nunique()
    there = [
        c for c in (CROSS_VALIDATED, TEST, VALIDATION) if models.get(c) == table.model.nunique()
    ]
    table = table[table.chosen_on == there[0]]
    models = [model for model in NETWORKS if model in set(table.model)]
    wide = table.pivot(index=["by", "group"], columns="model", values="specificity")
    rows = wide.mean(axis=1).sort_values().index
    rows = [key for by in ("view", "finding") for key in rows if key[0] == by]
    figure, axis = new(size=(7.2, 0.32 * len(rows) + 1.2))
    for shift, model in zip(np.linspace(-0.22, 0.22, len(models)), models, strict=True):
        own = table[table.model == model].set_index(["by", "group"]).reindex(rows)
        at = np.arange(len(rows)) + shift
        points(
            axis,
            own,
            "specificity",
            "low",
            "high",
            y=at,
            color=colour(model),
            ms=4,
            label=NETWORKS[model],
        )
    n = table.drop_duplicates(["by", "group"]).set_index(["by", "group"])
    names = [f"{'view ' if by == 'view' else ''}{group} ({n.images[by, group]:,}, {n.patients[by, group]:,})"
             for by, group in rows]  # fmt: skip
    axis.set_yticks(range(len(rows)), names)
    axis.set(ylim=(len(rows) - 0.5, -0.5), xlabel="specificity")
    axis.set_title(
        f"threshold chosen on {there[0].partition(' (')[0]}; brackets: images, patients", fontsize=9
    )
    axis.axhline(sum(by == "view" for by, _ in rows) - 0.5, **REFERENCE)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def histogram(axis, table: pd.DataFrame) -> None:
    """How the scores of each class are spread, drawn on an axis; a tick for each COVID-19 image."""
    for label, (name, shade) in enumerate(CLASSES.items()):
        score = table.score[table.label == label]
        share = np.full(len(score), 100 / max(len(score), 1))
        axis.hist(
            score,
            np.linspace(0, 1, 41),
            weights=share,
            color=shade,
            alpha=0.6,
            lw=0,
            label=f"{name} ({len(score):,})",
        )
    axis.plot(score, np.zeros(len(score)), "|", color=COVID, ms=8, mew=0.6)
    axis.set(xlabel="score, P(COVID-19)", ylabel="% of the class", xlim=(-0.01, 1.01))


def matrix(axis, counts: dict[str, int], threshold: float = 0.5) -> None:
    """A confusion matrix drawn on an axis: counts, and the share of each row."""
    import seaborn as sns  # nobody else here needs it

    values = np.array([[counts["tn"], counts["fp"]], [counts["fn"], counts["tp"]]]).astype(int)
    share = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    told = [
        [f"{n:,}\n{s:.1%}" for n, s in zip(*row, strict=True)]
        for row in zip(values, share, strict=True)
    ]
    sns.heatmap(
        share, annot=np.array(told), fmt="", vmin=0, vmax=1, cmap="Blues", cbar=False, square=True,
        xticklabels=list(CLASSES), yticklabels=list(CLASSES), ax=axis,
    )  # fmt: skip
    axis.set(xlabel=f"answer at {threshold:.3g}", ylabel="truth")


def at_threshold(table: pd.DataFrame, threshold: float, frozen: float, name: str) -> Figure:
    """What one threshold makes of scores: where it cuts, whom it calls what, its place on the ROC
    curve. Dotted, and a ring on the curve: the `frozen` one."""
    counts = evaluation.confusion(table.label, table.score, threshold)
    figure, (spread, cell, curve) = new(3, size=(2.5, 2.7), width_ratios=(1.2, 0.8, 1))
    histogram(spread, table)
    spread.axvline(threshold, color="black", lw=1.4)
    spread.axvline(frozen, color="black", lw=1, ls=":")
    spread.legend(loc="upper center", fontsize=9)
    matrix(cell, counts, threshold)
    curve.plot(*evaluation.roc(table.label, table.score)[:2], color=GREY)
    curve.plot([0, 1], [0, 1], **REFERENCE)
    for at, face in ((frozen, "none"), (threshold, "black")):
        found = evaluation.confusion(table.label, table.score, at)
        positives, negatives = found["tp"] + found["fn"], found["fp"] + found["tn"]
        place = found["fp"] / negatives, found["tp"] / positives
        curve.plot(*place, "o", color="black", mfc=face, ms=8, clip_on=False, zorder=3)
    curve.set(xlabel=f"1 - specificity (of {negatives:,} Non-COVID)",
              ylabel=f"sensitivity (of {positives:,} COVID-19)")  # fmt: skip
    figure.suptitle(
        f"{name}: from {threshold:.3f} on, {counts['tp']:,} of {positives:,} COVID-19 images are "
        f"found\nand {counts['fp']:,} of {negatives:,} Non-COVID images called COVID-19"
    )
    return figure
