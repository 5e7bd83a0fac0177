"""Scores of maps whose agreement is known; random maps; maps and masks that do not fit."""

import numpy as np
import pytest
from conftest import user_error
from sklearn.metrics import average_precision_score

from deepcovid.heatmaps.agreement import agreement, by_chance, of_another, rounded


def test_agreement_of_a_perfect_an_opposite_and_an_even_map():
    mask = np.zeros((10, 10), bool)
    mask[2:5, 2:6] = True
    perfect = agreement(mask * 2.0, mask)
    assert perfect == {
        "area": 0.12, "pointing": 1, "mass": 1, "iou": 1, "average_precision": 1
    }  # fmt: skip
    opposite = agreement(-1.0 * mask, mask)
    assert opposite["pointing"] == opposite["iou"] == 0 and opposite["mass"] == 0.12
    even = agreement(np.full((10, 10), 0.3), mask)
    assert all(even[k] == pytest.approx(0.12) for k in ("pointing", "mass", "average_precision"))


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_average_precision_is_scikit_learns_ties_included(levels):
    rng = np.random.default_rng(0)
    heat, mask = rng.integers(0, levels, (30, 20)), rng.random((30, 20)) < 0.2
    expected = average_precision_score(mask.ravel(), heat.ravel())
    assert agreement(heat, mask)["average_precision"] == pytest.approx(expected)


def test_random_maps_favour_no_place_and_score_what_chance_gives():
    mask = np.zeros((4, 40, 40), bool)
    mask[:, 10:20, 10:30] = True
    found = by_chance(mask, 5, draws=100)
    for name in ("pointing", "mass", "average_precision"):
        mean, low, high = found[name]
        assert low <= mean <= high and mean == pytest.approx(mask.mean(), abs=0.05)


def test_another_patient_is_another_patient():
    assert of_another(["a", "a", "b", "a"]) == [2, 2, 3, 2]
    assert of_another(["a", "a"]) == [0, 1]  # there is none


def test_numbers_are_rounded_wherever_they_stand():
    given = {"a": [0.12345678, 3], "b": {"c": np.float32(1) / 3, "d": "x"}, "e": np.ones(1) / 3}
    assert rounded(given) == {"a": [0.1235, 3], "b": {"c": 0.3333, "d": "x"}, "e": [0.3333]}


def test_maps_and_masks_that_do_not_fit_are_refused():
    with user_error("alike"):
        agreement(np.ones((5, 5)), np.ones((5, 6), bool))
    with user_error("empty"):
        agreement(np.ones((5, 5)), np.zeros((5, 5), bool))
