"""What a reader of notebook 05 sees of the numbers: tables, and the answer in words. No torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid import runs
from deepcovid.heatmaps.agreement import SCORES
from deepcovid.heatmaps.summary import agreement_table, lungs, own


def committed(folder: Path) -> dict:
    """The published numbers in a folder; empty where none were."""
    path = folder / "heatmaps.json"
    return runs.read_json(path) if path.is_file() else {}


def told(values: Sequence[float]) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*values)


def wide(numbers: pd.DataFrame) -> pd.DataFrame:
    """`summary.numbers` for a reader: a row per mask and method, a column per score."""
    shown = numbers.assign(told=[told(v) for v in numbers[["mean", "low", "high"]].to_numpy()])
    order = shown[["mask", "method"]].drop_duplicates()
    table = shown.pivot(index=["mask", "method"], columns="score", values="told")
    return table.loc[pd.MultiIndex.from_frame(order), list(SCORES)].rename_axis(columns=None)


def randomised_table(found: dict) -> pd.DataFrame:
    """Mean rank correlation of maps before and after weights were drawn anew, and by chance."""
    low, high = found["randomised"]["chance"]
    methods = found["randomised"]["all"]
    rows = {m: {w: np.mean(found["randomised"][w][m]) for w in ("head", "all")} for m in methods}
    table = pd.DataFrame(rows).T.rename(columns={"head": "new head", "all": "all weights new"})
    return table.assign(**{"95% of random maps": f"{low:.2f} to {high:.2f}"})


def lungs_table(found: dict) -> pd.DataFrame:
    """`summary.lungs` for a reader."""
    table = lungs(found)
    table["lung share"] = table["lung share"].map("{:.2f}".format)
    for column in ("inside", "excess", "called"):
        table[column] = table[column].map(told)
    return table.rename(columns={"called": "excess, score from 0.5"})


def fills_table(found: dict) -> pd.DataFrame:
    """What the square's grey level does, a row per level."""
    names = {
        "alone": "P(COVID-19) of a grey image",
        "inside": "share of the map inside the lungs",
        "like": f"rank correlation with level {found['fill']}",
    }
    return pd.DataFrame(found["fills"]).T.rename(columns=names).rename_axis("grey level")


def verdict(low: float, high: float) -> str:
    """How a difference with this interval is called."""
    return "more than" if low > 0 else "less than" if high < 0 else "no more than"


def calibration_answer(found: dict) -> str:
    """What `calibration.calibrate` found, in Markdown."""
    lines = []
    for network, mask in (("lesion", "lesion"), ("marker", "marker"), ("marker", "lesion")):
        methods = found[network]["agreement"][mask]
        _, low, high = methods["random maps"]["pointing"]
        hits = " and ".join(
            f"{methods[m]['pointing'][0]:.0%} ({m})" for m in methods if m != "random maps"
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
        said = "above" if hit > high else "below" if hit < low else "within"
        lines.append(
            f"- {method}: its peak lies in the {mask} in {hit:.0%} of images, {said} what "
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
