"""Scores of maps whose agreement is known; random maps; maps and masks that do not fit."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from deepcovid.heatmaps.agreement import (
    agreement,
    by_chance,
    captured,
    coarse,
    correlation_by_chance,
    of_another,
    random_maps,
    rank_correlation,
)


def test_agreement_of_a_perfect_an_opposite_and_an_even_map():
    mask = np.zeros((10, 10), bool)
    mask[2:5, 2:6] = True
    perfect = agreement(mask * 2.0, mask)
    assert perfect | {"captured": 0.94} == pytest.approx({
        "area": 0.12, "pointing": 1, "mass": 1, "iou": 1, "average_precision": 1,
        "highlighted": 0.12, "contained": 1, "captured": 0.94,
    })  # fmt: skip
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


def test_an_even_map_scores_the_same_wherever_the_mask_lies():
    """Ties used to be broken by place: an even map's IoU was 1 at the top and 0 at the bottom."""
    masks = np.zeros((3, 10, 10), bool)
    masks[0, :2], masks[1, -2:], masks[2, 3:5] = True, True, True
    for heat in (np.ones((10, 10)), np.zeros((10, 10))):
        found = [agreement(heat, mask)["iou"] for mask in masks]
        assert found == pytest.approx([0.2 / 1.8] * 3)
    # half of the mask surely, the other half shared with as many pixels outside
    heat = np.zeros((10, 10))
    heat[0] = 2
    heat[[1, 9]] = 1
    assert agreement(heat, masks[0])["iou"] == pytest.approx(15 / 25)


def test_the_curve_of_what_is_captured_is_the_same_for_any_order_of_ties():
    rng = np.random.default_rng(0)
    heat, mask = rng.integers(0, 4, (12, 9)), rng.random((12, 9)) < 0.3
    pixels, found = captured(heat, mask)
    assert pixels[0] == found[0] == 0 and pixels[-1] == mask.size and found[-1] == mask.sum()
    turned = captured(heat[::-1, ::-1], mask[::-1, ::-1])
    assert np.array_equal(turned, [pixels, found])
    for level, n, k in zip((3, 2, 1, 0), pixels[1:], found[1:], strict=True):
        assert n == (heat >= level).sum() and k == mask[heat >= level].sum()


def test_chance_is_of_means_of_as_many_images():
    """One pair of maps scatters more than the mean of six, beside which its interval stood."""
    mask = np.zeros((1, 32, 32), bool)
    mask[:, 8:16] = True
    for one, six in (
        (by_chance(mask, 5)["mass"], by_chance(mask.repeat(6, 0), 5)["mass"]),
        (correlation_by_chance(1, (32, 32), 5), correlation_by_chance(6, (32, 32), 5)),
    ):
        assert (six[2] - six[1]) < 0.7 * (one[2] - one[1])
    pairs = [rank_correlation(random_maps(6, (32, 32), 5, 9 + i), random_maps(6, (32, 32), 5, 99 + i))
             for i in range(40)]  # fmt: skip
    low, high = correlation_by_chance(6, (32, 32), 5)[1:]
    assert np.mean([low <= pair.mean() <= high for pair in pairs]) > 0.8


def test_masks_are_made_coarse_to_about_64_pixels():
    masks = np.zeros((2, 224, 224), bool)
    masks[0, 50:90, 50:90] = True
    small, window = coarse(masks, 32)
    assert small.shape == (1, 75, 75) and window == 10  # the empty one is gone
    assert small.mean() == pytest.approx(masks[0].mean(), rel=0.1)
    masks[0] = 0
    masks[0, 50, 50] = True  # between the pixels that are kept
    assert coarse(masks, 32)[0].sum() == 1


def test_another_patient_is_another_patient():
    assert of_another(["a", "a", "b", "a"]) == [2, 2, 3, 2]
    assert of_another(["a", "a"]) == [0, 1]  # there is none
