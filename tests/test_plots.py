import io
from base64 import b64decode

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from PIL import Image

from deepcovid import plots
from deepcovid.metrics.published import NETWORKS
from deepcovid.profiles import MODELS


def test_figures_are_held_by_nobody_but_who_asked_for_them():
    plots.new(2)
    assert plt.get_fignums() == []


def test_the_same_plot_is_the_same_file(tmp_path):
    table = pd.DataFrame({"mean": [0.5, 0.7], "low": [0.4, 0.6], "high": [0.8, 0.9]})
    for name in ("a.svg", "b.svg"):
        figure, axis = plots.new()
        plots.forest(axis, table, rows={0: "one", 1: "two"}, number="{:.2f}")
        plots.save(figure, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert ">0.70</text>" in (tmp_path / "a.svg").read_text()


@pytest.fixture
def seeds():
    """Two rows; of `b` two seeds by one model, and none by the other."""
    rows = [("a", "x", 0.5), ("a", "y", 0.6), ("b", "x", 0.7), ("b", "x", 0.9), ("b", "y", None)]
    table = pd.DataFrame(rows, columns=["row", "model", "mean"]).set_index("row")
    return table.assign(low=table["mean"] - 0.1, high=table["mean"] + 0.3)


def test_intervals_run_from_low_to_high_in_rows_from_above_down(seeds):
    _, axis = plots.new()
    plots.forest(axis, seeds[seeds.model == "x"], rows={"b": "second", "a": "first"})
    (drawn,) = axis.containers
    segments = drawn.lines[2][0].get_segments()
    assert np.allclose([s[:, 0] for s in segments], [[0.4, 0.8], [0.6, 1.0], [0.8, 1.2]])
    assert axis.get_ylim() == (1.5, -0.5)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["second", "first"]
    assert [round(y) for y in drawn.lines[0].get_ydata()] == [1, 0, 0]


def test_models_have_bands_in_a_row_and_seeds_their_places_in_a_band(seeds):
    _, axis = plots.new()
    hues = {"y": ("red", "Y"), "x": ("blue", "X"), "z": ("black", "in no row")}
    plots.forest(axis, seeds, hue="model", hues=hues, number="{:.1f}")
    y, x = (bars.lines[0] for bars in axis.containers)
    assert (y.get_color(), *y.get_ydata()) == ("red", -0.1875)
    assert x.get_ydata()[0] == 0.1875 and x.get_ydata()[1] < 1.1875 < x.get_ydata()[2]
    told = {text.get_text(): text.xy for text in axis.texts}
    assert told == {
        "0.6": (pytest.approx(0.9), -0.1875),
        "0.5": (0.8, 0.1875),
        "0.8": (1.2, 1.1875),
    }
    _, axis = plots.new()
    lone = seeds.dropna().iloc[1:]  # no row has several models: no bands
    plots.forest(axis, lone, ["mean"], hue="model", hues=hues)
    y, x = axis.containers
    assert list(y.lines[0].get_ydata()) == [0] and not y.has_xerr
    assert sum(x.lines[0].get_ydata()) == 2


@pytest.mark.slow
def test_a_notebook_shows_figures_with_twice_the_pixels():
    source = "from deepcovid import plots\nfigure, _ = plots.new(size=(4, 3))\nfigure"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook).execute()
    shown = next(o for o in notebook.cells[0].outputs if "image/png" in o.get("data", {}))
    width, height = Image.open(io.BytesIO(b64decode(shown.data["image/png"]))).size
    told = shown.metadata["image/png"]
    assert (width // 2, height // 2) == (told["width"], told["height"])
    assert 400 < told["width"] < 500  # 4 inches at 110 to the inch, and its margins


def test_each_network_has_a_name_for_readers_and_a_colour():
    assert set(NETWORKS) == set(plots.COLOURS) == set(MODELS)
