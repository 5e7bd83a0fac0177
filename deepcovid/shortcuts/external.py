"""Radiographs from elsewhere: does the score hold in a collection that nobody trained on?

Nothing here is read by training or by the choice of a threshold.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid.data import audit, duplicates, manifest
from deepcovid.metrics import evaluation, intervals
from deepcovid.models import features, networks, scoring
from deepcovid.models.opened import Run
from deepcovid.runs import UserError, digest, done, mark_done, read_json, replacing, write_json
from deepcovid.shortcuts.columns import EXTERNAL
from imageaudit import images
from imageaudit.matching import same_radiograph

BINS = 20  # of a score's histogram


def table(folder: Path) -> pd.DataFrame:
    """The images of a `covid|non` folder: image (relative to it), label, patient, sha1.

    Raises UserError when a class is missing or empty, and one for all images that cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"There is no external folder {folder}: -p external FOLDER.")
    found = duplicates.external_images(folder)
    empty = [name for name, label in manifest.CLASSES.items() if label not in set(found.label)]
    if empty:
        raise UserError(
            f"No images in {', '.join(empty)} of {folder}. An external folder holds covid and non."
        )
    return readable(found, folder)


def unlabelled(folder: Path) -> pd.DataFrame:
    """The images of a folder without classes, as `table`; their label is not known (<NA>)."""
    found = [path.relative_to(folder).as_posix() for path in images.find(folder)]
    if not found:
        raise UserError(f"There are no images in {folder}.")
    label = pd.array([pd.NA] * len(found), "Int64")
    of = pd.DataFrame({"image": found, "label": label})
    return readable(of.assign(patient="external " + of.image), folder)


