"""The four findings in one plot each: what the front page and notebook 00 show."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcovid.failure.design import FAILED, LEVELS
from deepcovid.fair_test.names import RELEASE, SAME
from deepcovid.metrics.published import compare
from deepcovid.metrics.tables import NETWORKS
from deepcovid.plots import COVID, GREY, NON_COVID, REFERENCE, intervals, new
from deepcovid.shortcuts.figures import HIDDEN

WIDTH = 5.0  # inches: so narrow that text stays legible on a phone
AUC = ("auc", "auc_low", "auc_high")
CHANGES = {
    "Adam": "Adam in place of SGD", "SGD, constant": "constant learning rate", "augmented": "positives augmented",
    "balanced": "classes weighted", "none": "whole images, no random crop", "eval": "batch norm as pretrained",
}  # fmt: skip
# what is left of a picture in `shortcuts.csv`
LEFT = {
    "whole picture": "whole picture",
    "without wherever lungs may be": "lungs blacked out",
    "8 x 8 pixels": "8 x 8 pixels",
    "outer 5% of each side": "outer 5% of each side",
    "file properties": "file's size and colour mode",
}

def drawn(results: Path) -> Iterator[tuple[str, Figure]]:
    """Names and plots of the findings that the files in `results` allow."""
    paper = results / "paper"

    def table(path: Path) -> pd.DataFrame:
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    control, external = table(results / "control" / "metrics.csv"), table(paper / "external.csv")
    if len(ablation := table(results / "ablation.csv")):
        yield "finding_1", single_changes(ablation)
    if len(metrics := table(paper / "metrics.csv")):
        yield "finding_2", beside_paper(compare(paper), metrics, control)
    if len(shown := table(paper / "shortcuts.csv")):
        yield "finding_3", shortcuts(shown, control, external if len(external) else None)
    if len(swap := table(paper / "fair_test" / "swap.csv")):
        yield "finding_4", same_collection(swap)


def single_changes(ablation: pd.DataFrame) -> Figure:
    """COVID-19 test images that the failed recipe finds, and after each single change of it.

    Means over seeds, with their range.
    """
    last = ablation[(ablation.epochs == FAILED["epochs"]) & (ablation.after == FAILED["epochs"])]
    last = last[(last.selection == "last") & (last.weights == FAILED["weights"])]
    backbone = next(model for model in NETWORKS if model in set(last.backbone))
    last, rows = last[last.backbone == backbone], {}
    base = {factor: FAILED[factor] for factor in LEVELS}
    cells = {"the failed recipe": base} | {
        CHANGES[level]: base | {factor: level}
        for factor, levels in LEVELS.items() for level in levels if level in CHANGES and level != base[factor]
    }  # fmt: skip
    for name, cell in cells.items():
        part = last[
            np.logical_and.reduce([last[factor] == level for factor, level in cell.items()])
        ]
        if len(part):
            rows[name] = part.sensitivity.agg(["mean", "min", "max", "size"]) * [100, 100, 100, 1]
    found = pd.DataFrame(rows).T.sort_values("mean", kind="stable")
    figure, axis = new(size=(WIDTH, 2.6))
    colours = [GREY if name == "the failed recipe" else COVID for name in found.index]
    axis.barh(found.index, found["mean"], xerr=[found["mean"] - found["min"], found["max"] - found["mean"]],
              color=colours, height=0.6, ecolor="black", capsize=3)  # fmt: skip
    for place, row in enumerate(found.itertuples()):
        axis.text(row.max + 1.5, place, f"{row.mean:.0f}%", va="center")
    axis.grid(False, axis="y")
    images = (last.tp + last.fn).max()
    axis.set_xlabel(f"% of the {images:.0f} COVID-19 test images found\n({NETWORKS[backbone]}, "
                    f"{FAILED['epochs']} epochs, {found['size'].min():.0f} seeds each)")  # fmt: skip
    axis.set_xlim(0, 108)
    return figure


def beside_paper(comparison: pd.DataFrame, metrics: pd.DataFrame, control: pd.DataFrame) -> Figure:
    """ROC AUC of the paper, ours and untrained networks; sensitivity by where the threshold is from."""
    part = comparison[(comparison.claim == "auc") & comparison.ours.notna()].reset_index(drop=True)
    models = list(part.model) or [m for m in NETWORKS if m in set(metrics.model)]
    at = np.arange(len(models))
    figure, (left, right) = new(2, size=(WIDTH / 2, 3.2), sharey=True)
    left.plot(part.published, part.index - 0.25, "D", color=GREY, ms=5, label="the paper")
    intervals(left, part, "ours", "low", "high", part.index, color=NON_COVID, label="ours")
    if len(control):
        seeds = over_seeds(control, "auc", models)
        intervals(left, seeds, "mean", "min", "max", at + 0.25, color=COVID, label="untrained")
    left.locator_params("x", nbins=5)
    first = metrics.dropna(subset="auc").iloc[0]
    left.set_xlabel(
        f"ROC AUC ({first.tp + first.fn:.0f} +\n{first.tn + first.fp:,.0f} test images)"
    )
    for shift, column, positives, where, style in (
        (-0.2, "sensitivity", "validation_positive", "validation images", {"mfc": "white"}),
        (0.2, "cv_sensitivity", "cv_positive", "cross-validated", {}),
    ):
        if metrics.get(column, pd.Series()).notna().any():
            number = f"{metrics[positives].min():.0f} " if positives in metrics else ""
            seeds = over_seeds(metrics, column, models)
            intervals(right, seeds, "mean", "min", "max", at + shift, label=number + where,
                      color=NON_COVID, **style)  # fmt: skip
    right.axvline(0.98, **REFERENCE)
    right.annotate("98%", (0.98, len(models) - 0.55), (-3, 0), textcoords="offset points", ha="right",
                   color=GREY)  # fmt: skip
    right.set_xlabel("sensitivity on test,\nthreshold chosen on ...")
    left.set_yticks(at, [NETWORKS[model] for model in models])
    left.set_ylim(len(models) - 0.5, -0.5)
    for axis in (left, right):
        axis.legend(loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def over_seeds(table: pd.DataFrame, column: str, models: list[str]) -> pd.DataFrame:
    """Mean and range of a column over the seeds of each model."""
    return (
        table.dropna(subset=column)
        .groupby("model")[column]
        .agg(["mean", "min", "max"])
        .reindex(models)
    )


def shortcuts(table: pd.DataFrame, control: pd.DataFrame, external: pd.DataFrame | None) -> Figure:
    """ROC AUC from parts of a picture, or none; and images of hospitals that nobody trained on.

    Orange: what shows no lungs, or hardly. The right panel, of an `external.csv`, has sensitivity and specificity at the frozen threshold.
    """
    own = table[(table.target == "COVID-19") & (table.kind != "untrained")]
    rows = own.drop_duplicates("input").set_index("input").reindex(LEFT).dropna(subset="auc")
    rows[list(AUC[1:])] = rows[["patient_low", "patient_high"]]
    names, colour = [LEFT[name] for name in rows.index], rows.index.isin(HIDDEN)
    if len(control):
        rows.loc["untrained", list(AUC)] = control.auc.mean(), control.auc.min(), control.auc.max()
        names.append("whole picture, untrained")
        colour = np.append(colour, False)
    n = f"{rows.positives.iloc[0]:.0f} COVID-19, {rows.negatives.iloc[0]:,.0f} Non-COVID images"
    figure, axes = new(rows=1 + (external is not None), size=(WIDTH, 2.7), squeeze=False)
    axis, at = axes[0, 0], np.arange(len(rows))
    for part, paint, label in ((~colour, NON_COVID, "lungs visible, in part or coarsely"),
                               (colour, COVID, "lungs not visible, or hardly")):  # fmt: skip
        intervals(axis, rows[part], *AUC, y=at[part], color=paint, values="{:.4f}", label=label)
    axis.set_yticks(at, names)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1))
    axis.set(xlabel=f"ROC AUC\n({n})", xlim=(0.94, 1.016), xticks=np.arange(0.94, 1.01, 0.02))
    if external is not None:
        hospitals(axes[1, 0], external)
    return figure


def hospitals(axis, external: pd.DataFrame) -> None:
    """Sensitivity and specificity of each network in each external source, drawn on an axis."""
    shares = external[external.quantity.isin(["sensitivity", "specificity"])]
    found = shares.groupby(["quantity", "set", "model"], sort=False).agg(
        value=("value", "mean"), low=("low", "min"), high=("high", "max"), images=("images", "first"),
        patients=("patients", "first"),
    ).reset_index()  # fmt: skip
    models = list(found.model.unique())
    groups = found.groupby(["quantity", "set"], sort=False)
    shifts = np.linspace(-0.15, 0.15, len(groups)) if len(groups) > 1 else [0]
    for ((quantity, source), part), shift in zip(groups, shifts, strict=True):
        label = (f"{quantity}, {source.partition(', ')[2] or source} "
                 f"({part.images.iloc[0]} images, {part.patients.iloc[0]} patients)")  # fmt: skip
        at, colour = (
            part.model.map(models.index) + shift,
            COVID if quantity == "sensitivity" else NON_COVID,
        )
        intervals(axis, part, "value", "low", "high", y=at, color=colour, label=label)
    axis.set_yticks(range(len(models)), [NETWORKS.get(model, model) for model in models])
    axis.set(
        xlabel="sensitivity or specificity at the frozen threshold",
        xlim=(-0.02, 1.02),
        ylim=(len(models) - 0.5, -0.5),
    )
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1))


def same_collection(swap: pd.DataFrame) -> Figure:
    """ROC AUC of the same models and COVID-19 images beside Non-COVID images of either source.

    Means over seeds, with the least and the greatest end of their 95% intervals by cases.
    """
    found = swap.groupby(["model", "non_covid"], sort=False).agg(
        auc=("auc", "mean"), auc_low=("case_low", "min"), auc_high=("case_high", "max"),
        positives=("positives", "first"), negatives=("negatives", "first"),
    ).reset_index()  # fmt: skip
    found["place"] = found.non_covid.map({RELEASE: 0, SAME: 1})
    found = found.sort_values("place", kind="stable").reset_index(drop=True)
    names = [
        f"{NETWORKS[row.model]}, {row.positives} + {row.negatives:,}" for row in found.itertuples()
    ]
    figure, axis = new(size=(WIDTH, 0.3 * len(found) + 1.2))
    for place, colour, label in ((0, NON_COVID, "Non-COVID of the release (one hospital)"),
                                 (1, COVID, "other diagnoses of the same collection")):  # fmt: skip
        part = found[found.place == place]
        intervals(axis, part, *AUC, y=part.index, color=colour, values="{:.4f}", label=label)
    axis.set_yticks(range(len(found)), names)
    axis.axvline(0.5, **REFERENCE)
    axis.annotate(
        "chance", (0.5, -0.4), (3, 0), textcoords="offset points", color=GREY, va="center"
    )
    axis.set(
        xlabel="ROC AUC (COVID-19 + Non-COVID images)",
        xlim=(0.42, 1.06),
        ylim=(len(found) - 0.5, -0.7),
    )
    figure.legend(loc="outside upper center", ncols=1)
    return figure
