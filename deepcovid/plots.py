"""The style that all figures share, and how they are made and saved."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from deepcovid.runs import replacing

# Okabe and Ito's colours, which readers with a colour vision deficiency tell apart
COVID, NON_COVID, GREY = "#D55E00", "#0072B2", "#666666"
COLOURS = {
    "resnet18": "#E69F00",
    "resnet50": "#009E73",
    "squeezenet": "#0072B2",
    "densenet121": "#CC79A7",
}
STYLE = {
    "figure.dpi": 72,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "svg.hashsalt": "deepcovid",  # the same plot is the same file
    "svg.fonttype": "none",
}
plt.rcParams.update(STYLE)


def new(columns: int = 1, rows: int = 1, size=(4.2, 3.4), **options):
    """A figure that is shown once: where a notebook's cell returns it."""
    figure, axes = plt.subplots(
        rows, columns, figsize=(size[0] * columns, size[1] * rows), **options
    )
    plt.close(figure)
    return figure, axes


def save(figure: Figure, path: Path) -> Figure:
    """Write a plot as SVG or PNG by its suffix, and give it back to be shown."""
    undated = {"Date": None} if path.suffix == ".svg" else {}
    with replacing(path) as partial:
        figure.savefig(partial, metadata=undated)
    return figure


def name_of(model: str, seed: int, tables) -> str:
    """A model's name, with its seed where there are several."""
    return model if len({s for _, s in tables}) == 1 else f"{model}, seed {seed}"
