"""The tables of a run that a reader sees, and the files that they are read from."""

from itertools import combinations
from pathlib import Path

import pandas as pd

from deepcovid.metrics.intervals import delong_test
from deepcovid.runs import UserError, read_json


def delong_table(tables: dict[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """DeLong's test of every pair of models, from their scores of the same images."""
    rows = {}
    for (a, first), (b, second) in combinations(tables.items(), 2):
        both = first.merge(second, on=["image", "label"], validate="one_to_one")
        if len(both) < max(len(first), len(second)):
            raise UserError(f"{a} and {b} were not scored on the same images.")
        rows[f"{a[0]} - {b[0]}"] = delong_test(both.label, both.score_x, both.score_y)
    return pd.DataFrame(rows).T


def with_intervals(row: dict, *names: str) -> dict:
    return {key: row[key] for name in names for key in (name, f"{name}_low", f"{name}_high")}


def metrics_table(path: Path) -> pd.DataFrame:
    """`metrics.csv` for a reader: one column a quantity, with its interval."""
    table = pd.read_csv(path, dtype={"seed": "Int64"})
    shown = table[["model", "seed", "weights"]].copy()

    def with_interval(name):
        columns = table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)
        return [
            f"{value:.3f} ({low:.3f} to {high:.3f})" if pd.notna(value) else ""
            for value, low, high in columns
        ]

    shown["ROC AUC"] = with_interval("auc")
    shown["threshold"] = table.threshold.map("{:.3g}".format, na_action="ignore")
    shown["sensitivity"] = with_interval("sensitivity")
    shown["specificity"] = with_interval("specificity")
    shown["average precision"] = table.average_precision.map("{:.3f}".format, na_action="ignore")
    at_98 = table.specificity_at_98_sensitivity
    shown["specificity at 98% sensitivity"] = at_98.map("{:.3f}".format, na_action="ignore")
    return shown.astype(object).where(shown.notna(), "")


def scores_of(folder: Path) -> dict[tuple[str, int], pd.DataFrame]:
    """All scores in a run's or a published folder, by (model, seed)."""
    return tables_of(folder, "scores.csv")


def tables_of(folder: Path, name: str) -> dict[tuple[str, int], pd.DataFrame]:
    """The tables called `name` of all models in a folder, by (model, seed)."""
    paths = sorted(folder.glob(f"*/seed*/{name}"))
    return {(p.parts[-3], int(p.parts[-2].removeprefix("seed"))): pd.read_csv(p) for p in paths}


def summaries(folder: Path) -> list[dict]:
    """The contents of all `metrics.json` of a run's or a published folder."""
    return [read_json(path) for path in sorted(folder.glob("*/seed*/metrics.json"))]


def intervals(folder: Path) -> pd.DataFrame:
    """95% intervals of each model that count images, beside those that resample patients."""
    rows = {}
    for row in summaries(folder):
        for name in ("auc", "sensitivity", "specificity"):
            rows[row["model"], row["seed"], name] = {
                "value": row[name],
                "by image": f"{row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f}",
                "by patient": "{:.3f} to {:.3f}".format(*row["by_patient"][name]),
            }
    return pd.DataFrame(rows).T.rename_axis(["model", "seed", "quantity"])


def across_seeds(folder: Path) -> pd.DataFrame:
    """Mean and range over the seeds of each model's main numbers, from `metrics.csv`."""
    names = [
        "auc",
        "average_precision",
        "sensitivity",
        "specificity",
        "specificity_at_98_sensitivity",
    ]
    table = pd.read_csv(folder / "metrics.csv").dropna(subset="auc")
    return table.groupby("model", sort=False)[names].agg(["mean", "min", "max"])
