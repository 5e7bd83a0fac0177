"""What a reader of notebook 05 sees of the numbers: tables, and the answer in words. No torch."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from deepcovid.heatmaps import claim
from deepcovid.heatmaps.summary import agreement_table, calibration_numbers, lungs, own
from deepcovid.metrics import intervals


def format_ci(values: Sequence[float]) -> str:
    return intervals.format_ci(*values, digits=2)


def wide(numbers: pd.DataFrame, rows=("mask", "method")) -> pd.DataFrame:
    """Numbers (mean, low, high of scores) for a reader: a row per mask and method, say."""
    shown = numbers.assign(told=[format_ci(v) for v in numbers[["mean", "low", "high"]].to_numpy()])
    order, names = shown[[*rows]].drop_duplicates(), shown.score.unique()
    table = shown.pivot(index=[*rows], columns="score", values="told")
    return table.loc[pd.MultiIndex.from_frame(order), list(names)].rename_axis(columns=None)


def calibration_table(found: dict) -> pd.DataFrame:
    """`wide` of both networks of `calibration.calibrate`."""
    return pd.concat({n: wide(calibration_numbers(found, n)) for n in found}, names=["network"])


def randomised_table(found: dict) -> pd.DataFrame:
    """Mean rank correlation of maps before and after weights were drawn anew, and by chance."""
    low, high = found["randomised"]["chance"]  # of as many images
    methods = found["randomised"]["all"]
    rows = {m: {w: np.mean(found["randomised"][w][m]) for w in ("head", "all")} for m in methods}
    table = pd.DataFrame(rows).T.rename(columns={"head": "new head", "all": "all weights new"})
    return table.assign(**{"95% of random maps": f"{low:.2f} to {high:.2f}"})


def lungs_table(found: dict) -> pd.DataFrame:
    """`summary.lungs` for a reader."""
    table = lungs(found)
    table["lung share"] = table["lung share"].map("{:.2f}".format)
    for column in ("inside", "excess", "called"):
        table[column] = table[column].map(format_ci)
    return table.rename(columns={"called": "excess, score from 0.5"})


def fills_table(found: dict) -> pd.DataFrame:
    """What the square's grey level does, a row per level."""
    names = {
        "alone": "P(COVID-19) of a grey image",
        "inside": "share of the map inside the lungs",
        "like": f"rank correlation with level {found['fill']}",
    }
    return pd.DataFrame(found["fills"]).T.rename(columns=names).rename_axis("grey level")


def placed(value: float, low: float, high: float) -> str:
    """Where a value lies, seen from an interval."""
    return "above" if value > high else "below" if value < low else "within"


def verdict(low: float, high: float) -> str:
    """How a difference with this interval is called."""
    return "more than" if low > 0 else "less than" if high < 0 else "no more than"


def calibration_answer(found: dict) -> str:
    """What `calibration.calibrate` found, in Markdown."""
    lines = []
    for network, mask in (("lesion", "lesion"), ("marker", "marker"), ("marker", "lesion")):
        methods = found[network]["agreement"][mask]
        _, low, high = methods["random maps"]["pointing"]
        hits = " and in ".join(
            f"{of['pointing'][0]:.0%} ({method}, {placed(of['pointing'][0], low, high)} chance)"
            for method, of in methods.items()
            if method != "random maps"
        )
        lines.append(
            f"- Network taught the {network}: the peak lies in the {mask} in {hits} of "
            f"{found[network]['phantoms']} phantoms; random maps: {low:.0%} to {high:.0%}."
        )
    return "\n".join(lines)


def answer(found: dict) -> str:
    """What a run's maps say, in Markdown, computed from its numbers; `found` may be empty."""
    if not found or not found["agreement"]:
        return "there is nothing to say: no maps, or no masks to compare them with."
    about = f"{found['model']}, {len(found['images']['image'])} COVID-19 images"
    lines = [*said_of_lungs(found), *said_of_peaks(found), *said_of_patients(found)]
    lines += said_of_fills(found) if found["fills"] else []
    return f"**{about}** ({found['weights']} weights)\n\n" + "\n".join(lines)


