"""Specificity by what the Non-COVID images show, and by the view that they were taken in."""

from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid.io import write_csv
from deepcovid.metrics.evaluation import scores_of
from deepcovid.metrics.intervals import predict_positive, share_interval

COLUMNS = ("model", "chosen_on", "by", "group", "images", "patients", "seeds", "specificity", "low", "high",
           "least", "most")  # fmt: skip


def specificities(
    scores: dict[tuple[str, int], pd.DataFrame], about: pd.DataFrame, points: pd.DataFrame
) -> pd.DataFrame:
    """Specificity on the Non-COVID test images of each group, a row per model, threshold and group.

    `about` has `image`, `finding` (several joined by `; `) and `view`; an image with two findings is
    in both groups. `points` is an `operating_points.csv`, whose thresholds for 98% sensitivity are
    taken. Mean over the seeds, with its 95% interval by resampled patients; `least` and `most` are
    over seeds.
    """
    points = points[points.rule == "sensitivity_98"].drop_duplicates(["model", "seed", "chosen_on"])
    rows = []
    for (model, chosen_on), part in points.groupby(["model", "chosen_on"], sort=False):
        tables = [scores[model, seed] for seed in part.seed]
        tables = [t[(t.split == "test") & (t.label == 0)].set_index("image") for t in tables]
        first = tables[0].join(about.set_index("image")[["finding", "view"]])
        right = np.array([
            ~predict_positive(table.score[first.index], threshold)
            for table, threshold in zip(tables, part.threshold, strict=True)
        ])  # fmt: skip
        for by in ("finding", "view"):
            groups = first[by].fillna("").str.split("; ")
            for group in sorted(set(groups.explode()) - {""}):
                here = np.array([group in found for found in groups])
                own, patient = right[:, here], first.patient[here]
                value, low, high = share_interval(own.mean(axis=0), patient)
                rows.append((model, chosen_on, by, group, len(patient), patient.nunique(), len(own),
                             value, low, high, own.mean(axis=1).min(), own.mean(axis=1).max()))  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write(folder: Path, about: pd.DataFrame) -> None:
    """Write a run's `subgroups.csv` from its scores and operating points."""
    points = pd.read_csv(folder / "operating_points.csv")
    found = specificities(scores_of(folder), about, points)
    write_csv(folder / "subgroups.csv", found, float_format="%.6g")
