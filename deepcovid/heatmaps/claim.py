"""The paper's claim, put into numbers: its heatmaps contain most of what radiologists marked.

Two rules say what a map highlights. `HALF` of its largest value is what stands out when a map is
laid over an image as the paper prints it. The paper's text marks a place where covering it turns
COVID-19 into Non-COVID: there an occlusion map holds more than the score exceeds 0.5 by. No torch.
"""

import numpy as np
import pandas as pd

from deepcovid.heatmaps.agreement import SCORES, agreement, captured
from deepcovid.metrics.intervals import patient_interval, predict_positive

HALF, MOST = 0.5, 0.5
SHARES = np.linspace(0, 1, 21)  # of an image, where curves are kept
LUNGS, RANDOM, OTHER = "lung field", "random maps", ", another patient's"
TOLD = ("highlighted", "contained", "captured", *SCORES)
KEYS = ["group", "model", "method"]


def curve(heat: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Share of the mask within the map's highest pixels, where they are `SHARES` of the image."""
    pixels, found = captured(heat, mask)
    return np.interp(SHARES * mask.size, pixels, found / mask.sum())


def scores(heat: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """What a map (height, width) contains of a bool mask that is not empty; all 0 to 1.

    `highlighted`: share of the image that has half of the map's largest value at least; nothing,
    where no value is positive. `contained`: share of the mask within. `captured`: area under the
    share of the mask against the share of the image, over all thresholds; an even map's is 0.5.
    And what `agreement` gives.
    """
    found = agreement(heat, mask)
    region = (heat >= HALF * heat.max()) & (heat > 0)
    pixels, within = captured(heat, mask)
    area = np.trapezoid(within, pixels) / (mask.size * mask.sum())
    return found | {
        "highlighted": float(region.mean()),
        "contained": float(region[mask].mean()),
        "captured": float(area),
    }


def as_much(rival: np.ndarray, mask: np.ndarray, share: float) -> float:
    """Share of the mask that a rival map contains, where it highlights this share of the image."""
    pixels, within = captured(rival, mask)
    return float(np.interp(share * mask.size, pixels, within) / mask.sum())


def turned(heat: np.ndarray, mask: np.ndarray, score: float) -> dict[str, float]:
    """`turned` and `turned_area`: what the text's rule highlights, of the mask and of the image.

    Nothing where `score`, P(COVID-19), calls no COVID-19 that could turn.
    """
    if not predict_positive(score, 0.5):
        return {}
    region = heat > score - 0.5
    return {"turned": float(region[mask].mean()), "turned_area": float(region.mean())}


def needed(values) -> float:
    """Share of the image that has to be highlighted for `MOST` of the marks, by a mean curve."""
    return float(np.interp(MOST, values, SHARES))


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


def numbers(found: dict) -> pd.DataFrame:
    """Mean and 95% interval, by patients, for each group, model, method and score.

    `random maps` have the intervals of means of as many images.
    """
    each = table(found)
    rows = [
        [*key, name, len(part), *patient_interval(part[name], part.patient)]
        for key, part in each.groupby(KEYS, sort=False)
        for name in TOLD
    ]
    for group, of in (found.get("lesions") or {}).get("random_maps", {}).items():
        n = each[each.group == group].image.nunique()
        rows += [[group, "", RANDOM, name, n, *of[name]] for name in TOLD]
    return pd.DataFrame(rows, columns=[*KEYS, "score", "images", "mean", "low", "high"])


def zone_numbers(found: dict) -> pd.DataFrame:
    """Mean `rho` and its 95% interval, by patients, for each group, severity, model and method."""
    keys = ["group", "severity", "model", "method"]
    rows = [
        [*key, len(part), part.patient.nunique(), *patient_interval(part.rho, part.patient)]
        for key, part in table(found, "zones").groupby(keys, sort=False)
    ]
    return pd.DataFrame(rows, columns=[*keys, "images", "patients", "mean", "low", "high"])


def gains(found: dict, group: str = "test") -> pd.DataFrame:
    """What the maps of each model contain of what was marked, and how much more than rivals.

    `contained`, and its gain image by image over as much of the lung field (`over_lungs`) and of
    another patient's map (`over_other`): each mean, low, high. `highlighted`, `as_lungs`,
    `as_other`: means of the map's area and of what the rivals contain in as much of the image.
    `verdict`: on the paper's claim.
    """
    each, rows = table(found), []
    each = each[(each.group == group) & (each.model != "") & ~each.method.str.endswith(OTHER)]
    for (model, method), part in each.groupby(["model", "method"], sort=False):
        contained = patient_interval(part.contained, part.patient)
        row = {"model": model, "method": method, "images": len(part),
               "patients": part.patient.nunique(), "highlighted": part.highlighted.mean(),
               "contained": contained, "verdict": verdict(*contained[1:])}  # fmt: skip
        for rival in ("lungs", "other"):
            there = part.dropna(subset=f"as_{rival}")
            theirs = there[f"as_{rival}"].astype(float)
            row[f"as_{rival}"] = theirs.mean()
            row[f"over_{rival}"] = difference(there.contained, theirs, there.patient)
        rows.append(row)
    return pd.DataFrame(rows)


def difference(ours, theirs, patient) -> list[float]:
    """Mean difference of pairs with its 95% interval by patients; NaN of none."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    return patient_interval(ours - theirs, patient) if len(ours) else [np.nan] * 3


def verdict(low: float, high: float) -> str:
    """Whether a mean share with this interval is `most` of what was marked."""
    return "holds" if low > MOST else "does not hold" if high < MOST else "open"
