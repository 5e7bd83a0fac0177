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
    "specificity_at_98_sensitivity": "Two specificities at 98% sensitivity differ when their 95% "
    "intervals do not meet. The threshold is the score below which 2% of COVID-19 images lie, 2 of "
    "the paper's 100. Nothing in so few says how far down it may be, so our interval "
    "has a lower end only from 183 COVID-19 patients on; the published half width counts Non-COVID "
    "images only, and is far too narrow. Without a lower end a published number below ours is not "
    "contradicted, and not reproduced either.",
}

VERDICTS = ("reproduced", "not contradicted", "not reproduced", "not testable here")


def agreement(claim: dict, value: float, low: float, high: float) -> str:
    """The verdict on one claim, by `WINDOWS`, from our value and its interval."""
    if claim["metric"] == "auc":
        error = np.hypot((high - low) / (2 * norm.ppf(0.975)), standard_error(claim["value"]))
        agree = abs(value - claim["value"]) <= norm.ppf(0.975) * error
    else:
        half = claim["half_width"]
        agree = low <= claim["value"] + half and high >= claim["value"] - half
        if agree and low == 0:
            return "not contradicted: no lower end"
    direction = "higher" if value > claim["value"] else "lower"
    return "reproduced" if agree else f"not reproduced: ours is {direction}"


def compare(summaries: list[dict]) -> pd.DataFrame:
    """Our numbers beside the published ones, claim by claim, with a verdict by `WINDOWS`.

    `summaries` are the contents of `metrics.json` files; of several seeds the lowest is compared.
    The published sensitivity is no claim: 98% is where the threshold was put. A claim is
    `reproduced`, `not contradicted`, `not reproduced` (with the direction), or `not testable here`:
    the model was not run, or not with ImageNet weights.
    """
    rows = []
    claims = published()
    claims = claims[(claims.images == FINAL) & claims.metric.isin(list(WINDOWS))]
    for claim in claims.to_dict("records"):
        name, model = claim["metric"], claim["model"]
        row = {"claim": name, "model": model, "published": claim["value"]}
        ours = [s for s in summaries if s["model"] == model and s["weights"] != "random"]
        if ours:
            first = min(ours, key=lambda summary: summary["seed"])
            value, low, high = (first[key] for key in (name, f"{name}_low", f"{name}_high"))
            row |= {"ours": value, "low": low, "high": high}
            row["verdict"] = agreement(claim, value, low, high)
        rows.append({"verdict": "not testable here"} | row)
    return pd.DataFrame(
        rows, columns=["claim", "model", "published", "ours", "low", "high", "verdict"]
    )
