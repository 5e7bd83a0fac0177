"""The style that all figures share, and the few shapes that several of them are made of."""

import io
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from PIL import Image

from deepcovid.io import atomic_write

# Okabe and Ito's colours, which readers with a colour vision deficiency tell apart
COVID, NON_COVID, GREY = "#D55E00", "#0072B2", "#666666"
PALETTE = (NON_COVID, COVID, "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
CLASSES = {"Non-COVID": NON_COVID, "COVID-19": COVID}
COLOURS = {
    "resnet18": "#E69F00",
    "resnet50": "#009E73",
    "squeezenet": "#0072B2",
    "densenet121": "#CC79A7",
}
NARROW = 5.0  # inches: text stays legible on a phone; the plots of the front page
# a line to compare with: guessing, a published value
REFERENCE = {"color": GREY, "ls": ":", "lw": 1}
STYLE = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "grid.color": "#E5E5E5",
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "svg.hashsalt": "deepcovid",  # the same plot is the same file
    "svg.fonttype": "none",
}
sns.set_theme("paper", "whitegrid", PALETTE, font="DejaVu Sans", rc=STYLE)


def png(figure: Figure) -> tuple[bytes, dict[str, int]]:
    """A figure for a notebook, and the width and height to show it in.

    It has twice these pixels, for sharp screens, and 64 colours (256 where it shows pictures), for a
    file that is smaller all the same.
    """
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=2 * figure.dpi, bbox_inches="tight")
    picture = Image.open(drawn).convert("RGB")
    colours = 256 if any(axis.images for axis in figure.axes) else 64
    picture.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        small, "png", optimize=True
    )
    width, height = picture.size
    return small.getvalue(), {"width": width // 2, "height": height // 2}


def in_notebooks() -> None:
    """Let the notebook that loads this module, if it is one, show figures by `png`, tables whole."""
    if shell := "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        pd.set_option("display.max_colwidth", None)  # a table's words are not cut
        plt.switch_backend(plt.get_backend())  # it sets its own format when it is first loaded
        shell.display_formatter.formatters["image/png"].for_type(Figure, png)


in_notebooks()


def new(columns: int = 1, rows: int = 1, size=(4.2, 3.4), **options):
    """A figure of panels of one size in inches, and its axes; `options` are plt.subplots'.

    It is shown once: where a notebook's cell returns it.
    """
    figure, axes = plt.subplots(
        rows, columns, figsize=(size[0] * columns, size[1] * rows), **options
    )
    plt.close(figure)
    return figure, axes


def panels(n: int, columns: int = 2, **options):
    """A figure of `n` panels, at most `columns` beside each other, and the list of their axes."""
    columns = min(n, columns)
    figure, axes = new(columns, -(-n // columns), squeeze=False, **options)
    for spare in axes.flat[n:]:
        spare.remove()
    return figure, list(axes.flat[:n])


def intervals(axis, table, x: str, low: str, high: str, y=None, names=None, values=None, **style):
    """Points with their intervals, a row of `table` each, from above down.

    `x`, `low` and `high` name columns; `y` holds the rows' places (default 0, 1, ...), `names` what
    is written at them, `values` the format of a number that is written beside each point ("{:.3f}").
    `style` is errorbar's.
    """
    y = np.arange(len(table)) if y is None else np.asarray(y)
    error = [table[x] - table[low], table[high] - table[x]]
    style = {"fmt": "o", "color": COVID, "capsize": 2, "ms": 5} | style
    drawn = axis.errorbar(table[x], y, xerr=np.maximum(error, 0), **style)
    if values:
        for row, place in zip(table.to_dict("records"), y, strict=True):
            axis.annotate(values.format(row[x]), (row[high], place), (5, 0),
                          textcoords="offset points", va="center", fontsize=8)  # fmt: skip
    if names is not None:
        axis.set_yticks(y, names)
        axis.set_ylim(max(y) + 0.5, min(y) - 0.5)
    return drawn


def side_by_side(items, width: float):
    """Each item and how far its points stand above or below their row, at most `width`."""
    items = list(items)
    return zip(
        items, np.linspace(-width, width, len(items)) if len(items) != 1 else [0], strict=True
    )


def rows_at(axis, names) -> None:
    """Names of the rows of a plot, from above down; their points stand at 0, 1, ..."""
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(False, axis="y")


def save(figure: Figure, path: Path) -> Figure:
    """Write a plot as SVG or PNG by its suffix, and give it back to be shown."""
    undated = {"Date": None} if path.suffix == ".svg" else {}
    with atomic_write(path) as partial:
        figure.savefig(partial, metadata=undated)
    return figure
