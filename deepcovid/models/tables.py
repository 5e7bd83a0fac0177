"""The tables of notebook 03: the recipe, and how its trainings ended."""

import pandas as pd

from deepcovid.metrics.tables import NETWORKS, mean_and_range

Histories = dict[tuple[str, int], pd.DataFrame]


def ends_by_model(histories: Histories) -> pd.DataFrame:
    """How the trainings of each model ended: the mean over its seeds, and the range of several."""
    last = pd.concat([
        history.groupby("phase").tail(1).assign(model=model, seed=seed)
        for (model, seed), history in histories.items()
    ])  # fmt: skip
    by_model = last.groupby("model", sort=False)
    found = by_model.agg(seeds=("seed", "nunique"), epochs=("epoch", "max"))
    for phase, measure in (("train", "loss"), ("train", "accuracy"), ("validation", "loss"),
                           ("validation", "accuracy"), ("validation", "auc")):  # fmt: skip
        name = f"{phase} {measure}".replace("train ", "training ").replace("auc", "AUC")
        found[name] = last[last.phase == phase].groupby("model")[measure].agg(mean_and_range)
    return found.rename(NETWORKS).rename_axis("network")


def recipe(notes: dict[tuple[str, int], dict]) -> pd.DataFrame:
    """The settings that trainings have, and where their networks came from: `training.json` of each."""
    recipes = pd.DataFrame([note["made_from"]["recipe"] for note in notes.values()], dtype=object)
    words = recipes.map(lambda value: ", ".join(value) if isinstance(value, list) else f"{value}")
    rows = {name.replace("_", " "): ", ".join(words[name].unique()) for name in words}
    for (model, _), note in notes.items():
        weights = note["weights"].get("file") or note["weights"]["kind"]
        rows[f"first weights of {NETWORKS[model]}"] = weights
    images = pd.DataFrame([note["images"] for note in notes.values()])
    for phase in images:
        rows[f"{phase} images"] = ", ".join(sorted({f"{number:,}" for number in images[phase]}))
    return pd.Series(rows).rename_axis("setting").to_frame("value")
