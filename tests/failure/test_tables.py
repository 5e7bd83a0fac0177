import dataclasses

import numpy as np
import pandas as pd
import pytest

from deepcovid import profiles
from deepcovid.failure import design, effects, tables
from deepcovid.models import fitting
from deepcovid.study import Missing


def test_the_reported_accuracy_is_that_of_answering_non_covid_to_every_test_image():
    table = tables.null_accuracies()
    assert table.accuracy["test"] == 3000 / 3100
    assert round(100 * table.accuracy["test"], 2) == 96.77 == 100 * tables.REPORTED["accuracy"]
    assert table.accuracy["training, originals"] == 2000 / 2084 == pytest.approx(0.9597, abs=5e-5)
    assert table.accuracy["training, augmented"] == 2000 / 2420 == pytest.approx(0.8264, abs=5e-5)


def test_the_sum_of_the_rates_is_that_of_the_trainings_schedules():
    failed = profiles.load("failed")
    assert failed.epochs == 150 and failed.schedule == "step_first"
    table = tables.rate_sums(failed.epochs)
    for row, schedule in zip(table.itertuples(), ("step", "step_first", "constant"), strict=True):
        rates = fitting.learning_rates(dataclasses.replace(failed, schedule=schedule))
        assert row[2] == pytest.approx((rates / rates[0]).sum())
        assert row[3] == pytest.approx((rates / rates[0])[21:].sum())
    assert table["sum of the rates"].round(2).tolist() == [7.78, 6.78, 150]


def test_accuracy_does_not_see_what_auc_and_sensitivity_see():
    label = np.r_[np.zeros(3000), np.ones(100)]
    score = np.r_[np.full(3000, 0.02), np.full(100, 0.3)]
    found = effects.verdict(label, score)
    assert found["accuracy"] == 3000 / 3100 and found["auc"] == 1.0
    assert found["sensitivity"] == 0 and found["specificity"] == 1
    assert (found["tp"], found["fn"], found["fp"], found["tn"]) == (0, 100, 0, 3000)


def test_candidates_are_shown_with_the_ends_of_their_seeds():
    rows = {"backbone": "squeezenet", "auc": [0.6, 0.8], "sensitivity": [0, 0.02], "specificity": 1}
    first = pd.DataFrame(rows)
    found = tables.searched(first.assign(candidate="negative"), first)
    assert list(found.index) == ["first epoch (SqueezeNet, random crops)", "negative (SqueezeNet)"]
    assert found.iloc[0].tolist() == pytest.approx([0.7, 0.6, 0.8, 0.02, 1])


def history(seed, accuracy=0.9, epochs=24):
    epoch = np.arange(1, epochs + 1)
    auc = 0.7 + epoch / 100 + 0.05 * seed
    test = pd.DataFrame({"epoch": epoch, "phase": "test", "accuracy": accuracy, "auc": auc})
    return pd.concat([test, test.assign(phase="train", accuracy=epoch / 100)])


def test_the_selected_epoch_is_the_first_of_the_most_accurate_on_test():
    counts = {"tp": [4, None], "fn": [96, None], "fp": [1, None], "tn": [2999, None]}
    auc = {"auc": [0.7, None], "auc_low": [0.6, None], "auc_high": [0.8, None]}
    made = pd.DataFrame({"model": ["resnet18", "resnet50"], "seed": [1, None]} | counts | auc)
    accuracy = [0.97, 0.98, 0.98]
    histories = {"failed": {("resnet18", 1): history(1, accuracy, 3)}, "released": {}}
    found = tables.selected({"failed": made, "released": Missing("released")}, histories)
    assert found.index.tolist() == [("failed", "resnet18", 1)]  # resnet50 was not run
    assert found.iloc[0].tolist() == [3, 2, "4 of 100", "1 of 3000", "0.700 (0.600 to 0.800)"]


def test_kept_crops_stand_beside_new_ones_after_the_same_epochs_and_images():
    rows = [
        design.cell("resnet18", seed)
        | {"after": after, "epoch": after, "selection": "last", "auc": 0.71 + after / 100,
           "accuracy": 0.9, "tp": 0, "fn": positives}
        for seed, positives in ((0, 1), (1, 97)) for after in (1, 24)
    ]  # fmt: skip
    histories = {("resnet18", seed): history(seed) for seed in (0, 1)}
    found = tables.kept_crops(pd.DataFrame(rows), "failed", histories, 1).loc["failed", "resnet18"]
    assert found["kept against new crops"] == pytest.approx(0.01)
    assert np.isnan(found["seed against seed"]) and found.seeds == 1
    both = pd.DataFrame(rows).assign(fn=1)
    found = tables.kept_crops(both, "failed", histories, 1).loc["failed", "resnet18"]
    assert found["seed against seed"] == pytest.approx(0.05) and found.epochs == 2
    assert tables.kept_crops(both, "failed", {}, 1).empty


def test_no_p_is_shown_as_nothing():
    assert [tables.p_value(p) for p in (0.0001, 0.001, 0.3124)] == ["< 0.001", "0.001", "0.312"]


def test_both_explanations_of_the_reported_auc_say_what_the_other_epoch_would_have():
    rows = [
        design.cell("resnet18", seed, epochs=epochs)
        | {"after": after, "selection": "last", "auc": auc + 0.1 * seed}
        for seed in (0, 1)
        for epochs, after, auc in ((1, 1, 0.61), (150, 1, 0.5), (150, 150, 0.8))
    ]
    found = tables.explanations(pd.DataFrame(rows), 0.7).T
    assert found["the first epoch was kept"]["the other epoch's: mean"] == pytest.approx(0.85)
    assert found["the last of 150 was measured"]["the other epoch's: mean"] == pytest.approx(0.55)
    assert found.loc["at least 0.7"].tolist() == [1, 2]
    assert found.loc["within 0.02"].tolist() == [1, 0]
    assert tables.explanations(pd.DataFrame(rows[:1]), 0.7).empty


def test_effects_are_told_in_points_and_in_the_names_of_the_settings():
    row = {"backbone": "resnet18", "among": "all", "outcome": "sensitivity", "term": "crop",
           "change": "random -> none", "trainings": 144, "pairs": 72, "effect": 0.3, "least": 0.2,
           "most": 0.4, "rises": 60, "falls": 2, "p": 1e-4, "holm": 6e-4}  # fmt: skip
    effects = pd.DataFrame([row, row | {"backbone": "squeezenet"}])
    found = tables.effects_table(effects, backbone="resnet18")
    assert found.reset_index().to_numpy().tolist() == [
        ["training images", "random crops", "whole images", "+30.0 (+20.0 to +40.0)", 72, 60, 2, "< 0.001"]
    ]  # fmt: skip
    auc = tables.effects_table(effects.assign(outcome="auc"), "auc", backbone="resnet18")
    assert auc.iloc[0, 2] == "+0.300 (+0.200 to +0.400)"
