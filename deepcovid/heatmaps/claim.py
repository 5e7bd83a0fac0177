"""The paper's claim, put into numbers: its heatmaps contain most of what radiologists marked.

How much a map contains depends on where it is cut, and the paper names no cut. So the claim is
judged over all of them: a map has to contain more of the marks than as much of the lung field does,
and its method must have found what it should on phantoms whose truth is known (`calibration`). This
rule was set on 29 November 2026, after the numbers of a first one were known: the share within one
cut, at `HALF` of a map's largest value, which is still told. The paper's text marks a place where
covering it turns COVID-19 into Non-COVID: there an occlusion map holds more than the score exceeds
0.5 by. No torch.
"""

import numpy as np
import pandas as pd

from deepcovid.heatmaps.agreement import SCORES, captured
from deepcovid.metrics.intervals import patient_interval, predict_positive

SHARES = np.linspace(0, 1, 21)  # of an image, where curves are kept
FAILED, UNKNOWN = "not judged: failed calibration", "not judged: no calibration"
NO_LUNGS = "not judged: no lung masks"
LUNGS, RANDOM, OTHER = "lung field", "random maps", ", another patient's"
TOLD = ("highlighted", "contained", "captured", *SCORES)
KEYS = ["group", "model", "method"]


def curve(heat: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Share of the mask within the map's highest pixels, where they are `SHARES` of the image."""
    pixels, found = captured(heat, mask)
    return np.interp(SHARES * mask.size, pixels, found / mask.sum())


def mean_curve(curves, patient) -> dict[str, list[float]]:
    """Mean of curves (images, SHARES), and its 95% interval at each share, by patients."""
    each = [patient_interval(column, patient) for column in np.transpose(curves)]
    return dict(zip(("values", "low", "high"), np.transpose(each).tolist(), strict=True))


def turned(heat: np.ndarray, mask: np.ndarray, score: float) -> dict[str, float]:
    """`turned` and `turned_area`: what the text's rule highlights, of the mask and of the image.

    Nothing where `score`, P(COVID-19), calls no COVID-19 that could turn.
    """
    if not predict_positive(score, 0.5):
        return {}
    region = heat > score - 0.5
    return {"turned": float(region[mask].mean()), "turned_area": float(region.mean())}


def table(found: dict, of: str = "rows") -> pd.DataFrame:
    """A row for each group, model, method and image, from `heatmaps.json`; empty where none is.

    `rows`: what maps contain of the lesions. `zones`: `rho`, how they follow the zones' grades.
    The model is `""` where a method needs none.
    """
    given = found.get("lesions") or {"images": {}, "rows": {}, "zones": {}}
    rows = pd.DataFrame(
        given[of] or {key: [] for key in (*KEYS, "severity", "image", "rho", *TOLD)}
    )
    patients = [
        given["images"][g]["patient"][int(i)] for g, i in zip(rows.group, rows.image, strict=True)
    ]
    return rows.assign(patient=patients)


def mean_ci(table: pd.DataFrame, by: list[str], column: str) -> pd.DataFrame:
    """Mean of a column and its 95% interval, by patients, for each group of rows."""
    rows = [
        [*key, len(part), part.patient.nunique(), *patient_interval(part[column], part.patient)]
        for key, part in table.groupby(by, sort=False)
    ]
    return pd.DataFrame(rows, columns=[*by, "images", "patients", "mean", "low", "high"])


def zone_numbers(found: dict) -> pd.DataFrame:
    """Mean `rho` and its 95% interval, by patients, for each group, severity, model and method."""
    return mean_ci(table(found, "zones"), ["group", "severity", "model", "method"], "rho")


def calibrated(found: dict) -> dict[str, bool]:
    """Which methods found what each phantom network was taught, by the first word of their names.

    A method has where its peaks lie in the lesion, and in the marker, more often than random maps'
    (above the upper end of their 95%). Empty where a run holds no calibration.
    """
    passed = {}
    for taught, of in found.get("calibration", {}).items():
        methods = of["agreement"][taught]
        *_, chance = methods[RANDOM]["pointing"]
        for method in methods.keys() - {RANDOM}:
            passed[method] = passed.get(method, True) and methods[method]["pointing"][0] > chance
    return passed


def gains(found: dict, group: str = "test") -> pd.DataFrame:
    """What the maps of each model contain of what was marked, and how much more than rivals.

    `captured`: over all cuts, the mean share of the marks in as much of the image; its gain image
    by image over the lung field (`over_lungs`) and over another patient's map (`over_other`): each
    mean, low, high by patients. `lungs`, `other`: what these capture, on average. `verdict`: on the
    paper's claim. At one cut: `highlighted`, and `contained` (mean, low, high).
    """
    each, rows, passed = table(found), [], calibrated(found)
    each = each[each.group == group]
    maps = each[(each.model != "") & ~each.method.str.endswith(OTHER)]
    for (model, method), part in maps.groupby(["model", "method"], sort=False):
        row = {
            "model": model, "method": method, "images": len(part),
            "patients": part.patient.nunique(),
            "captured": patient_interval(part.captured, part.patient),
            "highlighted": part.highlighted.mean(),
            "contained": patient_interval(part.contained, part.patient),
        }  # fmt: skip
        for name, key in {"lungs": ("", LUNGS), "other": (model, method + OTHER)}.items():
            rival = each[(each.model == key[0]) & (each.method == key[1])]
            theirs = part.image.map(rival.set_index("image").captured)
            there = theirs.notna()
            row[name] = theirs.mean()
            row[f"over_{name}"] = difference(
                part.captured[there], theirs[there], part.patient[there]
            )
        rows.append(
            row | {"verdict": verdict(passed.get(method.split()[0]), *row["over_lungs"][1:])}
        )
    return pd.DataFrame(rows)


def by_run(found: dict) -> dict[str, pd.DataFrame]:
    """What follows for the paper's claim, as a run's files `claims.csv` and `zones.csv` have it.

    `gains`, each mean with its `_low` and `_high`, and `zone_numbers`; nothing without lesions.
    """
    each = gains(found) if len(table(found)) else []
    if not len(each):
        return {}
    for name in ("captured", "over_lungs", "over_other", "contained"):
        each[[name, f"{name}_low", f"{name}_high"]] = each.pop(name).tolist()
    return {"claims.csv": each, "zones.csv": zone_numbers(found)}


def difference(ours, theirs, patient) -> list[float]:
    """Mean difference of pairs with its 95% interval by patients; NaN of none."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    return patient_interval(ours - theirs, patient) if len(ours) else [np.nan] * 3


def verdict(passed: bool | None, low: float, high: float) -> str:
    """On the claim, by the interval of the gain over the lung field, for a method that is calibrated."""
    if not passed:
        return UNKNOWN if passed is None else FAILED
    if np.isnan(low):
        return NO_LUNGS
    return "holds" if low > 0 else "does not hold" if high < 0 else "open"


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
    keys = ["mask", "method", "score"]
    each = agreement_table(found).rename(columns={"score": "p"})
    each = each.melt([*keys[:2], "patient"], list(SCORES), "score")
    chance = [[mask, RANDOM, score, *found["random_maps"][mask][score]]
              for mask in each["mask"].unique() for score in SCORES]  # fmt: skip
    means = mean_ci(each, keys, "value").drop(columns=["images", "patients"])
    return pd.concat([means, pd.DataFrame(chance, columns=[*keys, "mean", "low", "high"])])


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
