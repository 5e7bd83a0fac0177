"""The plots of notebooks 01 and 02: radiographs, what tells the classes, views, doubles, copies."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcovid.data.tables import OF_RECORD
from deepcovid.plots import COVID, GREY, NON_COVID, PALETTE, REFERENCE, forest, new


def radiographs(pictures, titles, columns: int = 4, masks=None, outline: str = COVID) -> Figure:
    """Radiographs in a grid under their titles; a mask, where given, is outlined."""
    rows, columns = -(-len(pictures) // columns), min(len(pictures), columns)
    figure, axes = new(columns, rows, size=(7.2 / columns, 7.6 / columns), squeeze=False, dpi=90)
    for axis in axes.flat:
        axis.set_axis_off()
    for i, (axis, picture, title) in enumerate(zip(axes.flat, pictures, titles, strict=False)):
        pixels = np.asarray(picture)
        axis.imshow(pixels, cmap="gray" if pixels.ndim == 2 else None, vmin=0, vmax=255)
        axis.set_anchor("N")
        axis.set_title(title, fontsize=9)
        if masks is not None and np.asarray(masks[i]).any():
            axis.contour(np.asarray(masks[i]), levels=[0.5], colors=outline, linewidths=0.8)
    return figure


def acquisition(table: pd.DataFrame) -> Figure:
    """ROC AUC with which one property alone separates the classes, with 95% intervals.

    `table` is of `tables.acquisition`; properties that are not known are left out.
    """
    known = table.assign(record=table.index.isin(OF_RECORD)).dropna(subset="auc")
    figure, axis = new(size=(7.2, 1.0 + 0.42 * len(known)))
    rows = {row.Index: f"{row.Index} ({row.covid:,.0f} + {row.non_covid:,.0f})"
            for row in known.itertuples()}  # fmt: skip
    hues = {False: (COVID, "of the image file"), True: (GREY, "of the patient or the exposure")}
    forest(axis, known, ("auc", "low", "high"), rows, "record", hues, number="{:.3f}")
    axis.axvline(0.5, **REFERENCE)
    axis.set(xlim=(0.3, 1.1), xticks=np.arange(0.3, 1.01, 0.1), xlabel="ROC AUC on the test images")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def shares(rows: list[dict]) -> Figure:
    """What part of each split and class has which view; the number of images at the right.

    `rows` is `by_split_and_class` of an audit's `views`.
    """
    table = pd.DataFrame(rows).fillna(0)
    table.index = table.pop("class") + ", " + table.pop("split")
    number = table.sum(axis=1)
    figure, axis = new(size=(7.2, 0.9 + 0.4 * len(table)))
    colours = dict(zip(table, PALETTE, strict=False)) | {"not stated": "#BBBBBB"}
    table.div(number, axis=0).plot.barh(stacked=True, width=0.75, color=colours, ax=axis)
    for y, n in enumerate(number):
        axis.text(1.01, y, f"{n:,.0f} images", va="center", color=GREY)
    axis.set(xlim=(0, 1), ylim=(len(table) - 0.5, -0.5), ylabel="", xlabel="share of the images")
    axis.xaxis.set_major_formatter("{x:.0%}")
    axis.grid(axis="y", visible=False)
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=table.shape[1])
    return figure


def near_duplicates(found: dict) -> Figure:
    """How well the details of likely pairs agree, laid over each other; dashed: from where they are
    one radiograph. `found` is an audit's section."""
    figure, axis = new(size=(7.0, 3.4))
    kinds = {
        "different_non_covid_patients": ("different Non-COVID patients", NON_COVID),
        "same_patient": ("the same patient", "#E69F00"),
        "covid": ("at least one COVID-19 image", COVID),
        "doctored": ("image and its degraded double", "#009E73"),
    }
    for group, (label, colour) in kinds.items():
        counts = np.array(found["histograms"].get(f"agreement_{group}", []))
        if len(counts):
            axis.stairs(counts, found["histograms"]["agreement"], color=colour, lw=1.4,
                        label=f"{label} ({counts.sum():,})")  # fmt: skip
    axis.axvline(found["same_from_agreement"], color="black", ls="--", lw=1)
    axis.set_yscale("symlog", linthresh=1)
    axis.set(xlim=(0, 1), xlabel="agreement, laid over each other", ylabel="pairs")
    axis.set_ylim(bottom=0)
    axis.legend(loc="lower left", bbox_to_anchor=(-0.05, 1.0), ncols=2)
    return figure


def released_copies(found: dict) -> Figure:
    """How many originals have how many augmented copies; orange is the number that was stated.

    `found` is an audit's `released_augmentation`.
    """
    number = pd.Series(found["originals_by_copies"]).rename(int)
    stated = found["stated_images_per_original"] - 1
    figure, axis = new(size=(6.4, 3.0))
    bars = axis.bar(number.index, number, color=np.where(number.index == stated, COVID, NON_COVID))
    axis.bar_label(bars)
    axis.set(xticks=range(number.index.max() + 1), ylabel=f"originals, of {found['originals']}",
             xlabel="augmented copies of an original in the release")  # fmt: skip
    axis.grid(axis="x", visible=False)
    return figure
