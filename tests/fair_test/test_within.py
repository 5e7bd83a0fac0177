"""Folds keep cases whole, and what judges never chooses."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from conftest import changed, draw
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from deepcovid.fair_test import collection, training_data, within
from deepcovid.fair_test.names import EVERYTHING
from deepcovid.models.run import Run
from deepcovid.shortcuts import measure
from deepcovid.shortcuts.ablations import WHOLE
from deepcovid.shortcuts.encoders import FeatureBank


def test_a_feature_that_names_the_case_is_worth_nothing():
    """By images it would be worth all: each case has both of its images on one side."""
    group = np.repeat(np.arange(30), 2)
    label = np.repeat(np.random.default_rng(0).integers(0, 2, 30), 2)
    probe = within.Probe({}, np.eye(30)[group], lambda _: LogisticRegression())
    held = measure.out_of_fold(label, group, partial(probe.fit_predict, label), 3)
    found = within.cross_val_auc(label, held, group)
    assert found["auc"] < 0.6
    assert found["groups"] == 30 and found["case_low"] <= found["auc_most"]


def test_the_interval_is_of_the_mean_over_repeats_and_not_of_the_averaged_scores():
    """Each repeat errs on other images: averaged they rank all, and none of them does."""
    label, group = np.tile([0, 1], 40), np.arange(80)
    score = np.tile(label * 0.5 + 0.25, (4, 1))
    for repeat in range(4):
        wrong = slice(20 * repeat, 20 * repeat + 20)
        score[repeat, wrong] = 1 - score[repeat, wrong]
    found = within.cross_val_auc(label, score, group)
    assert found["auc"] == pytest.approx(0.75) == found["auc_least"]
    assert found["case_low"] == pytest.approx(0.75) == found["case_high"]  # each image errs once


def test_every_image_is_judged_once_in_each_repeat():
    label, group = np.tile([0, 1], 20), np.repeat(np.arange(20), 2)
    seen = np.zeros(40, int)

    def fitted(fit, judge):
        assert not set(group[fit]) & set(group[judge])
        seen[judge] += 1
        return judge

    score = measure.out_of_fold(label, group, fitted, 2)
    assert (seen == 2).all() and (score == np.arange(40)).all()


def test_questions_need_enough_images_of_both_classes():
    table = pd.DataFrame({"label": [0, 1] * 20, "site": ["a"] * 30 + ["b"] * 10, "view": "PA"})
    assert list(within.questions(table)) == [EVERYTHING, "site a only", "view PA only"]


def test_a_recipe_that_weighs_sources_or_views_is_trained_on_the_collection_too(honest):
    table = collection.of(honest)
    bank = FeatureBank(honest, table)
    for kind in ("sources", "views"):
        run = changed(honest, class_weights=kind, epochs=1)
        found = next(within.by_recipe(run, table, bank))
        assert 0 <= found["auc"] <= 1 and found["recipe"] == "the profile's"


def test_a_site_left_out_lends_no_case_to_the_fit(honest):
    table = collection.of(honest)
    probes = list(within.of_pictures(FeatureBank(honest, table), table, [WHOLE]))
    rows = list(within.leave_one_site_out(table, probes))
    assert {row["site"] for row in rows} == {"site 0", "site 1", "site 2"}
    known = (table.site != "").sum()
    for row in rows:
        assert row["fitted_on"] + row["positives"] + row["negatives"] == known
        assert row["auc"] > 0.8


@pytest.fixture
def data(honest, tmp_path):
    """What candidates are trained on, with another hospital's images whose one class is all bright."""
    for name, bright in (("covid", 0), ("non", 90)):  # the other way round
        for i in range(6):
            draw(tmp_path / "elsewhere" / name / f"{name}-{i}.png", 7000 + i + 100 * bright, bright)
    run = Run(changed(honest.profile, external=str(tmp_path / "elsewhere")))
    return training_data.Data(training_data.images_of(run, collection.of(run)), None)


def test_no_image_that_tests_is_trained_on(data, monkeypatch):
    """Neither another hospital's, nor a case in the fold that is scored, in any way to train."""
    assert data.external.sum() == 12
    monkeypatch.setattr(training_data, "REPEATS", 1)
    part = data.of[data.inside]
    folds = StratifiedGroupKFold(measure.FOLDS, shuffle=True, random_state=0)
    parts = list(folds.split(part, part.label, part.group))
    for trained_on in training_data.TRAINED_ON:
        (repeat,), sites, whole = data.splits(trained_on)
        for split, (_, test) in zip(repeat, parts, strict=True):
            assert data.of.index[split.test].equals(part.index[test])
        for split in [*repeat, *sites, whole]:
            assert len(split.fit) and not data.external[split.fit].any()
            assert not {*data.of.group.iloc[split.fit]} & {*data.of.group.iloc[split.test]}
        values = np.random.default_rng(0).standard_normal((len(data.of), 4))
        assert np.isfinite(data.scores(values, trained_on, "network").held).all()


def test_sources_and_classes_weigh_the_same(data):
    of = data.of[data.allowed("both")].reset_index(drop=True)
    weight = pd.Series(training_data.weights(of)).groupby([of.source, of.label]).sum()
    assert np.allclose(weight, weight.iloc[0]) and len(weight) == 3
    assert set(weight.index) == {("collection", 0), ("collection", 1), ("other", 0)}


def test_the_choice_is_the_worst_of_three_and_asks_no_other_hospital():
    table = pd.DataFrame({
        "within": [0.9, 0.8, 0.7], "site": [0.5, 0.7, 0.7], "border": [0.5, 0.45, 0.2],
        "frame": [0.4, 0.5, 0.3], "external": [0.9, 0.2, 0.9], "trained_on": list("abc"),
    })  # fmt: skip
    assert training_data.criterion(table).tolist() == pytest.approx([0.5, 0.7, 0.7])
    assert training_data.chosen(table) == 1
    assert training_data.chosen(table.assign(external=[1, 0, 1])) == 1
    assert training_data.chosen(table.assign(site=np.nan)) == 0
