"""The plots of notebook 07: AUC under each ablation, scores of two collections, preprocessing."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcovid.plots import CLASSES, COVID, GREY, NON_COVID, REFERENCE, intervals, new
from deepcovid.shortcuts.ablations import WORDS
from deepcovid.shortcuts.tables import preprocessing_words

SMALL = 9  # points: what is legible on a page
# kinds of `shortcuts.csv` in a reader's words
GROUPS = {
    "whole": "whole radiograph",
    "border": "only the border: centre black",
    "centre": "only the centre: border black",
    "lungs": "lungs removed, or only lungs",
    "coarse": "hardly any detail",
    "grey levels": "no picture: histogram, or file",
    "metadata": "no picture: histogram, or file",
    "untrained": "network never trained on images",
}
# shows no lung, or about a twentieth of them
HIDDEN = (
    "outer 12.5% of each side",
    "outer 5% of each side",
    "without wherever lungs may be",
    "file properties",
)


def how_little(table: pd.DataFrame, audit: dict | None = None) -> Figure:
    """ROC AUC under each ablation with its 95% interval by patients, in groups.

    `table` is a `shortcuts.csv`; `audit`, where given, says of how many patients the images are.
    """
    rows = of_groups(table)
    figure, axis = new(size=(7.2, 1.0 + 0.27 * len(rows)))
    measured = rows.dropna(subset="auc")
    hidden = measured.input.isin(HIDDEN)
    for part, colour, label in (
        (measured[~hidden], NON_COVID, "lungs visible, at least in part"),
        (measured[hidden], COVID, "lungs not visible, or hardly"),
    ):
        intervals(axis, part, "auc", "patient_low", "patient_high", y=part.index, color=colour,
                  label=label)  # fmt: skip
    for place, auc in measured.auc.items():
        axis.text(1.02, place, f"{auc:.3f}", transform=axis.get_yaxis_transform(), va="center",
                  fontsize=SMALL)  # fmt: skip
    axis.set_yticks(rows.index, rows.words, fontsize=SMALL)
    for text, heading in zip(axis.get_yticklabels(), rows.auc.isna(), strict=True):
        text.set_fontweight("bold" if heading else "normal")
    axis.axvline(measured.auc[measured.kind == "whole"].iloc[0], color=GREY, lw=1)
    least = measured.patient_low.min()
    axis.set(xlim=(0.9 if least > 0.9 else min(0.45, least - 0.02), 1.001),
             ylim=(len(rows) - 0.4, -0.6))  # fmt: skip
    axis.set_xlabel(f"ROC AUC\n{test_set(measured, audit)}", fontsize=SMALL, loc="right")
    axis.tick_params(axis="x", labelsize=SMALL)
    axis.grid(axis="y", visible=False)
    if least <= 0.9:
        axis.axvline(0.5, **REFERENCE)
    figure.legend(loc="outside upper right", ncols=2, fontsize=SMALL)
    return figure


def of_groups(table: pd.DataFrame) -> pd.DataFrame:
    """The rows to draw: of each group a heading, whose `auc` is empty, then its measurements."""
    table = table[(table.target == "COVID-19") & (table.model != "trees")]
    table = table[(table.kind != "metadata") | (table.input == "file properties")]
    parts = []
    for heading in dict.fromkeys(GROUPS.values()):
        part = table[table.kind.map(GROUPS) == heading]
        share = part.input_share.map(" ({:.0%} of the area)".format)
        words = part.input.replace(WORDS) + share.where(part.kind.isin(["border", "centre"]), "")
        if heading == GROUPS["whole"]:
            parts.append(part.assign(words=heading))
        elif len(part):
            parts += [pd.DataFrame({"words": [heading]}), part.assign(words=words)]
    return pd.concat(parts, ignore_index=True)


def test_set(measured: pd.DataFrame, audit: dict | None) -> str:
    """Of how many images, and patients where they are known, the AUCs are."""
    first, patients = measured.iloc[0], {}
    if audit:
        rows = audit["patients"]["by_split_and_class"]
        patients = {
            r["class"]: f" of {r['patients']:,} patients" for r in rows if r["split"] == "test"
        }
    counts = {"COVID-19": first.positives, "Non-COVID": first.negatives}
    return ", ".join(
        f"{n:,.0f} {name} images{patients.get(name, '')}" for name, n in counts.items()
    )


def collections(found: dict) -> Figure:
    """How one model's scores are spread in each collection, from `external.json`."""
    figure, axes = new(2, size=(3.6, 3.3), sharey=True)
    edges = np.linspace(0, 1, len(next(iter(found["histograms"].values()))) + 1)
    about = {"test": "test images of this dataset", "external": "external images"}
    for axis, (where, title) in zip(axes, about.items(), strict=True):
        for name, colour in CLASSES.items():
            counts = np.array(found["histograms"][f"{name}, {where}"])
            axis.stairs(
                100 * counts / max(counts.sum(), 1), edges, fill=True, alpha=0.2, color=colour
            )
            axis.stairs(100 * counts / max(counts.sum(), 1), edges, color=colour, lw=1.5,
                        label=f"{name} ({counts.sum():,})")  # fmt: skip
        axis.axvline(found["threshold"], color=GREY, ls="--", lw=1, label="frozen threshold")
        axis.set_title(title, fontsize=SMALL + 1)
        axis.set_xlabel("score: P(COVID-19)", fontsize=SMALL)
        axis.set(xlim=(0, 1), ylim=(0, 100))
        axis.tick_params(labelsize=SMALL)
        axis.legend(loc="upper center", fontsize=SMALL)
    axes[0].set_ylabel("% of the class's images", fontsize=SMALL)
    return figure


