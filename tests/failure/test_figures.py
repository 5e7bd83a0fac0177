import pandas as pd
import pytest

from deepcovid.failure import design, figures
from deepcovid.failure.design import FACTORS, LEVELS
from deepcovid.plots import NON_COVID


def trainings(**levels):
    rows = design.factorial(levels, (0, 1), backbone="resnet18")
    return pd.DataFrame(rows).assign(tp=0, fn=10, sensitivity=0.0)


def test_a_factorial_shows_each_recipes_mean_and_frames_the_failed_one():
    table = trainings(**{factor: tuple(LEVELS[factor]) for factor in FACTORS})
    last = (table.optimiser == "Adam") & (table.batch_norm == "eval")
    table.loc[last, "sensitivity"] = 0.2 + 0.4 * table.seed[last]
    axis, bar = figures.factorial(table).axes
    cells = [t.get_text() for t in axis.texts]
    assert len(cells) == 48 and cells[:2] == ["0", "0"] and cells[-2:] == ["0", "40"]
    failed, paper = ((int(f.get_x()), int(f.get_y())) for f in axis.patches)
    assert failed == (0, 0) and paper == (3, 10)
    assert "10 COVID-19 images" in bar.get_ylabel() and "2 seeds" in bar.get_ylabel()
    assert "96 trainings, 48 recipes" in axis.figure.get_suptitle()


def test_a_factorial_of_fewer_settings_has_names_for_all_of_them():
    table = trainings(optimiser=("SGD, steps", "Adam"), classes=("unweighted", "balanced"))
    axis = figures.factorial(table).axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["SGD, falling rate", "Adam"]
    assert [t.get_text() for t in axis.get_xticklabels()] == ["not\nweighted", "class\nweights"]


def test_attempts_show_counts_auc_and_both_classes():
    table = pd.DataFrame({"label": [0, 0, 0, 1], "score": [0.1, 0.2, 0.3, 0.4]})
    left, right, curves, scores = figures.attempts({"seed 0": table}).axes
    assert [t.get_text() for t in left.texts] == ["3,000", "0", "100", "0"]
    assert [t.get_text() for t in right.texts] == ["3", "0", "1", "0"]
    assert "seed 0: AUC 1.000" in curves.get_legend().get_texts()[0].get_text()
    heights = sum(patch.get_height() for patch in scores.patches)
    assert heights == pytest.approx(200)  # each class' bars are its 100%


def test_a_filled_dot_is_a_candidate_that_calls_all_non_covid():
    table = pd.DataFrame(
        {"auc": [0.7, 0.9], "low": [0.6, 0.8], "high": [0.8, 0.95], "sensitivity": [0, 0.1],
         "specificity": 1.0},
        index=["one", "two"],
    )  # fmt: skip
    axis = figures.auc_search(table, 0.715).axes[0]
    drawn = {c.get_label(): c.lines[0].get_markerfacecolor() for c in axis.containers}
    assert drawn == {"all called Non-COVID": NON_COVID, "some called COVID-19": "white"}


def long(optimisers):
    rows = [
        design.cell("resnet18", seed, optimiser=optimiser, epochs=epochs)
        | {"after": after, "selection": "last", "sensitivity": 0.1, "auc": 0.5 + seed / 10}
        for optimiser in optimisers for seed in (0, 1)
        for epochs, after in ((1, 1), (150, 1), (150, 150))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_lines_over_epochs_are_one_per_training():
    axis = figures.lines(
        long(("Adam", "SGD, steps")), "after", "optimiser", {"auc": "AUC"}, "epochs", units="seed"
    ).axes[0]
    assert len([line for line in axis.lines if len(line.get_xdata()) > 1]) == 4


def test_the_failed_recipes_auc_after_the_first_epoch_and_the_last():
    axis = figures.auc_of_epochs(long(("Adam", "SGD, steps")), 0.715).axes[0]
    assert [t.get_text() for t in axis.texts] == ["reported: 0.715", "0.500", "0.600"]
    first = next(line for line in axis.lines if line.get_label() == "first epoch, 2 seeds")
    assert list(first.get_ydata()) == [0.5, 0.6]


def test_single_changes_are_told_with_and_without_seeds():
    rates = {"sensitivity": [0.0, 0.5], "specificity": 1.0, "tp": [0, 5], "fn": [10, 5]}
    table = pd.DataFrame(rates, index=["a", "b"])
    axis = figures.single_changes(table).axes[0]
    assert [t.get_text() for t in axis.texts[:-1]] == ["0%", "100.0%", "50%", "100.0%"]
    ends = table.assign(least=0.0, most=[0, 0.7])
    axis = figures.single_changes(ends).axes[0]
    assert axis.texts[2].get_text() == "50% (0 to 70)"


def test_the_drift_is_drawn_by_stage_and_crop_in_the_same_units():
    table = pd.DataFrame(
        [
            {"crop": crop, "batches": n, "layer": layer, "shift": n / 100, "from_epoch_1": 0.1}
            for crop in ("random", "none") for n in (0, 1, 10) for layer in ("bn1", "layer1.0.bn1")
        ]
    )  # fmt: skip
    table["stage"] = table.layer.str.split(".").str[0]
    measures = {"shift": "first", "from_epoch_1": "then"}
    left, right = figures.lines(
        table, "batches", "stage", measures, "batches", "shift", style="crop"
    ).axes
    assert left.get_shared_y_axes().joined(left, right)
    assert [line.get_ydata()[-1] for line in left.lines if len(line.get_xdata())] == pytest.approx(
        [0.1] * 4
    )
