"""Means and intervals of what `heatmaps.json` holds."""

import numpy as np
import pytest

from deepcovid.metrics import intervals


def test_patients_are_resampled_not_images():
    values = np.repeat([0.0, 1.0, 0.0, 1.0, 0.5, 0.4], 10)
    one = intervals.patient_interval(values, np.arange(60))
    few = intervals.patient_interval(values, np.repeat(np.arange(6), 10))
    assert one[0] == few[0] == pytest.approx(values.mean())
    assert few[2] - few[1] > 2 * (one[2] - one[1])
