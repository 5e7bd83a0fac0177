"""The ablation's cells: what each setting of a recipe means, and which trainings are planned."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import pandas as pd
import yaml

from deepcovid.profiles import MODELS, Profile

DESIGN = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
# of each factor and level its name for a reader, and what it means in a profile's settings
NAMES = {factor: {level: of.pop("name") for level, of in levels.items()}
         for factor, levels in DESIGN["levels"].items()}  # fmt: skip
LEVELS, FACTOR, CHANGES = DESIGN["levels"], DESIGN["factors"], DESIGN["changes"]
FACTORS, PAPER = tuple(FACTOR), CHANGES["the paper's recipe"]
EPOCHS = (1, 2, 4, 7, 14, 24, 50, 100, 150)  # after which a training is looked at
FIRST = {factor: next(iter(LEVELS[factor])) for factor in FACTORS}
FAILED = {"weights": "pretrained", **FIRST, "epochs": 24}
CELL = ("backbone", *FAILED, "seed")


def cell(backbone: str, seed: int = 0, **levels) -> dict:
    """The failed recipe with other levels, or another number of epochs: one training."""
    found = FAILED | levels | {"backbone": backbone, "seed": seed}
    return {key: found[key] for key in CELL}


def factorial(levels: dict[str, tuple], seeds, **fixed) -> list[dict]:
    """All combinations of `levels` and seeds as cells; the rest as in the failed attempt.

    Seeds vary slowest, so that a stopped ablation holds whole replicates.
    """
    found = product(seeds, *levels.values())
    return [cell(**fixed | dict(zip(("seed", *levels), of, strict=True))) for of in found]


def plan(backbones=("resnet18", "resnet50", "squeezenet"), seeds=(0, 1, 2)) -> list[dict]:
    """The cells of the ablation with the given networks, the important ones first.

    ResNet18, the network of the failed attempt: all combinations of the factors; the failed recipe's
    first epoch for ten seeds; 150 epochs under each optimiser. The others are witnesses: SqueezeNet,
    whose head is the most expensive and which has no batch norm, by one change of the failed recipe
    at a time, then by all; those with batch norm on whole images, pretrained and not.
    """
    full = {factor: tuple(LEVELS[factor]) for factor in FACTORS}
    three = {"optimiser": full["optimiser"]}
    found = []
    for name in sorted(backbones, key=MODELS.index):
        still = {"backbone": name, "batch_norm": "eval"}
        whole = still | {"crop": "none"}
        if name == "resnet18":
            found += factorial(full, seeds, backbone=name)
            found += factorial({}, range(10), backbone=name, epochs=1)
            found += factorial(three, seeds, backbone=name, epochs=150)
        elif name == "squeezenet":
            found += factorial({}, range(10), **still, epochs=1)
            every = factorial({k: full[k] for k in FACTORS if k not in still}, seeds, **still)
            base = FAILED | still
            found += sorted(every, key=lambda c: sum(c[k] != base[k] for k in FACTORS) > 1)
        else:
            simple = {k: full[k] for k in FACTORS if k not in whole}
            found += factorial(simple | {"weights": tuple(LEVELS["weights"])}, seeds, **whole)
            found += factorial(three, seeds, **whole, epochs=150)
            both = {"optimiser": ("SGD, steps", "Adam")}
            found += factorial(both, seeds, **whole | {"batch_norm": "train"})
    return found


def recipe(profile: Profile, cell: dict) -> Profile:
    """The profile that trains a cell: the run's, with the settings that the cell's levels mean."""
    settings = {}
    for factor, levels in LEVELS.items():
        settings |= levels[cell[factor]]
    return replace(profile, **settings, epochs=cell["epochs"], trainable="head", selection="last")


def demo_cells(profile: Profile, training: pd.DataFrame) -> dict[str, dict]:
    """The failed recipe and each of `CHANGES` for a run's own images, as cells by their names.

    They use the run's first model whose head is cheap. Where `training`, the run's table, holds no
    augmented positives, the cells that need them are left out.
    """
    backbone = next((m for m in profile.models if m != "squeezenet"), profile.models[0])
    changes = {"the failed recipe": {}, **CHANGES}
    if (training.augmented_from == "").all():
        changes = {k: v for k, v in changes.items() if v.get("positives") != "augmented"}
        changes["the paper's recipe, not augmented"] = PAPER | {"positives": "originals"}
    if backbone == "squeezenet":  # it has no batch norm
        del changes["pretrained batch norm"]
    seed = profile.seeds[0]
    return {name: cell(backbone, seed, **change) for name, change in changes.items()}
