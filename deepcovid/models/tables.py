"""The tables of notebook 03: the recipe, and how its trainings ended."""

import pandas as pd

Histories = dict[tuple[str, int], pd.DataFrame]


def ends(histories: Histories) -> pd.DataFrame:
    """The last epoch of each phase, of histories by (model, seed)."""
    rows = [
        history.groupby("phase").tail(1).assign(model=model, seed=seed)
        for (model, seed), history in histories.items()
    ]
    return pd.concat(rows).set_index(["model", "seed", "phase"])


def ends_by_model(histories: Histories) -> pd.DataFrame:
    """How the trainings of each model ended: the mean over its seeds, and the range of several."""
    last = ends(histories).reset_index()
    found = {
        "seeds": last.groupby("model").seed.nunique(),
        "epochs": last.groupby("model").epoch.max(),
    }
    for phase, measure, name in (
        ("train", "loss", "training loss"), ("train", "accuracy", "training accuracy"),
        ("validation", "loss", "validation loss"), ("validation", "accuracy", "validation accuracy"),
        ("validation", "auc", "validation AUC"),
    ):  # fmt: skip
        found[name] = last[last.phase == phase].groupby("model")[measure].agg(mean_and_range)
    return pd.DataFrame(found).loc[list(dict.fromkeys(model for model, _ in histories))]


def mean_and_range(values: pd.Series) -> str:
    """`0.011 (0.010 to 0.012)`, or the one value there is."""
    if len(values) == 1:
        return f"{values.iloc[0]:.3f}"
    return f"{values.mean():.3f} ({values.min():.3f} to {values.max():.3f})"


def recipe(notes: dict[tuple[str, int], dict]) -> pd.DataFrame:
    """The settings that trainings have, and where their networks came from: `training.json` of each."""
    settings = pd.DataFrame([note["made_from"]["recipe"] for note in notes.values()]).map(plain)
    rows = {name.replace("_", " "): ", ".join(column.unique()) for name, column in settings.items()}
    for (model, _), note in notes.items():
        weights = note["weights"]
        rows[f"first weights of {model}"] = weights.get("file") or weights["kind"]
    for phase in next(iter(notes.values()))["images"]:
        found = {f"{note['images'][phase]:,}" for note in notes.values()}
        rows[f"{phase} images"] = ", ".join(sorted(found))
    return pd.Series(rows).rename_axis("setting").to_frame("value")


def plain(value) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else f"{value}"
