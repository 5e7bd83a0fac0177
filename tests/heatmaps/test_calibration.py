"""Models of which is known what they look at: the maps find it, and not what it is not."""

import pytest

from deepcovid.heatmaps import tables
from deepcovid.heatmaps.agreement import SCORES

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast


def test_a_model_taught_lesions_points_at_lesions(calibrated):
    found = calibrated["lesion"]
    assert found["auc"] > 0.9
    ours = found["agreement"]["lesion"]
    for method in ("occlusion", "Grad-CAM"):
        assert ours[method]["pointing"][0] > ours["random maps"]["pointing"][2]
    for name in SCORES:
        assert ours["occlusion"][name][0] > ours["random maps"][name][2]


def test_a_model_taught_a_marker_points_at_it_and_not_at_lesions(calibrated):
    found = calibrated["marker"]
    assert found["auc"] > 0.95
    corner, lesion = (found["agreement"][mask]["occlusion"] for mask in ("marker", "lesion"))
    assert corner["pointing"][0] > 0.9
    assert lesion["pointing"][0] < 0.1


def test_each_mask_and_method_has_a_row_with_its_interval(calibrated):
    table = tables.calibration_table({"calibration": calibrated})
    assert len(table) == 6 and (table.low <= table["mean"] + 0.05).all()
