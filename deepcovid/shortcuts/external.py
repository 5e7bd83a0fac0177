"""External validation: does the score hold in a collection that nobody trained on?

Nothing here is read by training or by the choice of a threshold.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid import io
from deepcovid.data import audit, manifest
from deepcovid.data import external as data_external
from deepcovid.io import digest, read_json, write_json
from deepcovid.metrics import evaluation, intervals
from deepcovid.models import lungs, scoring
from deepcovid.models.run import Run
from deepcovid.models.seen import unseen
from deepcovid.runs import UserError
from deepcovid.shortcuts import measure
from deepcovid.shortcuts.encoders import FeatureBank, first_model

SCORES = ("image", "label", "patient", "source", "view", "sha1", "score", "duplicate", "twin")
COLUMNS = (
    "model",
    "seed",
    "set",
    "quantity",
    "value",
    "low",
    "high",
    "images",
    "patients",
    "method",
)
BINS = 20  # of a score's histogram


def with_duplicates(run: Run, found: pd.DataFrame) -> Iterator[tuple]:
    """Each model and seed, and `found` with `duplicate`, why an image is no external one for it,
    and `twin`; see `unseen`. Compared with all that the model saw, and with the run's other images.
    """
    known = {}  # most models of a run saw the same
    for name, seed in models_of(run):
        saw = pd.concat([run.seen(name, seed), run.everything()]).drop_duplicates("image")
        key = digest([list(saw.image), list(saw.sha1)])
        if key not in known:
            known[key] = unseen(found, saw, run.signatures).rename(columns={"reason": "duplicate"})
        yield name, seed, known[key]


def write_scores(
    run: Run, name: str, seed: int, found: pd.DataFrame, target: Path, columns=SCORES
) -> pd.DataFrame:
    """`found` with P(COVID-19) of each image by a trained model; `columns` of it are kept as `target`."""
    size, prepare = run.profile.image_size, run.preprocessing
    found = found.assign(
        score=scoring.score(run.model(name, seed), list(found.path), size, prepare)
    )
    io.write_csv(target, found[list(columns)], float_format="%.7g")
    return io.read_table(target, keep_default_na=False)


def summary(scores: pd.DataFrame, threshold: float) -> dict:
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


def row(run: Run, name: str, seed: int, outside: pd.DataFrame) -> dict:
    """All that is said of one trained model and the images outside, by its scores of them."""
    inside = run.scores(name, seed)
    threshold = evaluation.summary(inside, run.profile.threshold)["threshold"]
    inside = inside[inside.split == "test"]
    fresh, known = fresh_of(outside), outside.duplicate[outside.duplicate != ""]
    weights = read_json(run.model_folder(name, seed) / "training.json")["weights"]
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
    by_class = fresh.groupby("label")
    return about | summary(fresh, threshold) | {
        "images": {manifest.LABEL_NAMES[label]: len(part) for label, part in by_class},
        "patients": {manifest.LABEL_NAMES[label]: part.patient.nunique() for label, part in by_class},
        "class_and_source_coincide": coincide(fresh),
        "with_duplicates": summary(outside, threshold), "histograms": histograms(inside, fresh),
    }  # fmt: skip


def fresh_of(scores: pd.DataFrame) -> pd.DataFrame:
    """The images that may judge."""
    return scores[scores.duplicate == ""]


def coincide(table: pd.DataFrame) -> bool:
    """Is no source known to have images of both classes? An AUC then measures the source as well."""
    known = (table.source != "").any()
    return bool(not known or table.groupby("source").label.nunique().max() == 1)


def quantities(fresh: pd.DataFrame, threshold: float) -> Iterator[dict]:
    """Sensitivity and specificity in each source of a class, then the AUC: rows of `external.csv`."""
    for label, quantity in ((1, "sensitivity"), (0, "specificity")):
        part = fresh[fresh.label == label]
        hit = intervals.predict_positive(part.score, threshold) == (label == 1)
        for source in part.source.unique():
            here = part.source == source
            # where all images agree there is nothing to resample
            method = "patients resampled" if hit[here].nunique() > 1 else "Wilson, patients"
            value, low, high = intervals.share_interval(hit[here], part.patient[here])
            yield {"set": f"{manifest.LABEL_NAMES[label]}, {source or 'source not stated'}",
                   "quantity": quantity, "value": value, "low": low, "high": high, "method": method,
                   "images": int(here.sum()), "patients": part.patient[here].nunique()}  # fmt: skip
    yield auc_row(fresh, fresh.score)


def auc_row(fresh: pd.DataFrame, score) -> dict:
    """An AUC over both classes with its interval by patients, as a row of `external.csv`."""
    found = measure.auc_with_ci(fresh.label, score, fresh.patient)
    both = "both classes" + coincide(fresh) * ", each from a source of its own"
    return {"set": both, "quantity": "auc", "value": found["auc"], "low": found["patient_low"],
            "high": found["patient_high"], "method": "patients resampled", "images": len(fresh),
            "patients": fresh.patient.nunique()}  # fmt: skip


def probes(run: Run, fresh: pd.DataFrame) -> Iterator[dict]:
    """What border alone and framing alone reach: regressions fitted on the run's training images.

    The border is the outer eighth of each side, before any cut, then prepared as the run prepares
    its pictures; the framing is where the lungs lie in them, asked where lung masks are at hand.
    """
    train = run.originals("train")
    train = train.assign(path=run.paths(train.image))
    both = pd.concat([train, fresh])[["path", "sha1"]]
    bank, steps = FeatureBank(run, both), run.profile.preprocessing
    border = bank.encode(both, bank.ablation(steps, border=True), first_model(run))
    blind = {"border alone": ("network", border)}
    if len(lungs.masked(train, run.data)) >= lungs.FEWEST:  # else nobody finds lungs
        blind["framing alone"] = "table", bank.framing(both, steps)
    for name, (kind, values) in blind.items():
        fitted = measure.regression(kind).fit(values[: len(train)], train.label)
        score = fitted.predict_proba(values[len(train) :])[:, 1]
        yield {"model": name, "seed": ""} | auc_row(fresh, score)


def run(run: Run) -> dict:
    """Evaluate each model of a run on its external folder, if it has one, unless that was done.

    Written to `external.json` and `.csv`. The first model and seed stand at the top, all of them
    under `models`. External images that are also in the training or test data are left out;
    `with_duplicates` has them in.
    """
    if not run.profile.external:
        return {}
    target, stamp = run.folder / "external.json", run.depends("shortcuts.external", trained=True)
    if not (io.is_fresh(target, stamp) and target.with_suffix(".csv").is_file()):
        each(run, data_external.table(Path(run.profile.external)), run.folder)
        io.write_stamp(target, stamp)
    return read_json(target)


def each(run: Run, found: pd.DataFrame, target: Path) -> None:
    """Evaluate each model of a run on external images; all that is written lies below `target`.

    `external.csv` has a row for each model, seed, set of images and quantity, sensitivity and
    specificity at the frozen threshold first, then the AUC and what the probes reach.
    """
    rows, tidy = [], []
    for name, seed, compared in with_duplicates(run, found):
        place = target / run.model_folder(name, seed).relative_to(run.folder)
        scored = write_scores(run, name, seed, compared, place / "external.csv")
        rows.append(row(run, name, seed, scored))
        if "auc" in rows[-1]:
            words = {"model": name, "seed": seed}
            tidy += [words | one for one in quantities(fresh_of(scored), rows[-1]["threshold"])]
    result = rows[0] | {"models": rows}
    if tidy:
        blind = list(probes(run, compared[compared.duplicate == ""]))
        result["probes"] = {one["model"]: [one["value"], one["low"], one["high"]] for one in blind}
        io.write_csv(target / "external.csv", pd.DataFrame(tidy + blind)[list(COLUMNS)])
    write_json(target / "external.json", audit.plain(result))


def models_of(run: Run) -> list[tuple[str, int]]:
    return [(name, seed) for name in run.profile.models for seed in run.profile.seeds]


def evaluate(run: Run, folder: Path) -> Path:
    """Evaluate the models of a finished run on any folder; where its results are written.

    The folder holds `covid` and `non`, or images of which nothing is known: these are scored only.
    As of the run's own external folder, images that are in its data too are left out. Results lie in
    the run's `external/`, by the folder's name, and replace nothing. Raises UserError for a run that
    is not finished, a folder without images, and images that cannot be read.
    """
    missing = [f"{name}, seed {seed}" for name, seed in models_of(run)
               if not (run.model_folder(name, seed) / "scores.csv").is_file()]  # fmt: skip
    if missing:
        name = run.profile.name
        raise UserError(
            f"The run {name} is not finished, it lacks scores of {'; '.join(missing)}: "
            f"./run_all.sh {name}, or choose models and seeds (-p models, -p seeds)."
        )
    target = run.folder / "external" / f"{folder.name}-{digest(str(folder.resolve()))[:6]}"
    each(run, data_external.any_folder(folder), target)
    return target
