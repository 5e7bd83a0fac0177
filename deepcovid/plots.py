"""The style that all figures share, and the few shapes that several of them are made of."""

import io
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from PIL import Image

from deepcovid.io import atomic_write

# Okabe and Ito's colours, which readers with a colour vision deficiency tell apart
COVID, NON_COVID, GREY = "#D55E00", "#0072B2", "#666666"
PALETTE = (NON_COVID, COVID, "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
CLASSES = {"Non-COVID": NON_COVID, "COVID-19": COVID}
COLOURS = {"resnet18": "#E69F00", "resnet50": "#009E73", "squeezenet": "#0072B2",
           "densenet121": "#CC79A7"}  # fmt: skip
NARROW = 5.0  # inches: text stays legible on a phone; the plots of the front page
ALONE = {None: (COVID, None)}  # a colour, and no label, for points of one kind
# a line to compare with: guessing, a published value
REFERENCE = {"color": GREY, "ls": ":", "lw": 1}
STYLE = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "figure.labelsize": "medium",
    "xtick.labelsize": 9.5,  # points: what is legible on a page
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "grid.color": "#E5E5E5",
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "svg.hashsalt": "deepcovid",  # the same plot is the same file
    "svg.fonttype": "none",
}
sns.set_theme("paper", "whitegrid", PALETTE, font="DejaVu Sans", rc=STYLE)


def png(figure: Figure) -> tuple[bytes, dict[str, int]]:
    """A figure for a notebook, and the width and height to show it in.

    It has twice these pixels, for sharp screens, and 64 colours (256 where it shows pictures or
    shades), for a file that is smaller all the same.
    """
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=2 * figure.dpi, bbox_inches="tight")
    picture = Image.open(drawn).convert("RGB")
    shades = any(axis.images or axis.findobj(QuadMesh) for axis in figure.axes)
    colours = 256 if shades else 64
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


def forest(axis, table, ends=("mean", "low", "high"), rows=None, hue=None, hues=None, *,
           number: str = "", of: str | None = None, **style) -> None:  # fmt: skip
    """Named rows from above down, and in each the points of `table` with their intervals.

    `table` is indexed by its rows; `rows` has them in order, with their names for a reader (default:
    as they are). `ends` are columns: value, low and high end, or the value alone; without a value
    there is no point. `hues` has a colour and a label for the legend by what is in the column `hue`.
    Where a row has several hues, each has a band of its own. Several points of one hue, as of seeds,
    stand one below the other; beside them `number` formats the mean of their values, or of a column
    `of`. `style` is errorbar's.
    """
    value, *interval = ends
    rows = rows or {name: name for name in table.index}
    hues = {key: hues[key] for key in hues if key in set(table[hue])} if hue else ALONE
    style = {"fmt": "o", "capsize": 2, "ms": 4, "lw": 1.2} | style
    bands = len(hues) if hue and table[hue].groupby(table.index).nunique().max() > 1 else 1
    for n, (key, (colour, label)) in enumerate(hues.items()):
        own = (table[table[hue] == key] if hue else table).dropna(subset=value)
        middle = own.index.map([*rows].index).to_numpy(float)
        middle += 0.75 / bands * (min(n, bands - 1) - (bands - 1) / 2)
        points = own.groupby(middle)
        others = points[value].transform("size") - 1
        y = middle + 0.45 / bands * (points.cumcount() - others / 2) / others.clip(lower=1)
        error = abs(own[interval].sub(own[value], axis=0)).T.to_numpy() if interval else None
        how = {"color": colour, "label": label} | style
        axis.errorbar(own[value], y, xerr=error, **how)
        for place, band in points if number else ():
            text, end = number.format(band[of or value].mean()), band[ends[-1]].max()
            axis.annotate(text, (end, place), (5, 0), textcoords="offset points", va="center",
                          color=how["color"])  # fmt: skip
    axis.set_yticks(range(len(rows)), rows.values())
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.grid(False, axis="y")


def save(figure: Figure, path: Path) -> Figure:
    """Write a plot as SVG or PNG by its suffix, and give it back to be shown."""
    undated = {"Date": None} if path.suffix == ".svg" else {}
    with atomic_write(path) as partial:
        figure.savefig(partial, metadata=undated)
    return figure
