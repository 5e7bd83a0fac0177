"""The tables of notebooks 05 and 05b, from a run's `maps.csv`, `claims.csv` and others. No torch."""

import numpy as np
import pandas as pd
from IPython.display import Markdown

from deepcovid.heatmaps import claim
from deepcovid.metrics.intervals import means_by_patient, with_ci
from deepcovid.metrics.published import NETWORKS

NO_LESIONS = Markdown(
    "*This study has no maps of images with lesion masks: the claim is not tested.*"
)
NO_MASKS = Markdown("*This study has no masks of lungs or lesions to compare the maps with.*")


def claims(gains: pd.DataFrame) -> pd.DataFrame:
    """The paper's claim by network and method, with two verdicts: `by the letter` a map contains most,
    that is more than half, of the marks, which is also what a map that knows nothing contains, on
    average; `against the lung field`, more than as much of it does.

    That a map contains most is open where the interval has 0.5 within.
    `gains` are rows of `claims.csv`, of one group. `marks contained`: mean over all
    shares of the image that are highlighted; `with lungs`: images, of patients, that have lung masks too; `lung field`,
    `another patient's map`: what they contain in as much of the image; then the map's gain over each.
    """
    unknown = gains.verdict.isin((claim.FAILED, claim.UNKNOWN))
    most, least = gains.captured_low > 0.5, gains.captured_high < 0.5
    letter = np.select([unknown, most, least], [gains.verdict, "holds", "does not hold"], "open")
    return pd.DataFrame({
        "network": gains.model.map(NETWORKS), "method": gains.method, "by the letter": letter,
        "against the lung field": gains.verdict, "marks contained": with_ci(gains, "captured"),
        "lung field": gains.lungs.map("{:.2f}".format), "gain over it": with_ci(gains, "over_lungs", "+.2f"),
        "another patient's map": gains.other.map("{:.2f}".format),
        "gain over that": with_ci(gains, "over_other", "+.2f"),
        "images": gains.images, "patients": gains.patients,
        "with lungs": [f"{i:.0f} images, {p:.0f} patients" for i, p in
                       zip(gains.lung_images, gains.lung_patients, strict=True)],
    }).set_index(["network", "method"])  # fmt: skip


def text_rule(maps: pd.DataFrame) -> pd.DataFrame:
    """What the rule of the paper's text highlights: where covering turns the call. Means."""
    each = maps[(maps.group == "test") & maps.method.str.startswith("occlusion")]
    each = each.dropna(subset="turned").assign(some=lambda rows: rows.turned_area > 0)
    return each.groupby(each.model.map(NETWORKS).rename("network"), sort=False).agg(**{
        "images called COVID-19": ("some", "size"), "of these with any place": ("some", "sum"),
        "image highlighted": ("turned_area", "mean"), "marks contained": ("turned", "mean"),
    })  # fmt: skip


def lungs(maps: pd.DataFrame) -> pd.DataFrame:
    """Share of the first model's maps inside the lungs, and its excess over an even map's."""
    each = maps[maps["mask"] == "lung"]
    each = each.assign(excess=each["mass"] - each.area)
    inside, excess, area = (means_by_patient(each, ["method"], column).set_index("method")
                            for column in ("mass", "excess", "area"))  # fmt: skip
    return pd.DataFrame({
        "inside the lungs": with_ci(inside), "lungs' share of the image": area["mean"].map("{:.2f}".format),
        "difference": with_ci(excess, form="+.2f"), "images": inside.images, "patients": inside.patients,
    })  # fmt: skip
