import io
from base64 import b64decode

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from PIL import Image

from deepcovid import plots
from deepcovid.metrics.published import NETWORKS
from deepcovid.profiles import MODELS


def test_figures_are_held_by_nobody_but_who_asked_for_them():
    plots.new(2)
    plots.panels(3)
    assert plt.get_fignums() == []


def test_panels_have_no_empty_frames():
    figure, axes = plots.panels(5, columns=3)
    assert len(axes) == len(figure.axes) == 5


def test_the_same_plot_is_the_same_file(tmp_path):
    table = pd.DataFrame({"x": [0.5, 0.7], "low": [0.4, 0.6], "high": [0.8, 0.9]})
    for name in ("a.svg", "b.svg"):
        figure, axis = plots.new()
        plots.intervals(axis, table, "x", "low", "high", names=["one", "two"], values="{:.2f}")
        plots.save(figure, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert ">0.70</text>" in (tmp_path / "a.svg").read_text()


def test_intervals_run_from_low_to_high_from_above_down():
    table = pd.DataFrame({"x": [0.5, 0.7], "low": [0.4, 0.6], "high": [0.8, 0.9]})
    _, axis = plots.new()
    drawn = plots.intervals(axis, table, "x", "low", "high", names=["one", "two"])
    segments = drawn.lines[2][0].get_segments()
    assert [s[:, 0].round(9).tolist() for s in segments] == [[0.4, 0.8], [0.6, 0.9]]
    assert axis.get_ylim() == (1.5, -0.5)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["one", "two"]


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