def mitigation(table: pd.DataFrame) -> Figure:
    """The steps of a `mitigation.csv`: the gap that decides, and the AUC on external images.

    Of the gap its 95% interval, and how often each step has the widest.
    """
    place, first = np.arange(len(table)), table.iloc[0]
    figure, (left, right) = new(2, size=(3.6, 1.3 + 0.43 * len(table)), sharey=True)
    intervals(left, table, "gap", "gap_low", "gap_high", color=NON_COVID)
    for row, y in zip(table.itertuples(), place, strict=True):
        left.text(row.gap_high + 0.01, y, f"{row.wins:.0%}", va="center", fontsize=SMALL)
    left.set_xlim(right=table.gap_high.max() + 0.09)
    right.plot(
        table.test, place, "o", color=NON_COVID, mfc="white", label="test images of this dataset"
    )
    right.plot(table.external_frame, place, "^", color=COVID, label="external, framing alone")
    right.plot(
        table.external_border, place, "s", color=COVID, mfc="none", label="external, border alone"
    )
    intervals(right, table, "external", "external_low", "external_high", color=NON_COVID,
              label=f"external ({first.positives} + {first.negatives} images)")  # fmt: skip
    left.set_xlabel("gap: AUC of the picture less that\nof border or framing", fontsize=SMALL)
    right.set_xlabel("ROC AUC", fontsize=SMALL)
    left.set_title("decides: training images", fontsize=SMALL + 1)
    right.set_title("does not decide", fontsize=SMALL + 1)
    left.axvline(0, **REFERENCE)
    right.axvline(0.5, **REFERENCE)
    right.set_xlim(0, 1.02)
    for axis in (left, right):
        axis.tick_params(labelsize=SMALL)
    names = table.step.map(preprocessing_words) + np.where(table.chosen, " (kept)", "")
    left.set_yticks(place, [textwrap.fill(name, 34) for name in names], fontsize=SMALL)
    left.set_ylim(len(table) - 0.5, -0.5)
    figure.legend(loc="outside lower right", fontsize=SMALL, ncols=2)
    return figure
