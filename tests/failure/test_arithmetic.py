import dataclasses

import numpy as np
import pytest

from deepcovid import profiles
from deepcovid.failure import arithmetic
from deepcovid.models import fitting


def test_the_reported_accuracy_is_that_of_answering_non_covid_to_every_test_image():
    table = arithmetic.null_accuracies()
    assert table.accuracy["test"] == 3000 / 3100
    assert round(100 * table.accuracy["test"], 2) == 96.77 == 100 * arithmetic.REPORTED["accuracy"]
    assert table.accuracy["training, originals"] == 2000 / 2084 == pytest.approx(0.9597, abs=5e-5)
    assert table.accuracy["training, augmented"] == 2000 / 2420 == pytest.approx(0.8264, abs=5e-5)


def test_the_schedule_spends_nearly_all_of_its_rates_in_three_weeks_of_epochs():
    failed = profiles.load("failed")
    assert failed.epochs == 150 and failed.schedule == "step_first"
    budgets = {
        schedule: arithmetic.rate_budget(
            fitting.learning_rates(dataclasses.replace(failed, schedule=schedule))
        )
        for schedule in ("step", "step_first", "constant")
    }
    table = arithmetic.rate_sums(budgets)
    assert table["sum of rates"]["step"] == pytest.approx(7 / 0.9)
    assert table["sum of rates"]["step_first"] == pytest.approx(6 + 0.7 / 0.9)
    assert table["sum of rates"]["constant"] == 150
    assert table.share["step_first"] < 0.0012 and table.share["step"] < 0.0012
    budget = budgets["step_first"]
    assert budget.rate.iloc[0] == 1 and budget.rate.iloc[6] == pytest.approx(0.1)
    assert budget["sum"].iloc[-1] == pytest.approx(table["sum of rates"]["step_first"])


def test_class_counts_are_those_of_the_run(run):
    counts = arithmetic.class_counts(run.manifest, run.training)
    assert counts["test"] == (12, 8)
    originals, augmented = counts["training, originals"], counts["training, augmented"]
    assert originals[0] == augmented[0] and 2 * originals[1] == augmented[1]
    assert counts["validation"][1] + originals[1] == 12


def test_accuracy_does_not_see_what_auc_and_sensitivity_see():
    label = np.r_[np.zeros(3000), np.ones(100)]
    score = np.r_[np.full(3000, 0.02), np.full(100, 0.3)]
    found = arithmetic.verdict(label, score)
    assert found["accuracy"] == 3000 / 3100 and found["auc"] == 1.0
    assert found["sensitivity"] == 0 and found["balanced_accuracy"] == 0.5
    assert found["sensitivity_at_0.2"] == 1 and found["specificity_at_0.2"] == 1
    assert (found["tp"], found["fn"], found["fp"], found["tn"]) == (0, 100, 0, 3000)
    assert found["mean_score_covid"] == pytest.approx(0.3)
