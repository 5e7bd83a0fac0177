"""TODO: what heatmaps/figures is."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepcovid.plots import COVID, GREY, NON_COVID, new


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
