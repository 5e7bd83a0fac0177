"""The plots of notebook 07: AUC under each ablation, scores of two collections, preprocessing."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcovid.metrics.tables import NETWORKS, over_seeds
from deepcovid.plots import CLASSES, COVID, GREY, NARROW, NON_COVID, REFERENCE, forest, new
from deepcovid.shortcuts.ablations import WORDS
from deepcovid.shortcuts.tables import preprocessing_words

# kinds of `shortcuts.csv`, in the order in which they are drawn
KINDS = ("whole", "border", "centre", "lungs", "coarse", "grey levels", "metadata", "untrained")
# shows no lung, or about a twentieth of them; as does a border of so little of the picture's area
HIDDEN, BORDER = ("without wherever lungs may be", "file properties"), 0.44
SHARES = {"sensitivity": COVID, "specificity": NON_COVID}


def how_little(table: pd.DataFrame, external=()) -> Figure:
    """ROC AUC under each ablation of a `shortcuts.csv` with its 95% interval by patients.

    Below, where an `external.csv` is given: hospitals that nobody trained on.
    """
    rows = table[(table.target == "COVID-19") & table.kind.isin(KINDS)]
    rows = rows[(rows.kind != "metadata") | (rows.input == "file properties")]
    order = pd.Index(KINDS).get_indexer
    rows = rows.sort_values("kind", key=order, kind="stable", ignore_index=True)
    heights = [0.9 + 0.18 * len(rows), 1.7][: 1 + (len(external) > 0)]
    size = NARROW, sum(heights) / len(heights)
    figure, axes = new(1, len(heights), size, squeeze=False, height_ratios=heights)
    axis, first, least = axes[0, 0], rows.iloc[0], rows.patient_low.min()
    of_area, untrained = rows.kind.isin(["border", "centre"]), rows.kind == "untrained"
    names = rows.input.replace(WORDS) + np.where(untrained, ", untrained", "")
    names = names.str.replace(r"^(central .+) of each side", r"\1", regex=True)
    names += rows.input_share.map(", {:.0%} of area".format).where(of_area, "")
    border = rows.input.str.startswith("outer") & (rows.input_share <= BORDER)
    rows = rows.assign(hidden=border | rows.input.isin(HIDDEN))
    hues = {False: (NON_COVID, "lungs visible, at least in part"),
            True: (COVID, "lungs not visible, or hardly")}  # fmt: skip
    ends = "auc", "patient_low", "patient_high"
    forest(axis, rows, ends, dict(names), "hidden", hues)
    for place, auc in rows.auc.items():
        axis.text(1.02, place, f"{auc:.4f}", transform=axis.get_yaxis_transform(), va="center")
    axis.axvline(first.auc, color=GREY, lw=1)
    axis.set(xlim=(0.9 if least > 0.9 else min(0.45, least - 0.02), 1.001))
    images = f"{first.positives:,} COVID-19, {first.negatives:,} Non-COVID images"
    axis.set_xlabel(f"ROC AUC ({images})", loc="right")
    if least <= 0.9:
        axis.axvline(0.5, **REFERENCE)
    axis.legend(loc="lower right", bbox_to_anchor=(1.1, 1))
    if len(external):
        hospitals(axes[1, 0], external)
    return figure


def hospitals(axis, external: pd.DataFrame) -> None:
    """Sensitivity and specificity of each network in each external source, drawn on an axis."""
    shares, keys = external[external.quantity.isin(SHARES)], ["quantity", "set"]
    found = over_seeds(shares, ["model", *keys], "value", "low", "high", "images", "patients")
    found = found.reset_index(keys)
    found["label"] = [f"{row.quantity}, {row.set.partition(', ')[2] or row.set} ({row.images} images, "
                      f"{row.patients} patients)" for row in found.itertuples()]  # fmt: skip
    hues = {row.label: (SHARES[row.quantity], row.label) for row in found.itertuples()}
    rows = {model: NETWORKS.get(model, model) for model in found.index}
    forest(axis, found, rows=rows, hue="label", hues=hues)
    axis.set(xlabel="share of images, frozen threshold", xlim=(-0.02, 1.02))
    axis.legend(loc="lower right", bbox_to_anchor=(1.1, 1))


def collections(found: dict) -> Figure:
    """How one model's scores are spread in each collection, from `external.json`."""
    figure, axes = new(2, size=(3.6, 3.3), sharey=True)
    edges = np.linspace(0, 1, len(next(iter(found["histograms"].values()))) + 1)
    about = {"test": "test images of this dataset", "external": "external images"}
    for axis, (where, title) in zip(axes, about.items(), strict=True):
        for name, colour in CLASSES.items():
            counts = np.array(found["histograms"][f"{name}, {where}"])
            axis.stairs(100 * counts / max(counts.sum(), 1), edges, fill=True, fc=(colour, 0.2),
                        ec=colour, lw=1.5, label=f"{name} ({counts.sum():,})")  # fmt: skip
        axis.axvline(found["threshold"], color=GREY, ls="--", lw=1, label="frozen threshold")
        axis.set(title=title, xlabel="score: P(COVID-19)", xlim=(0, 1), ylim=(0, 100))
        axis.legend(loc="upper center")
    axes[0].set_ylabel("% of the class's images")
    return figure


def mitigation(table: pd.DataFrame) -> Figure:
    """The steps of a `mitigation.csv`: the gap that decides, and the AUC on external images.

    Of the gap its 95% interval, and how often each step has the widest.
    """
    first = table.iloc[0]
    names = table.step.map(preprocessing_words) + np.where(table.chosen, " (kept)", "")
    rows = {place: textwrap.fill(name, 34) for place, name in names.items()}
    figure, (left, right) = new(2, size=(3.6, 1.3 + 0.43 * len(table)), sharey=True)
    forest(left, table, ("gap", "gap_low", "gap_high"), rows, number="{:.0%}", of="wins",
                 color=NON_COVID)  # fmt: skip
    left.set_xlim(right=table.gap_high.max() + 0.09)
    for ends, marker, colour, face, label in (
        (["test"], "o", NON_COVID, "white", "test images of this dataset"),
        (["external_frame"], "^", COVID, COVID, "external, framing alone"),
        (["external_border"], "s", COVID, "none", "external, border alone"),
        (["external", "external_low", "external_high"], "o", NON_COVID, NON_COVID,
         f"external ({first.positives} + {first.negatives} images)"),
    ):  # fmt: skip
        forest(right, table, ends, rows, fmt=marker, color=colour, mfc=face, label=label)
    words = "gap: AUC of the picture less that\nof border or framing"
    left.set(title="decides: training images", xlabel=words)
    right.set(title="does not decide", xlabel="ROC AUC", xlim=(0, 1.02))
    left.axvline(0, **REFERENCE)
    right.axvline(0.5, **REFERENCE)
    figure.legend(loc="outside lower right", ncols=2)
    return figure
