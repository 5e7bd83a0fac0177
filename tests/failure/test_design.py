import dataclasses
import json

import pytest
from conftest import changed

from deepcovid import profiles
from deepcovid.data import augmentation
from deepcovid.failure import design
from deepcovid.failure.design import FACTORS, LEVELS, cell
from deepcovid.profiles import MODELS


def test_a_factorial_has_every_combination_once_and_whole_replicates_first():
    levels = {"optimiser": ("SGD, steps", "Adam"), "crop": ("random", "none")}
    cells = design.factorial(levels, (0, 1), backbone="resnet18")
    assert len({json.dumps(c) for c in cells}) == len(cells) == 8
    assert [c["seed"] for c in cells] == [0] * 4 + [1] * 4
    assert all(set(c) == set(design.CELL) and c["classes"] == "unweighted" for c in cells)


def test_the_plan_names_no_cell_twice_and_knows_every_level():
    cells = design.plan(MODELS)
    assert len({json.dumps(c) for c in cells}) == len(cells)
    assert all(c[factor] in levels for c in cells for factor, levels in LEVELS.items())
    ours = [c for c in cells if c["seed"] == 0 and c["backbone"] == "squeezenet"]
    assert sum(c["epochs"] == 24 for c in ours) == 24


def test_the_attempts_own_network_comes_first_with_every_combination():
    cells = design.plan(("squeezenet", "resnet18"), (0, 1, 2))
    whole = cells[: 3 * 2**4 * 3]
    assert {c["backbone"] for c in whole} == {"resnet18"} and {c["epochs"] for c in whole} == {24}
    seen = {tuple(c[factor] for factor in FACTORS) for c in whole}
    assert len(seen) == 3 * 2**4
    assert cell("resnet18") in whole  # the failed recipe, batch norm in train mode


@pytest.mark.parametrize("name", MODELS)
def test_any_of_the_four_networks_may_be_planned(name):
    cells = design.plan((name,), (0,))
    assert cells and {c["backbone"] for c in cells} == {name}
    assert {c["optimiser"] for c in cells} == set(LEVELS["optimiser"])


def test_levels_mean_what_the_profiles_say():
    failed = profiles.load("failed")
    recipe = design.recipe(failed, cell("resnet18", batch_norm="train", epochs=150))
    assert dataclasses.replace(recipe, selection="test_accuracy") == failed
    paper = profiles.load("paper")
    levels = design.PAPER | {"epochs": 100}
    assert (
        design.recipe(failed, cell("resnet18", **levels)).settings()
        | {
            "name": "paper",
            "augment_positives": "release",
            "validation_fraction": paper.validation_fraction,
            "threshold": paper.threshold,
        }
        == paper.settings()
    )


def test_demo_cells_without_augmented_positives_leaves_them_out(run):
    assert "augmented positives" in design.demo_cells(run.profile, run.training)
    fewer = changed(run, augment_positives=1)
    augmentation.run(fewer.profile)
    cells = design.demo_cells(fewer.profile, fewer.training)
    assert cells["the failed recipe"]["positives"] == "originals"
    assert all(c["positives"] == "originals" for c in cells.values())
    assert "pretrained batch norm" not in cells  # SqueezeNet has none
    other = changed(fewer, models=("squeezenet", "resnet18"))
    assert "pretrained batch norm" in design.demo_cells(other.profile, other.training)
