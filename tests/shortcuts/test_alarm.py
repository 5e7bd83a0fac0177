import pandas as pd
import pytest

from deepcovid.shortcuts import alarm, calibration


def table(auc: float, low: float, file: float = 0.5) -> pd.DataFrame:
    """Two rows of a `shortcuts.csv`; DeLong's interval is far too narrow."""
    row = {"auc": auc, "auc_low": auc - 0.01, "auc_high": auc + 0.01, "patient_low": low}
    other = {"auc": file, "auc_low": file, "auc_high": file, "patient_low": file}
    rows = pd.DataFrame([row, other]).assign(patient_high=1.0)
    words = {"kind": ["border", "metadata"], "seen": ["outer 5% of each side", "file properties"]}
    return rows.assign(**words, model=["squeezenet", "regression"])


def test_the_alarm_needs_more_than_chance():
    assert not alarm.alarms(table(0.6, 0.49)).alarm.any()
    assert not alarm.alarms(table(0.2, 0.1)).alarm.any()
    assert alarm.alarms(table(1.0, 1.0, file=1.0)).alarm.all()
    assert alarm.alarms(table(0.9999, 0.999)).alarm.any()


def test_of_two_rows_each_is_raised_by_its_interval_of_patients_alone():
    for low, raised in ((0.499, False), (0.501, True)):
        found = alarm.alarms(table(0.6, low))
        assert found.alarm["outer 5% of each side"] == raised
        assert (found.p["outer 5% of each side"] < 0.025) == raised


@pytest.mark.slow
def test_honest_datasets_of_patients_with_two_images_raise_it_no_more_often_than_it_says():
    level = calibration.levels(150, images=(2,)).loc[2]
    assert level.alarms < 0.1 < level["counting images"]
