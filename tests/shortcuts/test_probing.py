"""Probes are fitted on what they may see, and what judges is never among it."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from deepcovid.metrics import intervals
from deepcovid.shortcuts import probing
from deepcovid.shortcuts.probing import cross_val_scores, fit_score


def test_a_feature_that_names_the_group_is_worth_nothing():
    """By images it would be worth all: each group has several images."""
    group = np.repeat(np.arange(30), 4)
    label = np.random.default_rng(0).integers(0, 2, 30)[group]
    values = np.eye(30)[group]  # a column for each group: who is met again is known by heart
    fit_predict = partial(fit_score, values, label, kind="table")
    rows = np.arange(120)
    assert intervals.auc(label, fit_predict(rows, rows)) > 0.95
    held = cross_val_scores(label, group, fit_predict, 3)
    assert held.shape == (3, 120) and intervals.auc(label, held) < 0.7


def test_every_image_is_scored_once_in_each_repeat_and_groups_are_whole():
    label, group = np.tile([0, 1], 30), np.repeat(np.arange(30), 2)
    scored, fitted = np.arange(60) < 40, np.arange(60) >= 10  # others help to fit, or do not
    seen = np.zeros(60, int)

    def fit_predict(fit, test):
        assert not set(group[fit]) & set(group[test]) and fitted[fit].all()
        assert set(range(40, 60)) <= set(fit)  # what is never scored is always fitted
        seen[test] += 1
        return test

    score = cross_val_scores(label, group, fit_predict, 2, fitted, scored)
    assert (seen == 2 * scored).all() and (score[:, scored] == np.arange(40)).all()
    assert np.isnan(score[:, ~scored]).all()


def test_the_interval_is_of_the_mean_over_repeats_and_not_of_the_averaged_scores():
    """Each repeat errs on other images: averaged they rank all, and none of them does."""
    label = np.tile([0, 1], 40)
    score = np.tile(label * 0.5 + 0.25, (4, 1))
    for repeat in range(4):
        wrong = slice(20 * repeat, 20 * repeat + 20)
        score[repeat, wrong] = 1 - score[repeat, wrong]
    found = probing.auc_row(label, score, np.arange(80), "case")
    assert found["auc"] == pytest.approx(0.75)
    assert found["case_low"] == pytest.approx(0.75) == found["case_high"]  # each image errs once
    assert (found["positives"], found["negatives"]) == (40, 40)


def test_weights_count_as_so_many_images():
    random = np.random.default_rng(0)
    values, label = random.standard_normal((30, 4)), np.tile([0, 1], 15)
    values -= values.mean(0)  # weights move no mean
    times = np.where(np.arange(30) < 10, 2, 1)
    weighted = probing.classifier(values, "logistic").steps[-1][1].fit(values, label, times)
    repeated = probing.classifier(values, "logistic").steps[-1][1]
    repeated.fit(np.repeat(values, times, axis=0), np.repeat(label, times))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-3)


def test_ridge_is_the_closed_form_with_a_penalty_of_one_a_column():
    random = np.random.default_rng(0)
    values, label = random.standard_normal((30, 50)), np.tile([0, 1], 15)
    scaled = (values - values.mean(0)) / values.std(0)
    kernel = scaled @ scaled.T  # in the dual, as there are more columns than images
    score = kernel @ np.linalg.solve(kernel + 50 * np.eye(30), 2.0 * label - 1)
    rows = np.arange(30)
    found = fit_score(values, label, rows, rows, "ridge")
    assert found == pytest.approx(1 / (1 + np.exp(-score)))


def test_a_table_may_lack_values_and_meet_new_words():
    table = pd.DataFrame({"age": [20, np.nan, 80, 70] * 5, "view": ["AP", "", "PA", "PA"] * 5,
                          "sex": ""})  # fmt: skip
    label, fit = np.tile([0, 0, 1, 1], 5), np.arange(20) < 16
    table.loc[19, ["age", "view"]] = np.nan, "AP Erect"  # never met in training
    score = fit_score(table, label, fit, ~fit, "table")
    assert np.isfinite(score).all() and score[2] > 0.5 > score[0]
