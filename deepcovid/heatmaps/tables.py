"""The tables of notebooks 05 and 05b, from the numbers of `heatmaps.json`. No torch."""

from collections.abc import Sequence

import pandas as pd
from IPython.display import Markdown

from deepcovid.heatmaps import claim
from deepcovid.metrics import intervals
from deepcovid.metrics.published import NETWORKS

NO_LESIONS = Markdown(
    "*This study has no maps of images with lesion masks: the claim is not tested.*"
)
NO_MASKS = Markdown("*This study has no masks of lungs or lesions to compare the maps with.*")


def format_ci(values: Sequence[float]) -> str:
    return intervals.format_ci(*values, digits=2)


def format_gain(values: Sequence[float]) -> str:
    """A difference of shares with its interval, signed."""
    return "{:+.2f} ({:+.2f} to {:+.2f})".format(*values)


def has_lesions(found: dict, group: str = "test") -> bool:
    """Were maps of a group of images compared with lesions?"""
    return len(found) > 0 and group in (found.get("lesions") or {}).get("random_maps", {})


def claims(found: dict, group: str = "test") -> pd.DataFrame:
    """The paper's claim by network and method, with two verdicts: `by the letter` a map contains most,
    that is more than half, of the marks; `against the lung field`, more than as much of it does.

    `marks contained`: mean over all cuts; `lung field`, `another patient's map`: what they contain in as
    much of the image; then the map's gain over each, with its 95% interval by patients.
    """
    each = claim.gains(found, group)
    return pd.DataFrame({
        "network": each.model.map(NETWORKS), "method": each.method,
        "by the letter": each.apply(by_the_letter, axis=1),
        "against the lung field": each.verdict, "marks contained": each.captured.map(format_ci),
        "lung field": each.lungs.map("{:.2f}".format), "gain over it": each.over_lungs.map(format_gain),
        "another patient's map": each.other.map("{:.2f}".format),
        "gain over that": each.over_other.map(format_gain),
        "images": each.images, "patients": each.patients,
    }).set_index(["network", "method"])  # fmt: skip


def by_the_letter(row: pd.Series) -> str:
    """Does a map contain more than half of what is marked, by the interval of `captured`?"""
    if row.verdict in (claim.FAILED, claim.UNKNOWN):
        return row.verdict
    _, low, high = row.captured
    return "holds" if low > 0.5 else "does not hold" if high < 0.5 else "open"


def text_rule(found: dict, group: str = "test") -> pd.DataFrame:
    """What the rule of the paper's text highlights: where covering turns the call. Means."""
    each = claim.table(found)
    each = each[(each.group == group) & each.method.str.startswith("occlusion")]
    each = each.dropna(subset="turned").astype({"turned": float, "turned_area": float})
    return pd.DataFrame([
        {"network": NETWORKS[model], "images called COVID-19": len(part),
         "of these with any place": int((part.turned_area > 0).sum()),
         "image highlighted": part.turned_area.mean(),
         "marks contained": part.turned.mean()}
        for (model, _), part in each.groupby(["model", "method"], sort=False)
    ])  # fmt: skip


def lungs_table(found: dict) -> pd.DataFrame:
    """`claim.lungs` for a reader: share of the maps inside the lungs, and its excess over an even map's."""
    table = claim.lungs(found)
    return pd.DataFrame({
        "inside the lungs": table.inside.map(format_ci),
        "lungs' share of the image": table["lung share"].map("{:.2f}".format),
        "difference": table.excess.map(format_gain),
        "images": table.images, "patients": table.patients,
    })  # fmt: skip


def calibration_table(found: dict) -> pd.DataFrame:
    """Where each phantom network's maps peak, with exact (Clopper-Pearson) 95% intervals.

    `passed`: whether the method finds what each network was taught more often than random maps do.
    """
    passed, rows = claim.calibrated(found), []
    for taught, of in found["calibration"].items():
        for mask, methods in of["agreement"].items():
            _, *chance = methods[claim.RANDOM]["pointing"]
            for method in (m for m in methods if m != claim.RANDOM):
                share, n = methods[method]["pointing"][0], of["phantoms"]
                # peaks of equal height share
                interval = intervals.proportion_interval(round(share * n), n, "beta")
                rows.append((taught, mask, method, share, *interval, *chance, n, passed[method]))
    columns = ["network was taught", "peak in the", "method", "mean", "low", "high", "random_low",
               "random_high", "phantoms", "passed"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
