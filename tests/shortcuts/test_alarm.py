import pandas as pd

from deepcovid.shortcuts import alarm


def test_the_alarm_needs_more_than_chance():
    rows = [("border", "outer 5% of each side", "squeezenet", *x) for x in ((0.6, 0.49, 0.7),)]
    rows += [("metadata", "file properties", "regression", 0.5, 0.5, 0.5)]
    columns = ["kind", "seen", "model", "auc", "auc_low", "auc_high"]
    table = pd.DataFrame(rows, columns=columns)
    assert not alarm.alarms(table).alarm.any()
    loud = table.assign(auc=1.0, auc_low=1.0, auc_high=1.0)
    assert alarm.alarms(loud).alarm.all()
    worse = table.assign(auc=0.2, auc_low=0.1, auc_high=0.3)
    assert not alarm.alarms(worse).alarm.any()