def readable(found: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """With `sha1`; one UserError for all images that cannot be read."""
    paths = [folder / image for image in found.image]
    if refused := images.check(paths):
        raise UserError(
            f"{len(refused)} of {len(paths)} images in {folder} cannot be read; replace or remove "
            "them:\n  " + "\n  ".join(refused)
        )
    return found.assign(sha1=[images.facts(path)["sha1"] for path in paths])


def known_from(opened: Run, found: pd.DataFrame) -> pd.Series:
    """Is each external image in the training or test data too: `bytes`, `picture`, `name` or ``?

    `picture`: the audit saw the same radiograph in both; `name`: only the file names agree, which
    catches radiographs that were cropped beyond recognition.
    """
    seen = read_json(opened.folder / "audit.json")["near_duplicates"]
    name = "external/" + found.image
    named = name.isin(seen["external_images_with_a_name_from_here"])
    return reasons(opened, found, named, name.isin(seen["external_images_also_here"]))


def reasons(opened: Run, found: pd.DataFrame, named, pictured) -> pd.Series:
    reason = pd.Series("", index=found.index)
    reason[named], reason[pictured] = "name", "picture"
    reason[found.sha1.isin(opened.manifest.sha1)] = "bytes"
    return reason


def compared(opened: Run, found: pd.DataFrame, folder: Path) -> pd.Series:
    """`known_from` for images that no audit saw: they are laid beside all of the run's."""
    here = opened.originals()
    judged = duplicates.signatures_of([folder / image for image in found.image])
    same = same_radiograph(judged, duplicates.signatures_of(opened.paths(here.image)))["query"]
    name, ours = (table.image.str.split("/").str[-1] for table in (found, here))
    return reasons(opened, found, name.isin(ours), found.index.isin(same))


def score(opened: Run, name: str, seed: int, found: pd.DataFrame, folder: Path, target: Path):
    """`found` with P(COVID-19) of each image by a trained model; kept as `target`, a CSV file."""
    model, prepare, size = opened.model(name, seed), opened.preparation, opened.profile.image_size
    settings = [size, prepare and prepare.variant, features.code("shortcuts.external")]
    made_from = digest([networks.state_digest(model), found.to_dict("list"), *settings])
    if not done(target, made_from):
        paths = [folder / image for image in found.image]
        found = found.assign(score=scoring.score(model, paths, size, prepare))
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
    resampled = intervals.bootstrap(scores.label, scores.score, scores.patient, threshold)
    return kept | {"by_patient": {key: list(resampled[key]) for key in keys}}


def histograms(inside: pd.DataFrame, outside: pd.DataFrame) -> dict:
    """Counts of scores in BINS equal bins of 0 to 1 by collection and class, for a figure."""
    parts = {"test": inside, "external": outside}
    return {
        f"{name}, {where}": np.histogram(part.score[part.label == label], BINS, (0, 1))[0].tolist()
        for label, name in manifest.LABEL_NAMES.items()
        for where, part in parts.items()
    }


def row(opened: Run, name: str, seed: int, outside: pd.DataFrame) -> dict:
    """All that is said of one trained model and the images outside, by its scores of them."""
    inside = opened.scores(name, seed)
    threshold = evaluation.summary(inside, opened.profile.threshold)["threshold"]
    inside = inside[inside.split == "test"]
    fresh, known = outside[outside.duplicate == ""], outside.duplicate[outside.duplicate != ""]
    weights = read_json(opened.model_folder(name, seed) / "training.json")["weights"]
    about = {
        "model": name, "seed": seed, "weights": weights["file"] or weights["kind"],
        "internal_auc": intervals.auc(inside.label, inside.score), "threshold": threshold,
        "duplicates_dropped": len(known), "duplicates": known.value_counts().to_dict(),
    }  # fmt: skip
    if (outside.label == "").all():
        called = int(intervals.predict_positive(fresh.score, threshold).sum())
        said = {"COVID-19": called, "Non-COVID": len(fresh) - called}
        return about | {"images": {"not stated": len(fresh)}, "called": said}
    if fresh.label.nunique() < 2:
        raise UserError("All images of one class of the external folder are in the data as well.")
    counts = fresh.label.value_counts().sort_index()
    return about | judged(fresh, threshold) | {
        "images": {manifest.LABEL_NAMES[label]: int(n) for label, n in counts.items()},
        "with_duplicates": judged(outside, threshold), "histograms": histograms(inside, fresh),
    }  # fmt: skip


def run(opened: Run) -> dict:
    """Judge each model of a run on its external folder; written to `external.json`.

    The first model and seed stand at the top, all of them under `models`. External images that
    are also in the training or test data are left out; `with_duplicates` has them in.
    """
    folder = Path(opened.profile.external)
    found = table(folder)
    found["duplicate"] = known_from(opened, found)
    return each(opened, found, folder, opened.folder)


def each(opened: Run, found: pd.DataFrame, folder: Path, target: Path) -> dict:
    """Judge each model of a run on images of `folder`; scores and `external.json` below `target`."""
    rows = []
    for name, seed in models_of(opened):
        place = target / opened.model_folder(name, seed).relative_to(opened.folder)
        scored = score(opened, name, seed, found, folder, place / "external.csv")
        rows.append(row(opened, name, seed, scored))
    result = audit.plain(rows[0] | {"models": rows})
    write_json(target / "external.json", result)
    return result


def models_of(opened: Run) -> list[tuple[str, int]]:
    return [(name, seed) for name in opened.profile.models for seed in opened.profile.seeds]


def outside(opened: Run, folder: Path) -> Path:
    """Judge the models of a finished run on any folder; where its results are written.

    The folder holds `covid` and `non`, or images of which nothing is known: these are scored only.
    As of the run's own external folder, images that are in its data too are left out. Results lie in
    the run's `outside/`, by the folder's name, and replace nothing. Raises UserError for a run that
    is not finished, a folder without images, and images that cannot be read.
    """
    missing = [f"{name}, seed {seed}" for name, seed in models_of(opened)
               if not (opened.model_folder(name, seed) / "scores.csv").is_file()]  # fmt: skip
    if missing:
        name = opened.profile.name
        raise UserError(
            f"The run {name} is not finished, it lacks scores of {'; '.join(missing)}: "
            f"./run_all.sh {name}, or choose models and seeds (-p models, -p seeds)."
        )
    classes = folder.is_dir() and any(manifest.named(folder, name) for name in manifest.CLASSES)
    found = table(folder) if classes else unlabelled(folder)
    found["duplicate"] = compared(opened, found, folder)
    each(opened, found, folder, target := place(opened, folder))
    return target


def place(opened: Run, folder: Path) -> Path:
    """Where `outside` writes what it finds on a folder."""
    return opened.folder / "outside" / f"{folder.name}-{digest(str(folder.resolve()))[:6]}"


def result(opened: Run) -> Path | None:
    """`external.json` of the run's external folder, of notebook 07 or of `outside`, if it is there."""
    if not opened.profile.external:
        return None
    made = (opened.folder, place(opened, Path(opened.profile.external)))
    return next((path for one in made if (path := one / "external.json").is_file()), None)
