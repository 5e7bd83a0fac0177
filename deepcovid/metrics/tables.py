"""The tables of a run that a reader sees, and the files that they are read from."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from deepcovid.metrics.evaluation import (  # noqa: F401  (notebooks read them here)
    n_hits_for_sensitivity,
    of_seeds,
    scores_of,
    summaries,
)
from deepcovid.metrics.intervals import auc, delong_test, format_ci
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


def auc_differences(tables: dict[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """Differences of the models' mean AUCs over seeds, a row per pair of models, with their tests.

    `tables` are scores of the same images by (model, seed). Intervals and `p` (DeLong's test) count
    images of a patient together where patients are known, and the seeds' variance; `p_holm` is
    corrected for the number of pairs. `least` and `most` are over all pairs of single seeds.
    """
    by_model, first = {}, next(iter(tables.values()))
    for key, table in tables.items():
        both = first[["image", "label"]].merge(table, on=["image", "label"], validate="one_to_one")
        if not len(both) == len(first) == len(table):
            raise UserError(
                f"{name_of(*key, tables)} was not scored on the same images as the others."
            )
        by_model.setdefault(key[0], []).append(both.score)
    rows = {}
    for one, other in combinations(by_model, 2):
        scores = np.array(by_model[one]), np.array(by_model[other])
        aucs = [[auc(first.label, each) for each in part] for part in scores]
        single = np.subtract.outer(*aucs)
        rows[f"{one} - {other}"] = {
            **delong_test(first.label, *scores, first.get("patient")),
            "seeds": f"{len(scores[0])} and {len(scores[1])}",
            "least": single.min(), "most": single.max(),
        }  # fmt: skip
    found = pd.DataFrame(rows).T
    if len(found):
        found.insert(5, "p_holm", multipletests(found.p.astype(float), method="holm")[1])
    return found


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


def tables_of(folder: Path, name: str) -> dict[tuple[str, int], pd.DataFrame]:
    """The tables called `name` of all models in a folder, by (model, seed)."""
    return {key: pd.read_csv(path) for key, path in of_seeds(folder, name).items()}


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


def calibration(rows: list[dict]) -> pd.DataFrame:
    """Brier score, calibration slope and intercept of each model, from their `metrics.json`."""
    names = {"brier": 4, "slope": 2, "intercept": 2}
    cells = {}
    for row in rows:
        found = row["calibration"]
        cells[row["model"], row["seed"]] = {
            name: format_ci(*(found[f"{name}{end}"] for end in ("", "_low", "_high")), digits)
            if found.get(f"{name}_low") is not None else "-"
            for name, digits in names.items()
        }  # fmt: skip
    return pd.DataFrame(cells).T.rename_axis(["model", "seed"])


def operating_points_table(path: Path, rule: str = "sensitivity_98") -> pd.DataFrame:
    """`operating_points.csv` for a reader: a row per model and choice of threshold, over its seeds.

    Sensitivity and specificity on test: mean and range over seeds; beside them the least and the
    greatest end of the seeds' 95% intervals by patients.
    """
    points = pd.read_csv(path)
    points = points[(points.rule == rule) & (points.interval == "bootstrap, patients")]
    rows = {}
    for key, part in points.groupby(["model", "chosen_on"], sort=False):
        first = part.iloc[0]
        rows[key] = {
            "COVID-19 images": first.n_positive, "their patients": first.n_patients,
            "guaranteed, by image": f"{first.guaranteed_by_image:.0%}",
            "by patient": f"{first.guaranteed_by_patient:.0%}",
            "seeds": len(part),
        }  # fmt: skip
        for name in ("sensitivity", "specificity"):
            values = part[name]
            rows[key][name] = format_ci(values.mean(), values.min(), values.max())
            low, high = part[f"{name}_low"].min(), part[f"{name}_high"].max()
            rows[key][f"{name}, 95% by patients"] = f"{low:.3f} to {high:.3f}"
    return pd.DataFrame(rows).T.rename_axis(["model", "threshold chosen on"])
