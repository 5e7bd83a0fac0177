"""Planted shortcuts are found, honest data raise no alarm."""

import pandas as pd
import pytest

from deepcovid.data import phantom
from deepcovid.shortcuts import calibration, eyes

pytestmark = pytest.mark.slow


def test_planted_shortcuts_are_found_and_nothing_else(calibrated):
    _, found, _ = calibrated
    alarm = found.groupby("planted").alarm.any()
    assert set(alarm.index) == {"nothing", *phantom.SHORTCUTS}
    assert alarm.drop("nothing").all() and not alarm["nothing"]
    tint = found[(found.planted == "tint") & (found.seen == "file properties")]
    assert (tint.auc == 1).all()


def test_what_was_measured_is_not_measured_again(calibrated, monkeypatch):
    run, found, counts = calibrated
    monkeypatch.setattr(eyes.features, "extract", None)
    pd.testing.assert_frame_equal(calibration.calibrate(run, 2, 1, counts), found)
