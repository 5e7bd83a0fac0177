import numpy as np
import pandas as pd

from deepcovid.models import figures


def history(shift=0.0):
    epoch = np.arange(1, 6)
    parts = [
        pd.DataFrame({"epoch": epoch, "phase": phase, "loss": 1 / epoch + shift,
                      "accuracy": 0.5 + epoch / 20, "auc": 0.6 + epoch / 20})
        for phase in ("train", "validation")
    ]  # fmt: skip
    return pd.concat(parts)


def test_a_row_per_model_and_a_line_per_phase():
    figure = figures.learning_curves({("resnet18", 0): history(), ("squeezenet", 0): history()})
    assert len(figure.axes) == 6
    assert [axis.get_title() for axis in figure.axes[:3]] == list(figures.MEASURES.values())
    line = figure.axes[0].lines[0]
    assert np.allclose(line.get_xydata(), np.c_[np.arange(1, 6), 1 / np.arange(1, 6)])
    assert len([line for line in figure.axes[0].lines if len(line.get_xdata())]) == 2
    assert [text.get_text() for text in figure.axes[0].get_legend().texts] == [
        "train",
        "validation",
    ]


def test_seeds_are_drawn_one_by_one_with_their_mean_and_range():
    figure = figures.learning_curves({("resnet18", s): history(s) for s in (0, 1, 2)})
    axis = figure.axes[0]
    assert axis.get_ylabel() == "ResNet18\n3 seeds"
    lines = [line.get_ydata() for line in axis.lines if len(line.get_xdata())]
    assert len(lines) == 2 + 2 * 3  # of both phases the mean, and each seed
    assert np.allclose(lines[0], 1 / np.arange(1, 6) + 1)
    band = axis.collections[0].get_paths()[0].vertices
    assert np.isclose(band[:, 1].min(), 0.2) and np.isclose(band[:, 1].max(), 3)
