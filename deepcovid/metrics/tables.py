"""The tables of a run that a reader sees, and the files that they are read from."""

from itertools import combinations
from pathlib import Path

import pandas as pd

from deepcovid.metrics.evaluation import n_hits_for_sensitivity, read_scores
from deepcovid.metrics.intervals import delong_test, format_ci, format_ci_from_row
from deepcovid.metrics.published import VERDICTS
from deepcovid.plots import name_of
from deepcovid.runs import RESULTS, UserError, read_json


def committed(name: str) -> dict:
    """A committed JSON file by its path in `results/`; empty where it is not there."""
    path = RESULTS / name
    return read_json(path) if path.is_file() else {}


def absent(*names: str) -> str:
    """Which of these paths in `results/` are not there, and how they come, in Markdown; or nothing."""
    lacking = ", ".join(f"`results/{name}`" for name in names if not (RESULTS / name).exists())
    return f"Not here: {lacking}. `results/README.md` says how it is made." if lacking else ""


def delong_table(tables: dict[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """DeLong's test of every pair of models and seeds, from their scores of the same images."""
    rows = {}
    for (a, first), (b, second) in combinations(tables.items(), 2):
        both = first.merge(second, on=["image", "label"], validate="one_to_one")
        if len(both) < max(len(first), len(second)):
            raise UserError(
                f"{name_of(*a, tables)} and {name_of(*b, tables)} were not scored on the same images."
            )
        rows[f"{name_of(*a, tables)} - {name_of(*b, tables)}"] = delong_test(
            both.label, both.score_x, both.score_y
        )
    return pd.DataFrame(rows).T


def with_intervals(row: dict, *names: str) -> dict:
    return {key: row[key] for name in names for key in (name, f"{name}_low", f"{name}_high")}


def metrics_table(path: Path) -> pd.DataFrame:
    """`metrics.csv` for a reader: one column a quantity, with its interval."""
    table = pd.read_csv(path, dtype={"seed": "Int64"})
    shown = table[["model", "seed", "weights"]].copy()

    def with_interval(name):
        columns = table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)
        return [format_ci(*one) if pd.notna(one[0]) else "" for one in columns]

    shown["ROC AUC"] = with_interval("auc")
    shown["threshold"] = table.threshold.map("{:.3g}".format, na_action="ignore")
    shown["sensitivity"] = with_interval("sensitivity")
    shown["specificity"] = with_interval("specificity")
    shown["average precision"] = table.average_precision.map("{:.3f}".format, na_action="ignore")
    shown["specificity at 98% sensitivity"] = [
        "" if pd.isna(row.auc) else
        f"{row.specificity_at_98_sensitivity:.3f} ({n_hits_for_sensitivity(int(row.tp + row.fn))} of "
        f"{row.tp + row.fn:.0f} found)"
        for row in table.itertuples()
    ]  # fmt: skip
    return shown.astype(object).where(shown.notna(), "")


def of_seeds(folder: Path, name: str) -> dict[tuple[str, int], Path]:
    """The files called `name` of all models in a folder by (model, seed), in their order."""
    found = {}
    for path in folder.glob(f"*/seed*/{name}"):
        found[path.parts[-3], int(path.parts[-2].removeprefix("seed"))] = path
    return dict(sorted(found.items()))


def scores_of(folder: Path) -> dict[tuple[str, int], pd.DataFrame]:
    """All scores in a run's or a published folder, by (model, seed)."""
    return {key: read_scores(path) for key, path in of_seeds(folder, "scores.csv").items()}


def tables_of(folder: Path, name: str) -> dict[tuple[str, int], pd.DataFrame]:
    """The tables called `name` of all models in a folder, by (model, seed)."""
    return {key: pd.read_csv(path) for key, path in of_seeds(folder, name).items()}


def summaries(folder: Path, keys=None) -> list[dict]:
    """The contents of `metrics.json` in a run's or a published folder: all, or of (model, seed)s."""
    found = of_seeds(folder, "metrics.json")
    return [read_json(found[key]) for key in keys or found]


def intervals(rows: list[dict]) -> pd.DataFrame:
    """95% intervals of each model that count images, beside those that resample patients.

    `rows` are the contents of `metrics.json` files; where patients are not known, images are
    resampled, and the column says so.
    """
    cells = {}
    for row in rows:
        resampled = "by patient" if "by_patient" in row else "by image, resampled"
        found = row.get("by_patient") or row["by_image"]
        for name in ("auc", "sensitivity", "specificity"):
            cells[row["model"], row["seed"], name] = {
                "value": row[name],
                "by image": f"{row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f}",
                resampled: "{:.3f} to {:.3f}".format(*found[name]),
            }
    return pd.DataFrame(cells).T.rename_axis(["model", "seed", "quantity"])


def answer(rows: list[dict]) -> str:
    """What models reach on the test images, as a list in Markdown, from their `metrics.json`."""
    images = sum(rows[0][key] for key in ("tp", "fn", "fp", "tn"))
    patients = f" of {rows[0]['patients']:,} patients" if "patients" in rows[0] else ""
    keys = [(row["model"], row["seed"]) for row in rows]
    lines = [
        f"On {images:,} test images{patients}, {rows[0]['tp'] + rows[0]['fn']:,} of them COVID-19, "
        "with 95% intervals:\n"
    ]
    for key, row in zip(keys, rows, strict=True):
        lines.append(
            f"- **{name_of(*key, keys)}**: ROC AUC {format_ci_from_row(row, 'auc')}; at its threshold, "
            f"{row['threshold']:.3g}, sensitivity {format_ci_from_row(row, 'sensitivity')} "
            f"and specificity {format_ci_from_row(row, 'specificity')}."
        )
    return "\n".join(lines)


def claims_told(comparison: pd.DataFrame) -> str:
    """How many published claims have which verdict, from `published.compare`."""
    said = list(comparison.verdict.str.split(":").str[0])
    counts = [f"**{said.count(verdict)} {verdict}**" for verdict in VERDICTS if verdict in said]
    return f"of {len(comparison)} published claims " + ", ".join(counts)


def control_told(folder: Path) -> str:
    """The best of the untrained backbones in a published folder, as a sentence; `` without one."""
    path = folder / "metrics.csv"
    if not path.is_file():
        return ""
    best = pd.read_csv(path).sort_values("auc", na_position="first").iloc[-1]
    return (
        f"An untrained {best.model} with a fitted last layer reaches ROC AUC "
        f"{format_ci_from_row(best, 'auc')} on the same images, so a high score on them is "
        "little evidence of learning the disease."
    )


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
