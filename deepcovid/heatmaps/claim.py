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

from deepcovid.heatmaps.agreement import MEASURES, SCORES
from deepcovid.metrics.intervals import ci_columns, means_by_patient, patient_interval

FAILED, UNKNOWN = "not judged: failed calibration", "not judged: no calibration"
NO_LUNGS = "not judged: no lung masks"
LUNGS, RANDOM, OTHER = "lung field", "random maps", ", another patient's"
KEYS = ["group", "model", "method"]
# columns of `maps.csv` and `claims.csv`
MAPS = [*KEYS, "mask", "image", "patient", "score", *MEASURES, "turned", "turned_area"]
MEANS = ("highlighted", "lungs", "other")
INTERVALS = ("captured", "over_lungs", "over_other", "contained")
CLAIMS = [*KEYS, "images", "patients", "lung_images", "lung_patients", "verdict", *MEANS,
          *(name + end for name in INTERVALS for end in ("", "_low", "_high"))]  # fmt: skip


def calibrated(phantoms: pd.DataFrame) -> pd.Series:
    """Which methods found what each phantom network was taught, by the first word of their names.

    A method has where its peaks lie in the lesion, and in the marker, more often than random maps'
    (above the upper end of their 95%). `phantoms` is of `calibration.calibrate`.
    """
    own = phantoms[phantoms.taught == phantoms["mask"]]
    return (own["mean"] > own.random_high).groupby(own.method).all()


def gains(maps: pd.DataFrame, phantoms: pd.DataFrame) -> pd.DataFrame:
    """What the maps of each group and model contain of what was marked, and how much more than rivals.

    `maps` has the columns `MAPS`; the result is a run's `claims.csv`. `captured`: over all
    shares of the image, from none to all, the mean share of the marks in as much of it, 0.5 by chance; its gain image by image over the lung field
    (`over_lungs`) and over another patient's map (`over_other`), each with its 95% interval by
    patients. `lungs`, `other`: what these capture, on average. `verdict`: on the paper's claim. At one
    cut: `highlighted`, and `contained` with its interval.
    """
    each, passed, rows = maps[maps["mask"] == "lesion"], calibrated(phantoms), []
    rivals = {"lungs": (["group", "image"], each[each.method == LUNGS]),
              "other": ([*KEYS, "image"], each[each.method.str.endswith(OTHER)])}  # fmt: skip
    for name, (keys, rival) in rivals.items():
        rival = rival.assign(method=rival.method.str.removesuffix(OTHER)).set_index(keys)
        each = each.join(rival.captured.rename(name), on=keys)
        each[f"over_{name}"] = each.captured - each[name]
    for key, part in each.dropna(subset="other").groupby(KEYS, sort=False):
        row = dict(zip(KEYS, key, strict=True), images=len(part), patients=part.patient.nunique())
        beside = part.dropna(subset="over_lungs")  # an image with marks may have no lung mask
        row |= {"lung_images": len(beside), "lung_patients": beside.patient.nunique()}
        row |= part[list(MEANS)].mean()
        for name in INTERVALS:
            row |= ci_columns(name, *patient_interval(part[name], part.patient))
        known, ends = passed.get(row["method"].split()[0]), ("over_lungs_low", "over_lungs_high")
        rows.append(row | {"verdict": verdict(known, *(row[end] for end in ends))})
    return pd.DataFrame(rows, columns=CLAIMS)


def verdict(passed: bool | None, low: float, high: float) -> str:
    """On the claim, by the interval of the gain over the lung field, for a method that is calibrated."""
    if not passed:
        return UNKNOWN if passed is None else FAILED
    if np.isnan(low):
        return NO_LUNGS
    return "holds" if low > 0 else "does not hold" if high < 0 else "open"


def numbers(maps: pd.DataFrame, found: dict) -> pd.DataFrame:
    """Agreement of the first model's maps, a row per mask, method and measure: mean, low, high (95%).

    `found` is a `heatmaps.json`. The intervals of maps resample patients; those of `random maps` are
    of the means of draws.
    """
    keys = ["mask", "method", "measure"]
    each = maps[(maps.group == "test") & (maps.model == found["model"])]
    each = each.melt([*keys[:2], "patient"], list(SCORES), "measure")
    chance = [[mask, RANDOM, measure, *found["random_maps"][mask][measure]]
              for mask in each["mask"].unique() for measure in SCORES]  # fmt: skip
    chance = pd.DataFrame(chance, columns=[*keys, "mean", "low", "high"])
    return pd.concat([means_by_patient(each, keys, "value"), chance], join="inner")
