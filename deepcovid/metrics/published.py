"""The paper's claims, and when a number of ours agrees with one."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from deepcovid.metrics.intervals import standard_error

PUBLISHED = Path(__file__).with_name("published.csv")
FINAL = "100 COVID-19 and 3000 Non-COVID"  # the final version of the dataset


def published() -> pd.DataFrame:
    """The published numbers, a row each: model, metric, value, half_width, images, source."""
    return pd.read_csv(PUBLISHED)


WINDOWS = {
    "auc": "Two AUCs agree when they differ by less than 1.96 standard errors of a difference. Ours "
    "is measured (DeLong); the published one has none and gets Hanley and McNeil's for 100 COVID-19 "
    "and 3,000 Non-COVID images. Both come from nearly the same images, so this window is wide.",
    "specificity_at_98_sensitivity": "Two specificities at 98% sensitivity agree when their 95% "
    "intervals overlap: the published one with its half width, ours from resampled patients. The "
    "threshold hangs on the two or three lowest COVID-19 scores, so the published half width, which "
    "counts Non-COVID images only, is far too narrow; ours is not.",
}


def compare(summaries: list[dict]) -> pd.DataFrame:
    """Our numbers beside the published ones, claim by claim, with a verdict by `WINDOWS`.

    `summaries` are the contents of `metrics.json` files; of several seeds the first is compared.
    The published sensitivity is no claim: 98% is where the threshold was put. A claim is `reproduced`, `not reproduced`
    (with the direction), or `not testable here`: the model was not run, or not with ImageNet weights.
    """
    rows = []
    claims = published()
    claims = claims[(claims.images == FINAL) & claims.metric.isin(list(WINDOWS))]
    for claim in claims.to_dict("records"):
        row = {"claim": claim["metric"], "model": claim["model"], "published": claim["value"]}
        ours = [s for s in summaries if s["model"] == claim["model"] and s["weights"] != "random"]
        if not ours:
            rows.append(row | {"verdict": "not testable here"})
            continue
        name = claim["metric"]
        value, low, high = (ours[0][key] for key in (name, f"{name}_low", f"{name}_high"))
        if name == "auc":
            error = np.hypot((high - low) / (2 * norm.ppf(0.975)), standard_error(claim["value"]))
            agree = abs(value - claim["value"]) <= norm.ppf(0.975) * error
        else:
            half = claim["half_width"]
            agree = low <= claim["value"] + half and high >= claim["value"] - half
        direction = "higher" if value > claim["value"] else "lower"
        verdict = "reproduced" if agree else f"not reproduced: ours is {direction}"
        rows.append(row | {"ours": value, "low": low, "high": high, "verdict": verdict})
    return pd.DataFrame(
        rows, columns=["claim", "model", "published", "ours", "low", "high", "verdict"]
    )
