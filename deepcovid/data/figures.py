"""The plots of notebooks 01 and 02: a dataset's size, its doubles, and what tells its classes."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from deepcovid import plots
from deepcovid.plots import CLASSES, COVID, GREY, NON_COVID, PALETTE, REFERENCE, new, panels


def radiographs(pictures, titles, columns: int = 5, masks=None, outline: str = COVID) -> Figure:
    """Radiographs in a grid under their titles; a mask, where given, is outlined."""
    figure, axes = panels(len(pictures), columns, size=(2.0, 2.25), dpi=52)
    for i, (axis, picture, title) in enumerate(zip(axes, pictures, titles, strict=True)):
        pixels = np.asarray(picture)
        axis.imshow(pixels, cmap="gray" if pixels.ndim == 2 else None, vmin=0, vmax=255)
        axis.set_axis_off()
        axis.set_title(title, fontsize=11)
        if masks is not None and np.asarray(masks[i]).any():
            axis.contour(np.asarray(masks[i]), levels=[0.5], colors=outline, linewidths=0.8)
    return figure


def stacked(axis, table: pd.DataFrame, colours: dict, ends: list[str], **options) -> None:
    """A bar for each row of `table`, of a part for each column; what `ends` says stands at it."""
    rows = table.rename_axis("row").reset_index().melt("row", var_name="", value_name="n")
    sns.histplot(rows, y="row", weights="n", hue="", palette=colours, hue_order=[*colours][::-1],
                 discrete=True, shrink=0.75, alpha=1, ax=axis, **options)  # fmt: skip
    right = max(bar.get_x() + bar.get_width() for bar in axis.patches)
    for y, text in enumerate(ends):
        axis.text(1.01, y, text, va="center", fontsize=8, color=GREY,
                  transform=axis.get_yaxis_transform())  # fmt: skip
    axis.set(xlim=(0, right), ylabel="")
    axis.grid(axis="y", visible=False)
    sns.move_legend(axis, "lower left", bbox_to_anchor=(0, 1), ncols=len(colours), title=None,
                    reverse=True)  # fmt: skip


def class_counts(table: pd.DataFrame) -> Figure:
    """Images per split and class, from `manifest.counts`."""
    figure, axis = new(size=(7.6, 0.8 + 0.5 * len(table)))
    colours = CLASSES | {"COVID-19, augmented": "#F3B98A"}
    colours = {
        k: colours[k] for k in ("COVID-19", "COVID-19, augmented", "Non-COVID") if k in table
    }
    told = [", ".join(f"{n:,.0f} {name}" for name, n in row.items() if n)
            for row in table.to_dict("records")]  # fmt: skip
    stacked(axis, table, colours, told, multiple="stack")
    axis.set_xlabel("images")
    return figure


def near_duplicates(found: dict) -> Figure:
    """How well the details of likely pairs agree, laid over each other; dashed: from where they are
    one radiograph. `found` is an audit's section."""
    figure, axis = new(size=(5.6, 3.6))
    kinds = {
        "different_non_covid_patients": ("different Non-COVID patients", NON_COVID),
        "same_patient": ("same patient", "#E69F00"),
        "covid": ("at least one COVID-19 image", COVID),
        "doctored": ("image and its degraded double", "#009E73"),
    }
    edges = found["histograms"]["agreement"]
    for group, (label, colour) in kinds.items():
        counts = np.array(found["histograms"].get(f"agreement_{group}", []))
        if len(counts):
            sns.histplot(x=edges[:-1], weights=counts, bins=edges, element="step", fill=False,
                         color=colour, label=f"{label} ({counts.sum():,})", ax=axis)  # fmt: skip
    axis.axvline(found["same_from_agreement"], color="black", ls="--", lw=1)
    axis.set_yscale("symlog", linthresh=1)
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axis.set(xlim=(0, 1), xlabel="agreement, laid over each other", ylabel="pairs")
    return figure


def acquisition(table: pd.DataFrame) -> Figure:
    """ROC AUC with which one property alone separates the classes, with 95% intervals.

    `table` is of `tables.acquisition`; properties that are not known are left out.
    """
    known = table.dropna(subset="auc")
    figure, axis = new(size=(6.4, 1.0 + 0.36 * len(known)))
    names = [f"{row.Index}\n({row.covid:,} + {row.non_covid:,})" for row in known.itertuples()]
    plots.intervals(axis, known, "auc", "low", "high", names=names, values="{:.3f}")
    axis.axvline(0.5, **REFERENCE)
    axis.set(xlim=(0.3, 1.1), xlabel="ROC AUC on the test images (COVID-19 + Non-COVID known)")
    return figure


def shares(rows: list[dict]) -> Figure:
    """What part of each split and class has which view or sex; the number of images at the right.

    `rows` is `by_split_and_class` of an audit's `views` or `sex`.
    """
    table = pd.DataFrame(rows).set_index(["split", "class"]).fillna(0)
    table.index = [f"{name}, {split}" for split, name in table.index]
    figure, axis = new(size=(6.4, 0.9 + 0.4 * len(table)))
    colours = dict(zip(table, PALETTE, strict=False)) | {"not stated": "#BBBBBB"}
    colours = {name: colours[name] for name in table}
    stacked(axis, table, colours, [f"{n:,.0f}" for n in table.sum(axis=1)], multiple="fill")
    axis.xaxis.set_major_formatter("{x:.0%}")
    axis.set_xlabel("share of the images; their number at the right")
    return figure


def released_copies(found: dict) -> Figure:
    """How many originals have how many augmented copies; orange is the number that was stated.

    `found` is an audit's `released_augmentation`.
    """
    number = {int(k): n for k, n in found["originals_by_copies"].items()}
    stated = found["stated_images_per_original"] - 1
    figure, axis = new(size=(5.2, 2.8))
    sns.barplot(x=list(number), y=list(number.values()), hue=[k == stated for k in number],
                palette={True: COVID, False: NON_COVID}, saturation=1, dodge=False, legend=False,
                native_scale=True, ax=axis)  # fmt: skip
    for bars in axis.containers:
        axis.bar_label(bars, fontsize=8)
    axis.set(xticks=range(max(number) + 1), ylabel=f"originals, of {found['originals']}",
             xlabel="augmented copies of an original in the release")  # fmt: skip
    return figure
