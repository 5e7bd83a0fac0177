import numpy as np
import pandas as pd
import pytest

from deepcovid.metrics import evaluation, figures


@pytest.fixture
def tables(overlapping):
    """Scores of two models, one of them with two seeds."""
    made = {}
    for i, key in enumerate((("squeezenet", 0), ("squeezenet", 1), ("resnet18", 0))):
        label, score = overlapping(20 + i, 80)
        made[key] = pd.DataFrame({"label": label, "score": score})
    return made


@pytest.mark.parametrize("draw", [figures.roc, figures.precision_recall, figures.calibration])
def test_every_model_and_seed_has_a_curve_that_can_be_told_apart(draw, tables):
    axis = draw(tables).axes[0]
    curves = [line for line in axis.lines if len(line.get_xdata()) > 2]
    looks = {(line.get_color(), str(line._dash_pattern)) for line in curves}
    assert len(curves) >= len(looks) == 3
    told = [text.get_text() for text in axis.get_legend().get_texts()]
    assert [t.split(":")[0] for t in told] == [f"{model}, seed {seed}" for model, seed in tables]


def test_a_curve_runs_through_the_points_that_it_is_drawn_from(tables):
    one = {("resnet18", 0): tables["resnet18", 0]}
    fpr, tpr, _ = evaluation.roc(*one["resnet18", 0][["label", "score"]].to_numpy().T)
    line = figures.roc(one).axes[0].lines[0]
    assert np.allclose(line.get_xdata(), fpr) and np.allclose(line.get_ydata(), tpr)


def test_histograms_are_percent_of_each_class(tables):
    figure = figures.score_histograms(tables, dict.fromkeys(tables, 0.5))
    assert len(figure.axes) == 3
    heights = sum(bar.get_height() for bar in figure.axes[0].patches)
    assert heights == pytest.approx(200)  # two classes of 100%


def test_a_confusion_matrix_shows_counts_and_shares():
    rows = {("resnet18", 0): {"tp": 3, "fn": 1, "fp": 10, "tn": 1990, "threshold": 0.2}}
    axis = figures.confusions(rows).axes[0]
    assert [text.get_text() for text in axis.texts] == [
        "1,990\n99.5%", "10\n0.5%", "1\n25.0%", "3\n75.0%"
    ]  # fmt: skip
    assert axis.get_xlabel() == "answer at 0.2"


def test_an_interval_without_a_lower_end_leaves_the_plot():
    rows = [{"claim": "auc", "ours": 0.99, "low": 0.98, "high": 0.995, "published": 0.992},
            {"claim": "specificity_at_98_sensitivity", "ours": 0.95, "low": 0, "high": 0.99,
             "published": 0.929}]  # fmt: skip
    comparison = pd.DataFrame(rows).assign(model="squeezenet")
    seeds = pd.DataFrame(
        {"model": ["squeezenet"], "auc": 0.99, "specificity_at_98_sensitivity": 0.95}
    )
    axes = figures.beside_the_paper(comparison, seeds).axes
    assert axes[0].get_xlim()[0] > 0.5 and axes[1].get_xlim()[0] > 0.9
