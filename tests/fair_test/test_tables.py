import numpy as np
import pandas as pd

from deepcovid.fair_test import tables


def test_training_data_without_a_criterion_are_shown_by_their_best_auc_on_cases():
    """The release's sites are not known: no criterion, and still a row to compare with."""
    row = {"model": "m", "preparation": "none", "images": 10, "border": 0.6, "within_low": 0.1,
           "within_high": 0.9, "external": 0.7, "external_low": 0.6, "external_high": 0.8}  # fmt: skip
    rows = [
        {"trained_on": "release", "within": 0.55, "site": np.nan, "criterion": np.nan},
        {"trained_on": "release", "within": 0.65, "site": np.nan, "criterion": np.nan},
        {"trained_on": "collection", "within": 0.9, "site": 0.5, "criterion": 0.5},
        {"trained_on": "collection", "within": 0.7, "site": 0.6, "criterion": 0.6},
    ]
    table = pd.DataFrame([row | of for of in rows]).assign(chosen=[False, False, False, True])
    shown = tables.right_data(table)
    assert shown.index.tolist() == ["release", "collection (chosen)"]
    assert shown["AUC, cases not trained on"].str.startswith(("0.650", "0.700")).all()
    assert shown.loc["release", ["criterion", "site left out"]].tolist() == ["-", "-"]
