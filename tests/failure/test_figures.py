import numpy as np
import pandas as pd
import pytest

from deepcovid.failure import figures
from deepcovid.plots import NON_COVID


def effects_table():
    return pd.DataFrame(
        {"change": "a -> b", "pairs": 72, "effect": [0.3, -0.1], "least": [0.2, -0.2],
         "most": [0.4, 0.0], "rises": [70, 0], "falls": [2, 9]},
        index=["crop", "classes"],
    )  # fmt: skip


def test_the_ablations_grid_says_each_cells_mean_and_leaves_the_missing_empty():
    index = pd.MultiIndex.from_product([["SGD", "Adam"], ["random", "none"]], names=["o", "crop"])
    found = pd.DataFrame({("sensitivity", "mean"): [0.01, 0.44, 0.43], ("trainings", ""): 3},
                         index=index[:3])  # fmt: skip
    left, right = figures.ablation(found, effects_table()).axes
    assert [t.get_text() for t in left.texts] == ["1%", "44%", "43%"]
    assert "(9 trainings)" in left.get_title()
    assert "up in 70, down in 2" in {t.get_text() for t in right.texts}
    assert right.get_yticklabels()[0].get_text() == "crop, 72 pairs\n(a -> b)"


def test_attempts_show_counts_auc_and_both_classes():
    table = pd.DataFrame({"label": [0, 0, 0, 1], "score": [0.1, 0.2, 0.3, 0.4]})
    reported = {"name": "told", "counts": {"tn": 3000, "fp": 0, "fn": 100, "tp": 0}, "auc": 0.715}
    axes = figures.attempts({"ours": table}, reported).axes
    assert [t.get_text().split("\n")[0] for t in axes[0].texts] == ["3,000", "0", "100", "0"]
    assert [t.get_text().split("\n")[0] for t in axes[3].texts] == ["3", "0", "1", "0"]
    assert axes[4].get_title() == "ROC AUC 1.000"
    heights = sum(patch.get_height() for patch in axes[5].patches)
    assert heights == pytest.approx(200)  # each class' bars are its 100%


def test_a_filled_dot_is_a_candidate_that_answers_non_covid_to_all():
    table = pd.DataFrame(
        {"auc": [0.7, 0.9], "low": [0.6, 0.8], "high": [0.8, 0.95], "sensitivity": [0, 0.1],
         "specificity": 1.0},
        index=["one", "two"],
    )  # fmt: skip
    axis = figures.auc_search(table, 0.715).axes[0]
    faces = {line.get_label(): line.get_markerfacecolor() for line in axis.lines}
    drawn = {c.get_label(): c.lines[0].get_markerfacecolor() for c in axis.containers}
    assert (faces | drawn)["all answers Non-COVID"] == NON_COVID
    assert (faces | drawn)["some answers COVID-19"] == "white"


def test_the_diamond_is_the_first_epoch_of_highest_accuracy():
    tied = pd.DataFrame({"epoch": [1, 2, 3], "accuracy": 0.97, "auc": [0.7, 0.8, 0.9]})
    later = tied.assign(accuracy=[0.97, 0.98, 0.98])
    figure = figures.selection({"tied": tied, "later": later}, 0.715)
    found = [
        [line.get_xydata()[0] for line in axis.lines if line.get_label() == "selected epoch"]
        for axis in figure.axes
    ]
    np.testing.assert_allclose(found, [[[1, 0.7]], [[2, 0.8]]])


def test_rates_end_in_their_sum():
    budget = pd.DataFrame({"epoch": [1, 2], "rate": [1.0, 0.1], "sum": [1.0, 1.1]})
    figure = figures.rate_budgets({"step": budget, "constant": budget.assign(sum=[1, 2.0])})
    assert [t.get_text() for t in figure.axes[1].texts] == ["1.1", "2.0"]


def test_lines_over_epochs_are_one_per_seed_and_bars_one_per_change():
    rows = [
        {"backbone": "net", "optimiser": o, "seed": s, "after": a, "sensitivity": a / 100, "auc": 0.9}
        for o in ("Adam", "SGD, steps") for s in (0, 1) for a in (1, 24)
    ]  # fmt: skip
    axis = figures.over_epochs(pd.DataFrame(rows)).axes[0]
    assert sum(len(line.get_xdata()) == 2 for line in axis.lines) == 4
    assert axis.get_title() == "net"
    table = pd.DataFrame({"sensitivity": [0.0, 0.5], "mean_score_covid": 0.3}, index=["a", "b"])
    axis = figures.one_change(table).axes[0]
    assert [t.get_text() for t in axis.texts] == ["0%", "50%"]


def test_the_drift_is_drawn_by_stage_and_crop_in_the_same_units():
    table = pd.DataFrame(
        [
            {"crop": crop, "batches": n, "layer": layer, "shift": n / 100, "from_epoch_1": 0.1}
            for crop in ("random", "none") for n in (0, 1, 10) for layer in ("bn1", "layer1.0.bn1")
        ]
    )  # fmt: skip
    left, right = figures.drift(table).axes
    assert left.get_shared_y_axes().joined(left, right)
    lines = [line for line in left.lines if len(line.get_xdata()) == 3]
    assert len(lines) == 4 and all(line.get_ydata()[-1] == pytest.approx(0.1) for line in lines)
