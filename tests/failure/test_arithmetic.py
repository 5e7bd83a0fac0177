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


def test_the_sum_of_the_rates_is_that_of_the_trainings_schedules():
    failed = profiles.load("failed")
    assert failed.epochs == 150 and failed.schedule == "step_first"
    table = arithmetic.rate_sums(failed.epochs)
    for row, schedule in zip(table.itertuples(), ("step", "step_first", "constant"), strict=True):
        rates = fitting.learning_rates(dataclasses.replace(failed, schedule=schedule))
        assert row[2] == pytest.approx((rates / rates[0]).sum())
        assert row[3] == pytest.approx((rates / rates[0])[21:].sum())
    assert table["sum of the rates"].round(2).tolist() == [7.78, 6.78, 150]


def test_accuracy_does_not_see_what_auc_and_sensitivity_see():
    label = np.r_[np.zeros(3000), np.ones(100)]
    score = np.r_[np.full(3000, 0.02), np.full(100, 0.3)]
    found = arithmetic.verdict(label, score)
    assert found["accuracy"] == 3000 / 3100 and found["auc"] == 1.0
    assert found["sensitivity"] == 0 and found["balanced_accuracy"] == 0.5
    assert found["sensitivity_at_0.2"] == 1 and found["specificity_at_0.2"] == 1
    assert (found["tp"], found["fn"], found["fp"], found["tn"]) == (0, 100, 0, 3000)
    assert found["mean_score_covid"] == pytest.approx(0.3)
