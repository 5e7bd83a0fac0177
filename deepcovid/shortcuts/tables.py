"""The tables of notebook 07."""

import re

import pandas as pd

from deepcovid.metrics.intervals import format_ci, proportion_interval, with_ci
from deepcovid.metrics.tables import NETWORKS, over_seeds

INPUTS = {
    "^file properties": "file: size, colour mode",
    "^patient and exposure": "patient: view, age, sex",
    "^all of these": "file and patient",
    "mode L only": "grey files only",
    "view (..) only": r"\1 images only",
}
# ways of preparing pictures, by their names in `mitigation.csv` and in profiles
PREPROCESSING = {
    "nothing": "no preprocessing", "none": "no preprocessing",
    "grey": "without colour",
    "equalised": "equalised", "equalise": "equalised",
    "coarse": "downsampled", "downsample": "downsampled",
    "cut to the lungs": "cropped to the lungs", "crop_lungs": "cropped to the lungs",
    "only the lungs": "only the lungs", "mask_lungs": "only the lungs",
    "moved copies": "moved copies added", "views matched": "views weighted",
}  # fmt: skip
QUANTITIES = {"sensitivity": "sensitivity", "specificity": "specificity", "auc": "ROC AUC"}


def preprocessing_words(step: str) -> str:
    """A step of `mitigation.csv`, or a profile's `preprocessing`, in the words of all notebooks."""
    parts = re.split(r"[,;] *", step)
    if "mask_lungs" in parts:  # only the lungs are left: that they were cropped first is no news
        parts = ["mask_lungs", *(one for one in parts if one not in ("crop_lungs", "mask_lungs"))]
    return ", ".join(PREPROCESSING[one] for one in parts)


def controls(shortcuts: pd.DataFrame) -> pd.DataFrame:
    """Of a `shortcuts.csv`: regressions on what is known without a picture, then pictures that are
    alike in one property; each AUC with its interval by patients."""
    rows = pd.concat(shortcuts[shortcuts.kind == kind] for kind in ("metadata", "like with like"))
    aucs = rows[["auc", "patient_low", "patient_high"]].set_axis(["auc", "low", "high"], axis=1)
    return pd.DataFrame({
        "input": rows.input.replace(INPUTS, regex=True),
        "ROC AUC (95% interval)": with_ci(aucs, "auc", ".4f"),
        "n COVID-19": rows.positives, "n Non-COVID": rows.negatives,
    }).set_index("input")  # fmt: skip


def external(table: pd.DataFrame) -> pd.DataFrame:
    """An `external.csv`, a row per quantity, set of images and model; sensitivity first, AUC last.

    Mean and range over seeds; of their 95% intervals by patients the least and the greatest end.
    """
    keys = ["quantity", "set", "model"]
    order = pd.Categorical(table.quantity, list(QUANTITIES), ordered=True)
    named = table.assign(quantity=order)
    found = over_seeds(named, keys, "value", "low", "high", "images", "patients")
    found = found.sort_index(level="quantity", sort_remaining=False, kind="stable").reset_index()
    return pd.DataFrame({
        "quantity": found.quantity.map(QUANTITIES), "images": found.set, "model": found.model.replace(NETWORKS),
        "mean (range of seeds)": [*map(format_ci, found["mean"], found.least, found.most)],
        "95% interval": [f"{low:.3f} to {high:.3f}" for low, high in zip(found.low, found.high, strict=True)],
        "n images": found.images, "n patients": found.patients,
    }).set_index(["quantity", "images", "model"])  # fmt: skip


def twins(table: pd.DataFrame) -> pd.DataFrame:
    """A `darkcovidnet_twins.csv`: how many of a dataset's images are also in this one, by rule."""
    words = {"any": "any of these", "bytes": "the same bytes", "picture": "the same picture",
             "name": "the same file name"}  # fmt: skip
    rows = table.assign(rule=table.reason.map(words)).set_index("rule")[["twins", "images"]]
    return rows.rename_axis("the same radiograph, by").rename(columns={"images": "of"})


def alarms(calibration: pd.DataFrame) -> pd.DataFrame:
    """Of the audit's `calibration.csv`: on how many phantom datasets, honest ones and ones with a
    planted fault, an alarm is raised; the share's exact (Clopper-Pearson) 95% interval."""
    of, whole = calibration, calibration.share == 1
    parts = {
        "nothing": of[of.fault == "nothing"],
        f"a fault in every image of a class ({of.fault[whole].nunique()} kinds)": of[whole],
        "a marker in a part of one class's images": of[(of.fault != "nothing") & ~whole],
    }
    rows = {name: {"datasets": len(part), "with an alarm": share(int(part.alarm.sum()), len(part))}
            for name, part in parts.items() if len(part)}  # fmt: skip
    return pd.DataFrame(rows).T.rename_axis("planted")


def share(count: int, n: int) -> str:
    """So many of n, with the share's exact 95% interval, as text."""
    low, high = proportion_interval(count, n, "beta")
    return f"{count} of {n:,} ({low:.0%} to {high:.0%})"
