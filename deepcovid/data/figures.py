"""TODO: what data/figures is."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcovid.plots import COVID, GREY, NON_COVID, new


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
