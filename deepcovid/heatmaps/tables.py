"""TODO: what heatmaps/tables is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid import runs
from deepcovid.heatmaps.agreement import SCORES
from deepcovid.heatmaps.maps import FILL
from deepcovid.metrics.intervals import patient_interval


def committed(folder: Path) -> dict:
    """The published numbers in a folder; empty where none were."""
    path = folder / "heatmaps.json"
    return runs.read_json(path) if path.is_file() else {}


def methods(found: dict) -> list[str]:
    """The methods of a run, without those of other patients' maps."""
    named = dict.fromkeys(found["agreement"].get("method", []))
    return [name for name in named if "another" not in name]


def agreement_table(found: dict) -> pd.DataFrame:
    """Agreement of each map of a run, a row each, with the image's patient and score.

    Without rows where no image has a mask.
    """
    about = pd.DataFrame(found["images"])
    given = found["agreement"] or {key: [] for key in ("image", "mask", "method", "area", *SCORES)}
    return pd.DataFrame(given).join(about.drop(columns="image"), on="image")


def told(values: Sequence[float]) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*values)


def numbers(found: dict) -> pd.DataFrame:
    """Agreement of each method, a row per mask, method and score: mean, low, high (95%).

    The intervals of maps resample patients; those of `random maps` are of the means of draws.
    """
    rows = []
    for mask, of in agreement_table(found).groupby("mask", sort=False):
        methods = {
            method: {name: patient_interval(part[name], part.patient) for name in SCORES}
            for method, part in of.groupby("method", sort=False)
        }
        rows += flat(mask, methods | {"random maps": found["random_maps"][mask]})
    return pd.DataFrame(rows, columns=["mask", "method", "score", "mean", "low", "high"])


def flat(mask: str, methods: dict) -> list[dict]:
    return [
        {"mask": mask, "method": method, "score": name, "mean": v[0], "low": v[1], "high": v[2]}
        for method, values in methods.items()
        for name, v in values.items()
    ]


def calibration_numbers(found: dict, network: str) -> pd.DataFrame:
    """`numbers` of a network of `calibrate`."""
    parts = found[network]["agreement"].items()
    return pd.DataFrame([row for mask, methods in parts for row in flat(mask, methods)])


def summary(numbers: pd.DataFrame) -> pd.DataFrame:
    """`numbers` for a reader: a row per mask and method, a column per score."""
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


def lungs(found: dict) -> pd.DataFrame:
    """Share of each method's map inside the lungs, beside the lungs' share of the image.

    Columns: images, patients, `inside` and `excess` (inside less the lungs' share), each
    (mean, low, high) by patients; `called`: the excess among images with a score from 0.5 on.
    """
    table = agreement_table(found)
    rows = {}
    for method, part in table[table["mask"] == "lung"].groupby("method", sort=False):
        called = part[part.score >= 0.5]
        rows[method] = {
            "images": len(part),
            "patients": part.patient.nunique(),
            "lung share": part.area.mean(),
            "inside": patient_interval(part["mass"], part.patient),
            "excess": patient_interval(part["mass"] - part.area, part.patient),
            "called": patient_interval(called["mass"] - called.area, called.patient)
            if len(called)
            else [float("nan")] * 3,
        }
    return pd.DataFrame(rows).T.rename(index=str)


def lungs_table(found: dict) -> pd.DataFrame:
    """`lungs` for a reader."""
    table = lungs(found)
    table["lung share"] = table["lung share"].map("{:.2f}".format)
    for column in ("inside", "excess", "called"):
        table[column] = table[column].map(told)
    return table.rename(columns={"called": "excess, score from 0.5"})


def fills_table(found: dict) -> pd.DataFrame:
    """`fills` for a reader, a row per grey level."""
    names = {
        "alone": "P(COVID-19) of a grey image",
        "inside": "share of the map inside the lungs",
        "like": f"rank correlation with level {FILL}",
    }
    return pd.DataFrame(found["fills"]).T.rename(columns=names).rename_axis("grey level")


def own(found: dict) -> dict[str, list[float]]:
    """By how much more a patient's own map lies in the lungs than another patient's does.

    Mean over images and 95% interval, by method.
    """
    table = agreement_table(found)
    table = table[table["mask"] == "lung"].set_index(["method", "image"])
    result = {}
    for method in methods(found):
        other = f"{method}, another patient's"
        if other in table.index:
            gain = table.loc[method]["mass"] - table.loc[other]["mass"]
            result[method] = patient_interval(gain, table.loc[method].patient)
    return result


def verdict(low: float, high: float) -> str:
    return "more than" if low > 0 else "less than" if high < 0 else "no more than"


def calibration_answer(found: dict) -> str:
    """What `calibrate` found, in Markdown."""
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
    lines, table = [], lungs(found)
    about = f"{found['model']}, {len(found['images']['image'])} COVID-19 images"
    for method, row in table.iterrows():
        if "another" in method:
            continue
        inside, excess = row["inside"], row["excess"]
        lines.append(
            f"- {method}: **{inside[0]:.0%}** of the map lies inside the lungs, which are "
            f"{row['lung share']:.0%} of the image: {verdict(*excess[1:])} an even map would give "
            f"({100 * excess[0]:+.0f} points, {100 * excess[1]:+.0f} to {100 * excess[2]:+.0f})."
        )
    for mask, chance in found["random_maps"].items():
        of = agreement_table(found)
        of = of[(of["mask"] == mask) & ~of.method.str.contains("another")]
        for method, part in of.groupby("method", sort=False):
            _, low, high = chance["pointing"]
            hit = part.pointing.mean()
            said = "above" if hit > high else "below" if hit < low else "within"
            lines.append(
                f"- {method}: its peak lies in the {mask} in {hit:.0%} of images, {said} what "
                f"random maps do ({low:.0%} to {high:.0%})."
            )
    for method, (gain, low, high) in own(found).items():
        said = "more than" if low > 0 else "less than" if high < 0 else "no more than"
        lines.append(
            f"- {method}: a patient's own map lies in the lungs {said} another patient's map laid "
            f"over them ({100 * gain:+.1f} points, {100 * low:+.1f} to {100 * high:+.1f})."
        )
    if found["fills"]:
        alone = ", ".join(f"{v['alone']:.2f} (level {k})" for k, v in found["fills"].items())
        inside = ", ".join(f"{v['inside']:.0%} (level {k})" for k, v in found["fills"].items())
        lines.append(
            f"- The square itself is an answer: P(COVID-19) of an image of nothing but its grey is "
            f"{alone}. Inside the lungs lies, by its level: {inside}."
        )
    return f"**{about}** ({found['weights']} weights)\n\n" + "\n".join(lines)
