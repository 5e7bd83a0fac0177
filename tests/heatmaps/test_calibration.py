"""Models of which is known what they look at: the maps find it, and not what it is not."""

import numpy as np
import pytest

from deepcovid.heatmaps import calibration, tables
from deepcovid.heatmaps.agreement import SCORES

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibration")
    return folder, calibration.calibrate(folder)


def test_a_model_taught_lesions_points_at_lesions(calibrated):
    found = calibrated[1]["lesion"]
    assert found["auc"] > 0.9
    ours = found["agreement"]["lesion"]
    for method in ("occlusion", "Grad-CAM"):
        assert ours[method]["pointing"][0] > ours["random maps"]["pointing"][2]
    for name in SCORES:
        assert ours["occlusion"][name][0] > ours["random maps"][name][2]


def test_a_model_taught_a_marker_points_at_the_corner_and_not_at_lesions(calibrated):
    found = calibrated[1]["marker"]
    assert found["auc"] > 0.95
    corner, lesion = (found["agreement"][mask]["occlusion"] for mask in ("marker", "lesion"))
    assert corner["pointing"][0] > 0.9
    assert lesion["pointing"][0] < 0.1
    heat = np.load(calibrated[0] / "calibration.npz")["marker occlusion"]
    assert (np.array([np.unravel_index(m.argmax(), m.shape) for m in heat]) < 16).all()


def test_calibration_is_kept(calibrated, monkeypatch):
    monkeypatch.setattr(calibration, "taught", None)
    found = calibration.calibrate(calibrated[0])
    assert found == calibrated[1]
    monkeypatch.setattr(calibration, "code", lambda *modules: "other")
    with pytest.raises(TypeError):  # made anew
        calibration.calibrate(calibrated[0])
    table = tables.calibration_table({"calibration": found})
    assert len(table) == 6 and (table.low <= table["mean"] + 0.05).all()