def said_of_lungs(found: dict) -> list[str]:
    lines = []
    for method, row in lungs(found).iterrows():
        if "another" not in method:
            inside, excess = row["inside"], row["excess"]
            lines.append(
                f"- {method}: **{inside[0]:.0%}** of the map lies inside the lungs, which are "
                f"{row['lung share']:.0%} of the image: {verdict(*excess[1:])} an even map would "
                f"give ({100 * excess[0]:+.0f} points, {100 * excess[1]:+.0f} to "
                f"{100 * excess[2]:+.0f})."
            )
    return lines


def said_of_peaks(found: dict) -> list[str]:
    table, lines = agreement_table(found), []
    table = table[~table.method.str.contains("another")]
    for (mask, method), part in table.groupby(["mask", "method"], sort=False):
        _, low, high = found["random_maps"][mask]["pointing"]
        hit = part.pointing.mean()
        lines.append(
            f"- {method}: its peak lies in the {mask} in {hit:.0%} of images, "
            f"{placed(hit, low, high)} what "
            f"random maps do ({low:.0%} to {high:.0%})."
        )
    return lines


def said_of_patients(found: dict) -> list[str]:
    return [
        f"- {method}: a patient's own map lies in the lungs {verdict(low, high)} another patient's "
        f"map laid over them ({100 * gain:+.1f} points, {100 * low:+.1f} to {100 * high:+.1f})."
        for method, (gain, low, high) in own(found).items()
    ]


def said_of_fills(found: dict) -> list[str]:
    alone = ", ".join(f"{v['alone']:.2f} (level {k})" for k, v in found["fills"].items())
    inside = ", ".join(f"{v['inside']:.0%} (level {k})" for k, v in found["fills"].items())
    return [
        "- The square itself is an answer: P(COVID-19) of an image of nothing but its grey is "
        f"{alone}. Inside the lungs lies, by its level: {inside}."
    ]


# --- what radiologists marked ---

SPOKEN = {
    "holds": "more than as much of the lung field: **the claim holds**",
    "does not hold": "less than as much of the lung field: **the claim does not hold**",
    "open": "not known to be more or less than as much of the lung field: **the claim stays open**",
    claim.FAILED: "**not judged**: the method did not find what it should on phantoms",
    claim.UNKNOWN: "**not judged**: the method was not tried on phantoms",
    claim.NO_LUNGS: "**not judged**: no masks of the lungs to compare with",
}
NO_LESIONS = "There are no maps of images with masks of lesions: the claim cannot be tested here."


def has_lesions(found: dict, group: str = "test") -> bool:
    """Were maps of a group of images compared with lesions?"""
    return group in (found.get("lesions") or {}).get("random_maps", {})


def lesion_table(found: dict, group: str = "test") -> pd.DataFrame:
    """`claim.numbers` of a group of images for a reader, a row per model and method."""
    each = claim.numbers(found)
    table = wide(each[each.group == group], ("model", "method"))
    names = {"highlighted": "image highlighted", "contained": "marked area contained",
             "captured": "contained, over all cuts", "pointing": "peak in the marks",
             "mass": "share of the map in them", "iou": "IoU at their area",
             "average_precision": "average precision"}  # fmt: skip
    return table.rename(columns=names)


def claims(found: dict, group: str = "test") -> pd.DataFrame:
    """The paper's claim by model and method, with the verdict.

    `ours`: over all cuts, the mean share of the marks that the map contains in as much of the image,
    and its gain over the lung field, each with its 95% interval by patients.
    """
    each = claim.gains(found, group)
    return pd.DataFrame({
        "claim": "heatmaps contain most of the infected area", "model": each.model,
        "method": each.method, "published": "most", "ours": each.captured.map(format_ci),
        "lung field": each.lungs.map("{:.2f}".format), "gain over it": each.over_lungs.map(format_ci),
        "images": each.images, "patients": each.patients, "verdict": each.verdict,
    })  # fmt: skip


def claims_told(found: dict) -> str:
    """For how many models and methods the claim on heatmaps holds, in words."""
    if not has_lesions(found):
        return "not tested yet, for want of committed lesion scores."
    said = claims(found).verdict.replace({"open": "stays open", claim.FAILED: "is not judged"})
    counts = ", ".join(f"{verdict} for {n}" for verdict, n in said.value_counts().items())
    return f"of {len(said)} pairs of a network and a method it {counts}."


