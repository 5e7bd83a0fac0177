"""What the rows of `heatmaps.json` come to: means with intervals, by mask and method. No torch."""

import pandas as pd

from deepcovid.heatmaps.agreement import SCORES
from deepcovid.metrics.intervals import patient_interval, predict_positive


def agreement_table(found: dict) -> pd.DataFrame:
    """Agreement of each map of a run, a row each, with the image's patient and score.

    Without rows where no image has a mask.
    """
    about = pd.DataFrame(found["images"])
    given = found["agreement"] or {key: [] for key in ("image", "mask", "method", "area", *SCORES)}
    return pd.DataFrame(given).join(about.drop(columns="image"), on="image")


def numbers(found: dict) -> pd.DataFrame:
    """Agreement of each method, a row per mask, method and score: mean, low, high (95%).

    The intervals of maps resample patients; those of `random maps` are of the means of draws.
    """
    rows = []
    for mask, of in agreement_table(found).groupby("mask", sort=False):
        by_method = {
            method: {name: patient_interval(part[name], part.patient) for name in SCORES}
            for method, part in of.groupby("method", sort=False)
        }
        chance = found["random_maps"][mask]
        by_method["random maps"] = {name: chance[name] for name in SCORES}
        rows += [(mask, method, name, *values) for method, scores in by_method.items()
                 for name, values in scores.items()]  # fmt: skip
    return pd.DataFrame(rows, columns=["mask", "method", "score", "mean", "low", "high"])


def lungs(found: dict) -> pd.DataFrame:
    """Share of each method's map inside the lungs, beside the lungs' share of the image.

    Columns: images, patients, `inside` and `excess` (inside less the lungs' share), each
    (mean, low, high) by patients; `called`: the excess among images with a score from 0.5 on.
    """
    table = agreement_table(found)
    rows = {}
    for method, part in table[table["mask"] == "lung"].groupby("method", sort=False):
        ill = part[predict_positive(part.score, 0.5)]
        rows[method] = {
            "images": len(part),
            "patients": part.patient.nunique(),
            "lung share": part.area.mean(),
            "inside": patient_interval(part["mass"], part.patient),
            "excess": patient_interval(part["mass"] - part.area, part.patient),
            "called": patient_interval(ill["mass"] - ill.area, ill.patient)
            if len(ill)
            else [float("nan")] * 3,
        }
    return pd.DataFrame(rows).T.rename(index=str)
