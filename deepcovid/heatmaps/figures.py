"""The plots of notebook 05: maps over their images, agreement with masks, curves. No torch."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from deepcovid.heatmaps import claim
from deepcovid.metrics.intervals import predict_positive
from deepcovid.plots import COLOURS, COVID, GREY, NON_COVID, REFERENCE, intervals, new, panels

DPI = 80  # of figures: a committed notebook stays under 1 MB
SCORES = {
    "pointing": "peak in the mask",
    "mass": "share of the map in the mask",
    "iou": "IoU at the mask's area",
    "average_precision": "average precision",
}


def overlays(pictures, maps: dict[str, np.ndarray], titles, masks=None) -> Figure:
    """Heatmaps over their radiographs: a row per method, with a colour bar each.

    `maps` holds arrays (n, height, width) by method; only positive values are shown, in the unit
    of the map. A mask, where given, is outlined.
    """
    figure, axes = new(len(titles), len(maps) + 1, size=(1.5, 1.5), squeeze=False, dpi=62)
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
            scale = ScalarMappable(shown.norm, "inferno")
            bar = figure.colorbar(scale, ax=list(row), fraction=0.015, pad=0.01)
            unit = "drop of P" if method.startswith("occlusion") else "Grad-CAM"
            bar.set_label(unit, fontsize=6)
            bar.ax.tick_params(labelsize=6)
    return figure


def one_image(picture, maps: dict[str, np.ndarray], title: str, mask) -> Figure:
    """One radiograph, and each map (height, width) over it; the mask is outlined on all."""
    figure, axes = new(len(maps) + 1, size=(2.9, 2.9))
    for axis, (method, heat) in zip(axes, {"image": None, **maps}.items(), strict=True):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set(title=method, xticks=[], yticks=[])
        axis.grid(visible=False)
        if heat is not None:
            heat = np.maximum(heat, 0).astype(float)
            top = max(heat.max(), 1e-12)
            strength = 0.75 * (heat / top) ** 0.5
            axis.imshow(heat, cmap="inferno", vmin=0, vmax=top, alpha=strength)
            axis.set_xlabel(f"largest value {heat.max():.2g}", fontsize=8)
        if np.asarray(mask).any():
            axis.contour(np.asarray(mask), levels=[0.5], colors="#56B4E9", linewidths=1.2)
    figure.suptitle(title)
    return figure


def map_scores(numbers: pd.DataFrame) -> Figure:
    """How well maps agree with masks, with 95% intervals; the grey band is of random maps.

    `numbers` is of `summary.numbers`: mask, method, score, mean, low, high.
    """
    kinds = list(numbers["mask"].unique())
    names = [m for m in numbers.method.unique() if m != "random maps"]
    size = (2.2, 0.8 + 0.26 * len(names))
    figure, axes = new(len(SCORES), len(kinds), size=size, squeeze=False, sharey=True, dpi=DPI)
    for (kind, score), axis in zip(((k, s) for k in kinds for s in SCORES), axes.flat, strict=True):
        part = numbers[(numbers["mask"] == kind) & (numbers.score == score)].set_index("method")
        chance = part.loc["random maps"]
        axis.axvspan(chance.low, chance.high, color=GREY, alpha=0.25, lw=0)
        axis.axvline(chance["mean"], color=GREY, lw=1)
        intervals(axis, part.loc[names], "mean", "low", "high", names=names)
        axis.set(xlim=(-0.03, 1.03), xticks=(0, 0.5, 1))
        axis.set_xlabel(SCORES[score], fontsize=8)
    for kind, row in zip(kinds, axes, strict=True):
        row[0].set_title(f"mask: {kind}", loc="left")
    return figure


def lung_shares(table: pd.DataFrame, methods) -> Figure:
    """Share of each map inside the lungs against the lungs' share of the image, a dot an image.

    `table` is of `summary.agreement_table`. On the dotted line a map is as even as no map.
    """
    table = table[table["mask"] == "lung"]
    figure, axes = panels(
        len(methods), len(methods), size=(2.7, 2.6), sharex=True, sharey=True, dpi=DPI
    )
    for axis, method in zip(axes, methods, strict=True):
        part = table[table.method == method]
        said = predict_positive(part.score, 0.5)
        names = [f"score from 0.5 ({said.sum()})", f"score below 0.5 ({(~said).sum()})"]
        sns.scatterplot(x=part.area, y=part["mass"], hue=np.where(said, *names), hue_order=names,
                        palette=[COVID, NON_COVID], s=16, ax=axis)  # fmt: skip
        axis.axline((0, 0), slope=1, **REFERENCE)
        axis.set(xlim=(0, 0.7), ylim=(0, 1), xlabel="lungs' share of the image", title=method,
                 ylabel="share of the map inside the lungs")  # fmt: skip
        axis.legend(fontsize=7, loc="best", title=None)
    return figure


def perturbation(curves: dict) -> Figure:
    """Deletion and insertion curves, mean over images, from the `curves` of `heatmaps.json`."""
    figure, axes = new(2, size=(3.4, 3.1), sharey=True, dpi=DPI)
    for axis, kind, said in zip(axes, ("deletion", "insertion"), ("covered", "shown"), strict=True):
        lines = {
            f"{method} (area {np.mean(of[kind]):.2f})": of[kind]
            for method, of in curves.items()
            if method != "images"
        }
        table = pd.DataFrame(lines)
        table.index = np.linspace(0, 100, len(table))
        dashes = [(1, 1) if "random" in name else "" for name in lines]
        sns.lineplot(table, palette=[COVID, NON_COVID, GREY][: len(lines)], dashes=dashes, ax=axis)
        axis.set(title=kind, xlabel=f"% of pixels {said}", ylim=(0, 1),
                 ylabel=f"mean P(COVID-19) of {curves['images']} images")  # fmt: skip
        axis.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    return figure


def contained(found: dict, group: str = "test") -> Figure:
    """How much of what was marked the maps contain, over all cuts, beside their rivals.

    Left: share of the marks within more and more of the image, mean over images with 95% intervals
    by patients; the lung field taken as a map beside. Right: the mean of each curve, from which the
    verdict on the paper's claim is. `found` is a `heatmaps.json` whose `group` of images has lesions.
    """
    table = claim.gains(found, group)
    table[["mean", "low", "high"]] = table.captured.tolist()
    figure, (left, right) = new(2, size=(4.9, 2.6 + 0.28 * len(table)), dpi=DPI)
    colours = COLOURS | {claim.LUNGS: GREY}
    for of in found["lesions"]["curves"]:
        if of["group"] == group and claim.OTHER not in of["method"]:
            name, share = ", ".join(filter(None, (of["model"], of["method"]))), 100 * claim.SHARES
            colour = colours[of["model"] or of["method"]]
            style = "-" if of["method"].startswith(("occlusion", claim.LUNGS)) else "--"
            left.plot(share, of["values"], style, color=colour, lw=1.2, label=name)
            if "low" in of:
                left.fill_between(share, of["low"], of["high"], color=colour, alpha=0.1, lw=0)
    left.axline((0, 0), (100, 1), **REFERENCE)
    left.set(xlim=(0, 100), ylim=(0, 1), xlabel="% of the image that is highlighted",
             ylabel="share of what was marked", title="over all cuts (dotted: by chance)")  # fmt: skip
    left.legend(fontsize=7, loc="lower right")
    names, place = (
        [f"{row.model}, {row.method}\n{row.verdict}" for row in table.itertuples()],
        range(len(table)),
    )
    intervals(right, table, "mean", "low", "high", names=names, zorder=3, label="the map")
    for column, marker, colour, name in (
        ("lungs", "s", NON_COVID, "as much of the lung field"),
        ("other", "D", GREY, "as much of another patient's map"),
    ):
        right.plot(table[column], place, marker, color=colour, mfc="none", ms=6, label=name)
    right.axvline(0.5, **REFERENCE)
    right.set(xlim=(0.3, 1.02), title="mean over all cuts",
              xlabel="share of what was marked\n"
              f"({table.images.max()} images of {table.patients.max()} patients)")  # fmt: skip
    right.tick_params(axis="y", labelsize=8)
    right.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.4, -0.2), ncols=3)
    return figure


def followed(numbers: pd.DataFrame) -> Figure:
    """How maps follow the grades of the six zones within an image, with 95% intervals.

    `numbers` is of `claim.zone_numbers`, one group of images. A panel for what grades the zones;
    grey: others that grade them, and as diamonds another patient's maps.
    """
    of_others = numbers.method.str.endswith(claim.OTHER)
    names = numbers.method.str.removesuffix(claim.OTHER)
    numbers = numbers.assign(name=(numbers.model + ", ").where(numbers.model != "", "") + names)
    kinds = list(numbers.severity.unique())
    rows = numbers[~of_others].groupby("severity").size().max()
    figure, axes = panels(len(kinds), size=(4.9, 1.1 + 0.26 * rows), sharex=True, dpi=DPI)
    for axis, kind in zip(axes, kinds, strict=True):
        part = numbers[(numbers.severity == kind) & ~of_others].reset_index()
        for some, colour in ((part[part.model != ""], COVID), (part[part.model == ""], GREY)):
            intervals(axis, some, "mean", "low", "high", y=some.index, color=colour)
        rival = numbers[(numbers.severity == kind) & of_others].set_index("name")["mean"]
        axis.plot(rival.reindex(part.name), part.index, "D", color=GREY, mfc="none", ms=6)
        axis.set_yticks(part.index, part.name)
        axis.set_ylim(len(part) - 0.5, -0.5)
        axis.axvline(0, **REFERENCE)
        axis.set(xlim=(-1, 1), title=f"zones by {kind} ({part.images.max()} images)",
                 xlabel="rank correlation within an image")  # fmt: skip
    return figure
