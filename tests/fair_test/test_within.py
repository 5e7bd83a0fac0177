"""Folds keep cases whole, and what judges never chooses."""

import numpy as np
import pandas as pd
import pytest
from conftest import changed, draw

from deepcovid.fair_test import collection, training_data, within
from deepcovid.fair_test.names import EVERYTHING
from deepcovid.models.run import Run
from deepcovid.shortcuts import probing
from deepcovid.shortcuts.ablations import WHOLE
from deepcovid.shortcuts.encoders import FeatureBank
from deepcovid.shortcuts.probing import Candidate


def test_questions_need_enough_images_of_both_classes():
    table = pd.DataFrame({"label": [0, 1] * 20, "site": ["a"] * 30 + ["b"] * 10, "view": "PA"})
    table["group"] = table.index.astype(str)
    found = within.questions(table)
    assert list(found) == [EVERYTHING, "site a only", "view PA only"]
    assert [rows.sum() for rows in found.values()] == [40, 30, 40]
    table.loc[table.site == "a", "group"] = "one case"
    assert list(within.questions(table)) == [EVERYTHING, "view PA only"]


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
    assert all(row["auc"] > 0.8 for row in rows)
    for site, fit, test in within.left_out(table, (table.site != "").to_numpy()):
        assert len(fit) + test.sum() == (table.site != "").sum()
        assert not (table.site.iloc[fit] == site).any() and (table.site[test] == site).all()


@pytest.fixture
def data(honest, tmp_path):
    """What candidates are trained on, with another hospital's images whose one class is all bright."""
    for name, bright in (("covid", 0), ("non", 90)):  # the other way round
        for i in range(6):
            draw(tmp_path / "elsewhere" / name / f"{name}-{i}.png", 7000 + i + 100 * bright, bright)
    run = Run(changed(honest.profile, external=str(tmp_path / "elsewhere")))
    of = training_data.images_of(run, collection.of(run))
    return training_data.Data(of, None, run.profile.models)


def test_no_image_that_tests_is_trained_on(data, monkeypatch):
    """Neither another hospital's, nor a case in the fold that is scored, in any way to train."""
    assert data.external.sum() == 12
    monkeypatch.setattr(data, "repeats", 1)
    fits, real = [], probing.fit_score

    def recorded(values, label, fit, test, kind, weight):
        assert weight(fit).shape == fit.shape
        fits.append((fit, np.arange(len(label))[test]))
        return real(values, label, fit, test, kind, weight)

    monkeypatch.setattr(probing, "fit_score", recorded)
    values = np.random.default_rng(0).standard_normal((len(data.of), 4))
    for trained_on in training_data.TRAINED_ON:
        candidate = Candidate(trained_on, "resnet18", ("none",))
        scores = data.scores(candidate, values, "logistic")
        assert np.isfinite(scores.held).all() and scores.held.shape == (1, data.scored.sum())
        *folds, (fit, _) = fits
        assert not data.external[fit].any() and data.fitted(candidate)[fit].all()
        assert sorted(np.concatenate([test for _, test in folds])) == [*np.flatnonzero(data.scored)]
        for fit, test in folds:
            assert len(fit) and not data.external[fit].any()
            assert not {*data.of.group.iloc[fit]} & {*data.of.group.iloc[test]}
        fits.clear()


def test_sources_and_classes_weigh_the_same(data):
    candidate = Candidate("both", "resnet18", ("none",))
    rows = np.flatnonzero(data.fitted(candidate))
    weight, of = pd.Series(data.weights(candidate, rows)), data.of.iloc[rows].reset_index()
    weight = weight.groupby([of.source, of.label]).sum()
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
