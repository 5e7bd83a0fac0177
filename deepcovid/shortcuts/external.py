"""Radiographs from elsewhere: does the score hold in a collection that nobody trained on?

Nothing here is read by training or by the choice of a threshold.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from deepcovid.data import audit, duplicates, images, manifest
from deepcovid.metrics import evaluation, intervals
from deepcovid.models import networks
from deepcovid.models.features import ImageSet
from deepcovid.models.fitting import Inputs, predict
from deepcovid.models.opened import Run
from deepcovid.runs import UserError, digest, done, mark_done, read_json, replacing, write_json
from deepcovid.shortcuts.columns import EXTERNAL

BINS = 20  # of a score's histogram


def table(folder: Path) -> pd.DataFrame:
    """The images of a `covid|non` folder: image (relative to it), label, patient, sha1.

    Raises UserError when a class is missing or empty, and one for all images that cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"There is no external folder {folder}: -p external FOLDER.")
    paths = duplicates.external_images(folder)
    empty = [name for name, label in manifest.CLASSES.items() if label not in set(paths.label)]
    if empty:
        raise UserError(
            f"No images in {', '.join(empty)} of {folder}. An external folder holds covid and non."
        )
    refused = images.check([folder / image for image in paths.image])
    if refused:
        raise UserError(
            f"{len(refused)} of {len(paths)} images in {folder} cannot be read; replace or remove "
            "them:\n  " + "\n  ".join(refused)
        )
    return paths.assign(sha1=[images.facts(folder / image)["sha1"] for image in paths.image])


def known_from(opened: Run, found: pd.DataFrame) -> pd.Series:
    """Is each external image in the training or test data too: `bytes`, `picture`, `name` or ``?

    `picture`: the audit saw the same radiograph in both; `name`: only the file names agree, which
    catches radiographs that were cropped beyond recognition.
    """
    seen = read_json(opened.folder / "audit.json")["near_duplicates"]
    name = "external/" + found.image
    reason = pd.Series("", index=found.index)
    reason[name.isin(seen["external_images_with_a_name_from_here"])] = "name"
    reason[name.isin(seen["external_images_also_here"])] = "picture"
    reason[found.sha1.isin(opened.manifest.sha1)] = "bytes"
    return reason


def score(opened: Run, name: str, seed: int) -> pd.DataFrame:
    """P(COVID-19) of each external image by a trained model; kept in its `external.csv`."""
    folder, size = Path(opened.profile.external), opened.profile.image_size
    found = table(folder)
    found["duplicate"] = known_from(opened, found)
    target = opened.model_folder(name, seed) / "external.csv"
    model = opened.model(name, seed)
    settings = [size, opened.profile.preparation]
    made_from = digest([networks.state_digest(model), found.to_dict("list"), *settings])
    if not done(target, made_from):
        files = ImageSet([folder / image for image in found.image], size, change=opened.preparation)
        label = torch.tensor(found.label.to_numpy(), device=opened.device)
        inputs = Inputs(label, files=files, workers=opened.profile.workers)
        found["score"] = predict(model, inputs, 64).softmax(1)[:, 1].cpu().numpy()
        with replacing(target) as partial:
            found.to_csv(partial, columns=list(EXTERNAL), index=False, float_format="%.7g")
        mark_done(target, made_from)
    return pd.read_csv(target, keep_default_na=False)


def judged(scores: pd.DataFrame, threshold: float) -> dict:
    """AUC, sensitivity and specificity at a frozen threshold, with 95% intervals.

    `auc_low`, `auc_high`: DeLong; `by_patient`: resampled patients.
    """
    row = evaluation.summary(scores.assign(split="test"), threshold)
    keys = ("auc", "sensitivity", "specificity")
    kept = {k: row[k] for key in keys for k in (key, f"{key}_low", f"{key}_high")}
    kept |= {key: row[key] for key in ("threshold", "tp", "fn", "fp", "tn")}
    resampled = evaluation.bootstrap(scores.label, scores.score, scores.patient, threshold)
    return kept | {"by_patient": {key: list(resampled[key]) for key in keys}}


def balanced(scores: pd.DataFrame, threshold: float) -> float:
    """Mean of sensitivity and specificity at a threshold."""
    n = evaluation.confusion(scores.label, scores.score, threshold)
    return (n["tp"] / (n["tp"] + n["fn"]) + n["tn"] / (n["tn"] + n["fp"])) / 2


def best(scores: pd.DataFrame) -> float:
    """Balanced accuracy at the best of all thresholds."""
    return balanced(scores, evaluation.choose_threshold(scores.label, scores.score, "youden"))


def drop(inside: pd.DataFrame, outside: pd.DataFrame, threshold: float) -> dict[str, float]:
    """How balanced accuracy falls from the test images to the external ones, in two parts.

    `ranking` is lost even at the best threshold of each collection, `threshold_shift` because the
    frozen one is not the best one there.
    """
    result = {
        "internal": balanced(inside, threshold), "internal_best": best(inside),
        "external": balanced(outside, threshold), "external_best": best(outside),
    }  # fmt: skip
    result["ranking"] = result["internal_best"] - result["external_best"]
    result["threshold_shift"] = (result["external_best"] - result["external"]) - (
        result["internal_best"] - result["internal"]
    )
    return result


def histograms(inside: pd.DataFrame, outside: pd.DataFrame) -> dict:
    """Counts of scores in BINS equal bins of 0 to 1 by collection and class, for a figure."""
    parts = {"test": inside, "external": outside}
    return {
        f"{name}, {where}": np.histogram(part.score[part.label == label], BINS, (0, 1))[0].tolist()
        for label, name in manifest.LABEL_NAMES.items()
        for where, part in parts.items()
    }


def row(opened: Run, name: str, seed: int) -> dict:
    """All that is said of one trained model and the run's external folder."""
    outside, inside = score(opened, name, seed), opened.scores(name, seed)
    threshold = evaluation.summary(inside, opened.profile.threshold)["threshold"]
    inside = inside[inside.split == "test"]
    fresh, known = outside[outside.duplicate == ""], outside.duplicate[outside.duplicate != ""]
    if fresh.label.nunique() < 2:
        raise UserError(
            f"All images of one class of {opened.profile.external} are in {opened.profile.data} as well."
        )
    counts = fresh.label.value_counts().sort_index()
    weights = read_json(opened.model_folder(name, seed) / "training.json")["weights"]
    return {
        "model": name, "seed": seed, "weights": weights["file"] or weights["kind"],
        **judged(fresh, threshold),
        "images": {manifest.LABEL_NAMES[label]: int(n) for label, n in counts.items()},
        "duplicates_dropped": len(known), "duplicates": known.value_counts().to_dict(),
        "with_duplicates": judged(outside, threshold),
        "internal_auc": intervals.auc(inside.label, inside.score),
        "drop": drop(inside, fresh, threshold), "histograms": histograms(inside, fresh),
    }  # fmt: skip


def run(opened: Run) -> dict:
    """Judge each model of a run on its external folder; written to `external.json`.

    The first model and seed stand at the top, all of them under `models`. External images that
    are also in the training or test data are left out; `with_duplicates` has them in.
    """
    profile = opened.profile
    rows = [row(opened, name, seed) for name in profile.models for seed in profile.seeds]
    result = audit.plain(rows[0] | {"models": rows})
    write_json(opened.folder / "external.json", result)
    return result
