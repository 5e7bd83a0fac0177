"""The ablation's cells: what each setting of a recipe means, and which trainings are planned."""

from dataclasses import replace
from itertools import product

import pandas as pd

from deepcovid.profiles import Profile

# what each factor of the ablation means in a profile's settings; the failure's level comes first
LEVELS = {
    "optimiser": {
        "SGD, steps": {"optimizer": "sgd", "momentum": 0.9, "schedule": "step_first"},
        "SGD, constant": {"optimizer": "sgd", "momentum": 0.9, "schedule": "constant"},
        "Adam": {"optimizer": "adam", "momentum": 0.0, "schedule": "constant"},
    },
    "positives": {"originals": {}, "augmented": {}},
    "classes": {
        "unweighted": {"class_weights": "none"},
        "balanced": {"class_weights": "balanced"},
    },
    "crop": {"random": {"train_crop": "random"}, "none": {"train_crop": "none"}},
    "batch_norm": {"train": {"batch_norm": "train"}, "eval": {"batch_norm": "eval"}},
    "weights": {"pretrained": {}, "random": {}},
}
FACTORS = ("optimiser", "positives", "classes", "crop")
EPOCHS = (1, 2, 4, 7, 14, 24, 50, 100, 150)  # after which a training is looked at
FAILED = {
    "weights": "pretrained",
    "optimiser": "SGD, steps",
    "positives": "originals",
    "classes": "unweighted",
    "crop": "random",
    "batch_norm": "eval",
    "epochs": 24,
}
CELL = ("backbone", *FAILED, "seed")


def cell(backbone: str, seed: int = 0, **levels) -> dict:
    """The failed recipe with other levels, or another number of epochs: one training."""
    found = FAILED | levels | {"backbone": backbone, "seed": seed}
    return {key: found[key] for key in CELL}


def factorial(levels: dict[str, tuple], seeds, **fixed) -> list[dict]:
    """All combinations of `levels` and seeds as cells; the rest as in the failed attempt.

    Seeds vary slowest, so that a stopped ablation holds whole replicates.
    """
    return [
        cell(**fixed | dict(zip(levels, values, strict=True)), seed=seed)
        for seed, *values in product(seeds, *levels.values())
    ]


def plan(backbones=("squeezenet", "resnet50"), seeds=(0, 1, 2)) -> list[dict]:
    """The cells of the committed ablation, the important ones first.

    ResNet-50, whose head is cheap to train: optimiser x positives x class weights x crop, the same
    on a random backbone without crops, the schedule alone, 150 epochs, and batch norm in train
    mode. SqueezeNet: one change of the failed recipe at a time, then the factorial. Both: the failed
    recipe's first epoch for ten seeds.
    """
    both = ("SGD, steps", "Adam")
    two = {name: tuple(LEVELS[name]) for name in ("positives", "classes")}
    three = {"optimiser": tuple(LEVELS["optimiser"])}
    crops = {"crop": ("none", "random")}
    found = []
    if "resnet50" in backbones:
        whole = {"backbone": "resnet50", "crop": "none"}
        found += factorial(three | two | {"weights": tuple(LEVELS["weights"])}, seeds, **whole)
        found += factorial(three, seeds, **whole, epochs=150)
        found += factorial({"optimiser": both}, seeds, **whole, batch_norm="train")
        found += factorial({"optimiser": both, **two}, seeds, backbone="resnet50")
        found += factorial({"optimiser": ("SGD, constant",)}, seeds, backbone="resnet50")
        found += factorial({}, range(10), backbone="resnet50", epochs=1)
    if "squeezenet" in backbones:
        found += factorial({}, range(10), backbone="squeezenet", epochs=1)
        full = factorial({**three, **two, **crops}, seeds, backbone="squeezenet")
        found += sorted(full, key=lambda c: sum(c[k] != FAILED[k] for k in FACTORS) > 1)
    return found


def recipe(profile: Profile, cell: dict) -> Profile:
    """The profile that trains a cell: the run's, with the settings that the cell's levels mean."""
    settings = {}
    for factor, levels in LEVELS.items():
        settings |= levels[cell[factor]]
    return replace(profile, **settings, epochs=cell["epochs"], trainable="head", selection="last")


def story(profile: Profile, training: pd.DataFrame) -> dict[str, dict]:
    """Cells that tell the failure and its mending on a run's own images, by what they are called.

    They use the run's first model whose head is cheap. Where `training`, the run's table, holds no
    augmented positives, the cells that need them are left out.
    """
    backbone = next((m for m in profile.models if m != "squeezenet"), profile.models[0])
    changes = {
        "failed recipe": {},
        "augmented positives": {"positives": "augmented"},
        "class weights": {"classes": "balanced"},
        "whole images": {"crop": "none"},
        "constant rate": {"optimiser": "SGD, constant"},
        "Adam": {"optimiser": "Adam"},
        "paper's recipe": {"optimiser": "Adam", "positives": "augmented", "crop": "none"},
    }
    if (training.augmented_from == "").all():
        changes = {k: v for k, v in changes.items() if v.get("positives") != "augmented"}
        changes["Adam, whole images"] = {"optimiser": "Adam", "crop": "none"}
    seed = profile.seeds[0]
    return {name: cell(backbone, seed, **change) for name, change in changes.items()}
