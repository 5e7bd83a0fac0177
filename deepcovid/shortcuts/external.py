"""Radiographs from elsewhere: does the score hold in a collection that nobody trained on?

Nothing here is read by training or by the choice of a threshold.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from deepcovid.data import audit, duplicates, images, manifest
from deepcovid.metrics import evaluation, intervals
from deepcovid.models import networks, preparation
from deepcovid.models.features import ImageSet, to_device
from deepcovid.models.training import Inputs, load, predict
from deepcovid.profiles import Profile
from deepcovid.runs import UserError, digest, done, mark_done, read_json, replacing, write_json

BINS = 20  # of a score's histogram
COLUMNS = ["image", "label", "patient", "sha1", "score", "duplicate"]


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


def known_from(profile: Profile, found: pd.DataFrame) -> pd.Series:
    """Is each external image in the training or test data too: `bytes`, `picture`, `name` or ``?

    `picture`: the audit saw the same radiograph in both; `name`: only the file names agree, which
    catches radiographs that were cropped beyond recognition.
    """
    here = manifest.read(profile.folder / "manifest.csv")
    seen = read_json(profile.folder / "audit.json")["near_duplicates"]
    name = "external/" + found.image
    reason = pd.Series("", index=found.index)
    reason[name.isin(seen["external_images_with_a_name_from_here"])] = "name"
    reason[name.isin(seen["external_images_also_here"])] = "picture"
    reason[found.sha1.isin(here.sha1)] = "bytes"
    return reason


def score(profile: Profile, name: str, seed: int) -> pd.DataFrame:
    """P(COVID-19) of each external image by a trained model; kept in its `external.csv`."""
    folder = Path(profile.external)
    found = table(folder)
    found["duplicate"] = known_from(profile, found)
    target = profile.model_folder(name, seed) / "external.csv"
    device = networks.device_of(profile.device)
    model = to_device(load(profile, name, seed), device)
    settings = [profile.image_size, profile.preparation]
    made_from = digest([networks.state_digest(model), found.to_dict("list"), *settings])
    if not done(target, made_from):
        paths = [folder / image for image in found.image]
        files = ImageSet(paths, profile.image_size, change=preparation.of(profile))
        inputs = Inputs(
            torch.tensor(found.label.to_numpy(), device=device),
            files=files,
            workers=profile.workers,
        )
        found["score"] = predict(model, inputs, 64).softmax(1)[:, 1].cpu().numpy()
        with replacing(target) as partial:
            found.to_csv(partial, columns=COLUMNS, index=False, float_format="%.7g")
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


def drop(inside: pd.DataFrame, outside: pd.DataFrame, threshold: float) -> dict[str, float]:
    """How balanced accuracy falls from the test images to the external ones, in two parts.

    `ranking` is lost even at the best threshold of each collection, `threshold_shift` because the
    frozen one is not the best one there.
    """

    def balanced(scores, at):
        counts = evaluation.confusion(scores.label, scores.score, at)
        return (
            counts["tp"] / (counts["tp"] + counts["fn"])
            + counts["tn"] / (counts["tn"] + counts["fp"])
        ) / 2

    def best(scores):
        return balanced(scores, evaluation.choose_threshold(scores.label, scores.score, "youden"))

    result = {
        "internal": balanced(inside, threshold),
        "internal_best": best(inside),
        "external": balanced(outside, threshold),
        "external_best": best(outside),
    }
    result["ranking"] = result["internal_best"] - result["external_best"]
    result["threshold_shift"] = (result["external_best"] - result["external"]) - (
        result["internal_best"] - result["internal"]
    )
    return result


def run(profile: Profile) -> dict:
    """Judge each model of a run on its external folder; written to `external.json`.

    The first model and seed stand at the top, all of them under `models`. External images that
    are also in the training or test data are left out; `with_duplicates` has them in.
    """
    rows = []
    for name in profile.models:
        for seed in profile.seeds:
            folder = profile.model_folder(name, seed)
            outside = score(profile, name, seed)
            inside = pd.read_csv(folder / "scores.csv")
            threshold = evaluation.summary(inside, profile.threshold)["threshold"]
            inside = inside[inside.split == "test"]
            fresh = outside[outside.duplicate == ""]
            if fresh.label.nunique() < 2:
                raise UserError(
                    f"All images of one class of {profile.external} are in {profile.data} as well."
                )
            weights = read_json(folder / "training.json")["weights"]
            rows.append(
                {"model": name, "seed": seed, "weights": weights["file"] or weights["kind"]}
                | judged(fresh, threshold)
                | {
                    "images": {manifest.LABEL_NAMES[k]: int(n) for k, n in
                               fresh.label.value_counts().sort_index().items()},
                    "duplicates_dropped": int((outside.duplicate != "").sum()),
                    "duplicates": outside.duplicate[outside.duplicate != ""].value_counts().to_dict(),
                    "with_duplicates": judged(outside, threshold),
                    "internal_auc": intervals.auc(inside.label, inside.score),
                    "drop": drop(inside, fresh, threshold),
                    "histograms": histograms(inside, fresh),
                }
            )  # fmt: skip
    result = rows[0] | {"models": rows}
    write_json(profile.folder / "external.json", audit.plain(result))
    return audit.plain(result)


def histograms(inside: pd.DataFrame, outside: pd.DataFrame) -> dict:
    """Counts of scores in BINS equal bins of 0 to 1 by collection and class, for a figure."""
    parts = {"test": inside, "external": outside}
    return {
        f"{name}, {where}": np.histogram(part.score[part.label == label], BINS, (0, 1))[0].tolist()
        for label, name in manifest.LABEL_NAMES.items()
        for where, part in parts.items()
    }


def committed(folder: Path) -> dict:
    """The `external.json` in a folder of results; empty where there is none."""
    path = folder / "external.json"
    return read_json(path) if path.is_file() else {}


def shown(found: dict) -> pd.DataFrame:
    """`run`'s result for a reader: each AUC and share with its interval, a row for each model."""

    def told(of: dict, key: str) -> str:
        return f"{of[key]:.3f} ({of[f'{key}_low']:.3f} to {of[f'{key}_high']:.3f})"

    rows = {
        f"{one['model']}, seed {one['seed']}": {
            "AUC on test": f"{one['internal_auc']:.3f}",
            "AUC outside": told(one, "auc"),
            "with duplicates": told(one["with_duplicates"], "auc"),
            "sensitivity outside": told(one, "sensitivity"),
            "specificity outside": told(one, "specificity"),
            "COVID-19 + others": " + ".join(f"{one['images'][name]:,}" for name in ("COVID-19", "Non-COVID")),
            "dropped": one["duplicates_dropped"],
        }
        for one in found["models"]
    }  # fmt: skip
    return pd.DataFrame(rows).T


def losses(found: dict) -> pd.DataFrame:
    """Balanced accuracy inside and outside, and what of the loss is ranking, what threshold."""
    rows = {f"{one['model']}, seed {one['seed']}": one["drop"] for one in found["models"]}
    return pd.DataFrame(rows).T.rename(columns=lambda name: name.replace("_", " "))


def answer(found: dict) -> str:
    """What a run's external folder says of its first model, in a sentence."""
    drop, counts = found["drop"], found["images"]
    said = f"{found['auc']:.3f} ({found['auc_low']:.3f} to {found['auc_high']:.3f})"
    return (
        f"{found['model']} scores ROC AUC {found['internal_auc']:.3f} on test and {said} outside "
        f"({counts['COVID-19']:,} COVID-19, {counts['Non-COVID']:,} Non-COVID; "
        f"{found['duplicates_dropped']} duplicates dropped, {found['with_duplicates']['auc']:.3f} with "
        f"them). Balanced accuracy falls from {drop['internal']:.2f} to {drop['external']:.2f}; "
        f"{drop['ranking']:.2f} of that is ranking, which no threshold mends, "
        f"{drop['threshold_shift']:.2f} the threshold."
    )
