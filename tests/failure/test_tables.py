import numpy as np
import pandas as pd
import pytest

from deepcovid import runs
from deepcovid.failure import tables


def test_a_real_run_that_found_some_does_not_explain_the_matrix():
    """Only a run that answers Non-COVID to all is a candidate for both reported numbers."""
    real = pd.DataFrame(
        {
            "model": ["squeezenet", "squeezenet", "resnet18"],
            "seed": [0, 1, np.nan],
            "auc": [0.7, 0.9, np.nan],
            "sensitivity": [0, 0.02, np.nan],
            "specificity": [1, 1, np.nan],
        }
    )
    first = pd.DataFrame(
        {"backbone": "squeezenet", "auc": [0.6, 0.8], "sensitivity": 0, "specificity": 1}
    )
    found = tables.searched(pd.DataFrame(), first, real)
    assert found.sensitivity.tolist() == [0, 0.02, 0]
    assert found.loc["first epoch, crops (squeezenet)", ["low", "auc", "high"]].tolist() == (
        pytest.approx([0.6, 0.7, 0.8])
    )
    assert len(found) == 3


def test_the_answer_names_the_epoch_that_accuracy_selects():
    tied = pd.DataFrame({"epoch": [1, 2, 3], "accuracy": 0.97, "auc": [0.7, 0.8, 0.9]})
    rising = tied.assign(accuracy=[0.97, 0.97, 0.98])
    verdicts = pd.DataFrame({"tp": [0, 27]})
    effects = pd.DataFrame(
        {"change": "a -> b", "effect": 0.3, "low": 0.2, "high": 0.4, "share": 0.5}, index=["crop"]
    )
    both = pd.DataFrame(
        {"sensitivity": [0.01, 0.7]},
        index=pd.MultiIndex.from_product([["squeezenet"], ["the failed recipe", "crop: none"]]),
    )
    first = pd.DataFrame({"backbone": "squeezenet", "auc": [0.71, 0.9]})
    histories = {"seed 0": tied, "seed 1": rising}
    text = tables.answer(verdicts, {"net": effects}, both, first, histories, 0.9677)
    assert "seed 0 epoch 1, AUC 0.700; seed 1 epoch 3, AUC 0.900" in text
    assert "1 of 2 within" in text and "crop (a -> b) +30 points (20 to 40)" in text
    assert "1% -> 70% of COVID-19 images found by *crop: none*" in text and runs.NOTICE in text
