import numpy as np
import pandas as pd
import pytest

from deepcovid.failure import design, effects
from deepcovid.failure.design import FACTORS, LEVELS
from deepcovid.runs import RESULTS


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch):
    monkeypatch.setattr(effects, "DRAWS", 499)


def made_up(noise: float, seeds: int = 4) -> pd.DataFrame:
    """Sensitivity 0.3, +0.4 by Adam, +0.2 by augmented positives, +0.1 more by both."""
    random = np.random.default_rng(0)
    two = {factor: tuple(LEVELS[factor])[:: len(LEVELS[factor]) - 1] for factor in FACTORS}
    rows = []
    for chosen in design.factorial(two, range(seeds), backbone="made up"):
        adam, augmented = chosen["optimiser"] == "Adam", chosen["positives"] == "augmented"
        value = 0.3 + 0.4 * adam + 0.2 * augmented + 0.1 * (adam and augmented)
        rows.append(chosen | {"sensitivity": value + noise * random.standard_normal()})
    return pd.DataFrame(rows).sample(frac=1, random_state=1)


def test_effects_find_what_was_put_in():
    found = effects.effects(made_up(noise=0.02))
    assert list(found.index[:2]) == ["optimiser", "positives"]
    assert found.change["optimiser"] == "SGD, steps -> Adam"
    for term, value in {"optimiser": 0.45, "positives": 0.25}.items():
        row = found.loc[term]
        assert row.least < value < row.most and row.effect == pytest.approx(value, abs=0.01)
        assert (row.trainings, row.pairs, row.rises, row.falls) == (128, 64, 64, 0)
        assert row.p == 1 / (effects.DRAWS + 1)  # no swap of levels came near, and still not 0
        assert row.holm == pytest.approx(5 * row.p)
    rest = found.drop(["optimiser", "positives"])
    assert rest.effect.abs().max() < 0.02 and rest.holm.min() > 0.05


def test_a_p_of_few_pairs_is_exact():
    """Of the 2**4 ways to swap the levels of four pairs only two reach the mean as it was."""
    table = made_up(0.02)
    table = table[(table[["positives", "classes", "crop", "batch_norm"]]
                   == ["originals", "unweighted", "random", "train"]).all(axis=1)]  # fmt: skip
    row = effects.effects(table).loc["optimiser"]
    assert row.pairs == 4 and row.p == row.holm == 2 / 2**4


def test_p_is_below_a_level_no_more_often_than_it_says():
    """Also where many trainings find nothing at all, and the two of a pair share their seed's luck."""
    index = pd.MultiIndex.from_product([range(3), range(8)], names=["seed", "cell"])
    hits = 0
    for draw in range(200):
        random = np.random.default_rng(draw)
        luck = random.standard_normal(3)[index.get_level_values("seed")]
        both = (luck + random.standard_normal((2, 24))).clip(0)
        hits += effects.change(pd.DataFrame(both.T, index))["p"] <= 0.05
    assert 2 <= hits <= 20


def test_each_level_of_a_factor_stands_beside_the_failed_recipes():
    """All 144 trainings are one population: the constant rate was left out of half of the tables."""
    table = made_up(0.0)
    third = table[table.optimiser == "Adam"].assign(optimiser="SGD, constant", sensitivity=0.5)
    found = effects.effects(pd.concat([table, third], ignore_index=True))
    assert set(found.trainings) == {192} and found.pairs.loc["crop"] == 96
    two = found.loc["optimiser"].set_index("change")
    assert two.pairs.tolist() == [64, 64] and two.effect["SGD, steps -> Adam"] == pytest.approx(
        0.45
    )
    assert two.effect["SGD, steps -> SGD, constant"] == pytest.approx(0.1)


def test_a_training_without_its_partner_has_no_say():
    table = made_up(0.0)
    lonely = table[(table.optimiser == "Adam") & (table.seed == 0)].index
    found = effects.effects(table.drop(lonely)).loc["optimiser"]
    assert found.pairs == 48 and found.effect == pytest.approx(0.45)


def test_an_outcome_that_never_changes_has_no_effects():
    table = made_up(0.01).assign(sensitivity=0.3)
    found = effects.effects(table)
    assert len(found) == 5 and (found[["effect", "least", "most"]] == 0).all(axis=None)
    assert (found.p == 1).all() and found.change["crop"] == "random -> none"
    assert effects.effects(table.head(0)).empty


def test_the_published_effects_are_those_of_the_published_trainings(monkeypatch):
    monkeypatch.setattr(effects, "DRAWS", 9)
    made = effects.published(pd.read_csv(RESULTS / "ablation.csv")).reset_index(drop=True)
    there = pd.read_csv(RESULTS / "ablation_effects.csv")
    lucky = ["p", "holm"]  # of random swaps, fewer here
    pd.testing.assert_frame_equal(made.drop(columns=lucky), there.drop(columns=lucky), rtol=1e-4)
    assert there.p.min() >= 1e-4 and set(there[there.backbone == "resnet18"].trainings) == {144, 12}


def test_single_changes_are_of_one_setting_of_the_failed_recipe():
    table = made_up(0.0).assign(after=24, selection="last")
    table = table.assign(**dict.fromkeys(set(effects.MEASURES) - {"sensitivity"}, 0.0))
    one = table.seed == table.seed.min()
    table.loc[one, "sensitivity"] += 0.08
    found = effects.single_changes(table, "made up")
    expected = {
        "the failed recipe": 0.32, "class weights": 0.32, "Adam": 0.72, "augmented positives": 0.52,
        "whole images": 0.32, "pretrained batch norm": 0.32, "the paper's recipe": 1.02,
    }  # fmt: skip
    assert found.sensitivity.round(3).to_dict() == expected  # no constant rate was trained
    assert (found.most - found.least).round(3).eq(0.08).all() and set(found.trainings) == {4}
    whole = effects.single_changes(table, "made up", crop="none", batch_norm="eval")
    assert not {"whole images", "pretrained batch norm"} & set(whole.index)
