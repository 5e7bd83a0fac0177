"""Models of which is known what they look at: the maps find it, and not what it is not."""

import pytest

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast


@pytest.fixture
def peaks(calibrated):
    return calibrated.set_index(["taught", "mask", "method"])


def test_a_model_taught_lesions_points_at_lesions(peaks):
    ours = peaks.loc["lesion", "lesion"]
    assert (ours.auc > 0.9).all() and (ours["mean"] > ours.random_high).all()


def test_a_model_taught_a_marker_points_at_it_and_not_at_lesions(peaks):
    ours = peaks.loc["marker"].xs("occlusion", level="method")
    assert (ours.auc > 0.95).all()
    assert ours["mean"]["marker"] > 0.9 and ours["mean"]["lesion"] < 0.1


def test_each_mask_and_method_has_a_row_with_its_interval(calibrated):
    assert len(calibrated) == 6 and (calibrated.low <= calibrated["mean"]).all()