def text_rule(found: dict, group: str = "test") -> pd.DataFrame:
    """What the rule of the paper's text highlights: where covering turns the call. Means."""
    each = claim.table(found)
    each = each[(each.group == group) & each.method.str.startswith("occlusion")]
    each = each.dropna(subset="turned").astype({"turned": float, "turned_area": float})
    return pd.DataFrame([
        {"model": model, "method": method, "images called COVID-19": len(part),
         "of these with any place": int((part.turned_area > 0).sum()),
         "image highlighted": part.turned_area.mean(),
         "marked area contained": part.turned.mean()}
        for (model, method), part in each.groupby(["model", "method"], sort=False)
    ])  # fmt: skip


def zone_table(found: dict, group: str = "test") -> pd.DataFrame:
    """`claim.zone_numbers` of a group for a reader."""
    each = claim.zone_numbers(found)
    each = each[each.group == group].drop(columns="group")
    each["rank correlation"] = [format_ci(v) for v in each[["mean", "low", "high"]].to_numpy()]
    return each.drop(columns=["mean", "low", "high"]).set_index(["severity", "model", "method"])


def lesion_answer(found: dict, group: str = "test") -> str:
    """What the maps say of the paper's claim, in Markdown, computed from the numbers."""
    if not has_lesions(found, group):
        return NO_LESIONS
    lines = [said_of_claim(row) for row in claim.gains(found, group).to_dict("records")]
    needed = [
        f"{claim.needed(of['values']):.0%} ({', '.join(filter(None, (of['model'], of['method'])))})"
        for of in found["lesions"]["curves"]
        if of["group"] == group and claim.OTHER not in of["method"]
    ]
    lines.append(
        "- To contain half of what was marked, this share of the image has to be highlighted: "
        f"{', '.join(needed)}; {claim.MOST:.0%} by chance."
    )
    for row in text_rule(found, group).to_dict("records"):
        lines.append(
            f"- By the paper's text, a place counts where covering it turns the call. {row['model']}, "
            f"{row['method']}: there is such a place on {row['of these with any place']} of "
            f"{row['images called COVID-19']} images that are called COVID-19; it contains "
            f"{row['marked area contained']:.0%} of what was marked."
        )
    zones = claim.zone_numbers(found)
    zones = zones[(zones.group == group) & ~zones.method.str.endswith(claim.OTHER)]
    for severity, part in zones.groupby("severity", sort=False):
        each = [f"{', '.join(filter(None, (row.model, row.method)))} {format_ci(row[-3:])}"
                for row in part.itertuples(index=False)]  # fmt: skip
        lines.append(
            f"- Rank correlation of six zones with their {severity}, within each of "
            f"{part.images.max()} images: {'; '.join(each)}."
        )
    return "\n".join(lines)


def said_of_claim(row: dict) -> str:
    """A row of `claim.gains` as a sentence."""
    rivals = {"lungs": "as much of the lung field", "other": "as much of another patient's map"}
    beside = [
        f"{rival} {row[key]:.0%}, {points(row[f'over_{key}'])}"
        for key, rival in rivals.items()
        if np.isfinite(row[key])
    ]
    share, low, high = row["captured"]
    half, half_low, half_high = row["contained"]
    return (
        f"- {row['model']}, {row['method']}: averaged over all cuts the map contains {share:.0%} "
        f"({low:.0%} to {high:.0%}) of what was marked on {row['images']} images of "
        f"{row['patients']} patients ({'; '.join(beside)}): {SPOKEN[row['verdict']]}. Cut at half of its "
        f"maximum it highlights {row['highlighted']:.0%} of the image and contains {half:.0%} "
        f"({half_low:.0%} to {half_high:.0%})."
    )


def points(difference: Sequence[float]) -> str:
    """A difference of shares with its interval, in percentage points."""
    value, low, high = (100 * v for v in difference)
    return f"{value:+.0f} points, {low:+.0f} to {high:+.0f}"
