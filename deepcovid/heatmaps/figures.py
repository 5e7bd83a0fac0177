"""The plots of notebooks 05 and 05b: maps over their images, what they contain, curves. No torch."""

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from scipy.ndimage import zoom

from deepcovid.heatmaps import claim
from deepcovid.metrics.published import NETWORKS
from deepcovid.plots import COLOURS, COVID, GREY, NON_COVID, REFERENCE, forest, new

SCORES = {"pointing": "peak\nin the mask", "mass": "share of the map\nin the mask",
          "iou": "IoU\nat the mask's area", "average_precision": "average\nprecision"}  # fmt: skip


def overlays(pictures, maps: dict[str, np.ndarray], titles, masks=None) -> Figure:
    """Heatmaps over their radiographs: a row per method, with a colour bar each.

    `maps` holds arrays (n, height, width) by method, of any resolution; only positive values are shown,
    in the unit of the map. A mask, where given, is outlined.
    """
    n, height = len(titles), len(pictures[0])
    side = min(2.9, 6.6 / n)
    figure, axes = new(n, len(maps) + 1, size=(side, side), squeeze=False, dpi=95)
    figure.set_layout_engine("compressed")
    for row, (method, of) in zip(axes, {"image": None, **maps}.items(), strict=True):
        top = None if of is None else max(float(np.max(of)), 1e-12)
        for i, axis in enumerate(row):
            axis.imshow(pictures[i], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.grid(visible=False)
            if of is None:
                axis.set_title(titles[i], fontsize=9)
            else:
                heat = np.maximum(of[i], 0).astype(float)
                heat = zoom(heat, height / len(heat), order=1, mode="nearest", grid_mode=True)
                strength = 0.75 * np.clip(heat / top, 0, 1) ** 0.5
                shown = axis.imshow(heat, cmap="inferno", vmin=0, vmax=top, alpha=strength)
            if masks is not None and np.asarray(masks[i]).any():
                axis.contour(np.asarray(masks[i]), levels=[0.5], colors="#56B4E9", linewidths=0.9)
        row[0].set_ylabel(method, fontsize=9)
        if of is not None:
            scale = ScalarMappable(shown.norm, "inferno")
            bar = figure.colorbar(scale, ax=list(row), fraction=0.015, pad=0.01)
            bar.set_label("drop of P" if method.startswith("occlusion") else "no unit")
    return figure


def map_scores(numbers: pd.DataFrame) -> Figure:
    """How well maps agree with masks, with 95% intervals; the grey band is of random maps.

    `numbers` is of `claim.numbers`: mask, method, measure, mean, low, high.
    """
    kinds = list(numbers["mask"].unique())
    names = [m for m in numbers.method.unique() if m != claim.RANDOM]
    size = (1.85, 0.9 + 0.3 * len(names))
    figure, axes = new(len(SCORES), len(kinds), size=size, squeeze=False, sharey=True)
    for (kind, score), axis in zip(product(kinds, SCORES), axes.flat, strict=True):
        part = numbers[(numbers["mask"] == kind) & (numbers.measure == score)].set_index("method")
        chance = part.loc[claim.RANDOM]
        axis.axvspan(chance.low, chance.high, color=GREY, alpha=0.25, lw=0)
        axis.axvline(chance["mean"], color=GREY, lw=1)
        forest(axis, part.loc[names])
        axis.set(xlim=(-0.03, 1.03), xticks=(0, 0.5, 1), xlabel=SCORES[score])
    for kind, row in zip(kinds, axes, strict=True):
        row[0].set_title(f"mask: {kind}", loc="left")
    return figure


def perturbation(curves: pd.DataFrame) -> Figure:
    """Deletion and insertion curves, mean over images; `curves` is `curves.csv`."""
    figure, axes = new(2, size=(3.7, 3.2), sharey=True)
    for axis, kind, end in zip(axes, ("deletion", "insertion"), ("covered", "shown"), strict=True):
        each = curves[curves.curve == kind].groupby("method", sort=False)
        for (method, part), colour in zip(each, (COVID, NON_COVID, GREY), strict=True):
            style = ":" if method == claim.RANDOM else "-"
            axis.plot(100 * part.share, part.value, style, color=colour,
                      label=f"{method} (area {part.value.mean():.2f})")  # fmt: skip
        axis.set(title=kind, xlabel=f"% of pixels {end}", ylim=(0, 1))
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
    axes[0].set_ylabel(f"mean P(COVID-19) of {part.images.iloc[0]:.0f} images")
    return figure


def contained(gains: pd.DataFrame, curves: pd.DataFrame) -> Figure:
    """How much of what was marked the maps contain, cut anywhere, beside their rivals.

    Left: share of the marks within more and more of the image, mean over images; the lung field
    taken as a map beside. Right: the mean of each curve, with its 95% interval by patients, from which
    the verdict on the paper's claim is. A method that failed its calibration is grey. `gains` are rows of
    `claims.csv`, of the test images, `curves` is `curves.csv`.
    """
    figure, (left, right) = new(2, size=(3.7, 1.7 + 0.36 * len(gains)))
    failed = set(gains.method[gains.verdict == claim.FAILED])
    hues = {model: (colour, None) for model, colour in COLOURS.items()}
    hues[claim.FAILED] = "#BBBBBB", f"{', '.join(sorted(failed))}: failed its calibration"
    hues[claim.LUNGS] = "black", "the lung field as a map"
    shares = curves[curves.curve == "contained"]
    for (model, method), of in shares.groupby(["model", "method"], sort=False, dropna=False):
        fails = method in failed
        colour, label = hues[claim.FAILED if fails else method if method in hues else model]
        style = {"lw": 1, "zorder": 1} if fails else {"lw": 1.6, "label": label}
        left.plot(100 * of.share, of.value, color=colour, **style)
    left.axline((0, 0), (100, 1), label="chance", **REFERENCE)
    left.set(xlim=(0, 100), ylim=(0, 1), xlabel="% of the image highlighted",
             ylabel="share of the marks contained", title="over all cuts")  # fmt: skip
    gains = gains.assign(hue=gains.model.mask(gains.verdict == claim.FAILED, claim.FAILED))
    gains = gains.set_index(gains.model.map(NETWORKS) + "\n" + gains.method)
    ends = "captured", "captured_low", "captured_high"
    forest(right, gains, ends, hue="hue", hues=hues)
    for column, marker, colour, whose in (("lungs", "s", "black", "the lung field"),
                                          ("other", "D", GREY, "another patient's map")):  # fmt: skip
        style = {"fmt": marker, "color": colour, "mfc": "none", "ms": 6}
        forest(right, gains, [column], label=f"as much of {whose}", **style)
    right.axvline(0.5, **REFERENCE)
    right.set(xlim=(0.35, 1), xlabel="share of the marks contained", title="mean of each curve")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def followed(numbers: pd.DataFrame) -> Figure:
    """How maps follow the grades of the six zones within an image, with 95% intervals.

    `numbers` are rows of `zones.csv`, of one group. A panel for what grades the zones;
    grey: others that grade them, and as diamonds another patient's maps.
    """
    others = numbers.method.str.endswith(claim.OTHER)
    names = numbers.method.str.removesuffix(claim.OTHER)
    names = (numbers.model.map(NETWORKS) + ", " + names).fillna(names)
    numbers = numbers.assign(rival=others, observer=numbers.model.isna()).set_index(names)
    order = numbers[~numbers.rival].sort_values("model", kind="stable", na_position="first")
    rows, kinds = {name: name for name in order.index}, list(numbers.severity.unique())
    hues = {False: (COVID, None), True: ("black", None)}
    size = (7.4 / max(2, len(kinds)), 1.1 + 0.27 * len(rows))
    figure, axes = new(len(kinds), size=size, squeeze=False, sharey=True)
    for axis, kind in zip(axes[0], kinds, strict=True):
        own = numbers[numbers.severity == kind]
        forest(axis, own[~own.rival], rows=rows, hue="observer", hues=hues)
        forest(axis, own[own.rival], ["mean"], rows, fmt="D", color=GREY, mfc="none", ms=6)
        axis.axvline(0, **REFERENCE)
        axis.set(xlim=(-1, 1), title=f"by {kind}", xlabel="rank correlation in an image")
    return figure


def calibration(table: pd.DataFrame) -> Figure:
    """Where maps peak on phantoms whose truth is known; `table` is `map_calibration.csv`.

    A dot: share of phantoms, with 95% interval. Grey bar: what random maps give.
    """
    figure, axis = new(size=(7, 1 + 0.36 * len(table)))
    what = table.taught + ": " + table.method + " peaks in the " + table["mask"]
    table = table.assign(goal=table.taught == table["mask"]).set_index("taught the " + what)
    hues = {True: (COVID, "what the network was taught"), False: (GREY, "what it does not need")}
    axis.barh(range(len(table)), table.random_high - table.random_low, 0.7, table.random_low,
              color="#DDDDDD", label="95% of random maps")  # fmt: skip
    forest(axis, table, hue="goal", hues=hues)
    axis.set(xlim=(-0.03, 1.03), xlabel="share of phantoms")
    figure.legend(loc="outside lower center", ncols=3)
    return figure
