"""External validation: does the score hold in a collection that nobody trained on?

Nothing here is read by training or by the choice of a threshold.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid import io
from deepcovid.data import manifest
from deepcovid.data.duplicates import SEEN, unseen
from deepcovid.io import read_json, write_json
from deepcovid.metrics import evaluation, intervals
from deepcovid.models import lungs, scoring
from deepcovid.models.run import Run
from deepcovid.runs import UserError
from deepcovid.shortcuts.encoders import FeatureBank, first_model
from deepcovid.shortcuts.probing import auc_by_group, fit_score

SCORES = ("image", "label", "patient", "source", "view", "sha1", "score", "duplicate", "twin")
NUMBERS = tuple(f"{name}{end}" for name in ("auc", "sensitivity", "specificity")
                for end in ("", "_low", "_high"))  # fmt: skip
BINS = 20  # of a score's histogram


def with_duplicates(run: Run, found: pd.DataFrame) -> Iterator[tuple]:
    """Each model and seed, and `found` with `duplicate`, why an image is no external one for it,
    and `twin`; see `unseen`. Compared with all that the model saw, and with the run's other images.
    """
    everything = run.everything()
    for name, seed in run.profile.trainings:
        saw = pd.concat([everything, run.seen(name, seed)])
        saw = saw.drop_duplicates([column for column in SEEN if column != "phase"])
        compared = unseen(found, saw, run.signatures)
        yield name, seed, compared.rename(columns={"reason": "duplicate"})


def write_scores(
    run: Run, name: str, seed: int, found: pd.DataFrame, target: Path, columns=SCORES
) -> pd.DataFrame:
    """`found` with P(COVID-19) of each image by a trained model; `columns` of it are kept as `target`."""
    how = run.profile.image_size, run.preprocessing
    found = found.assign(score=scoring.score(run.model(name, seed), list(found.path), *how))
    io.write_csv(target, found[list(columns)], float_format="%.7g")
    return io.read_table(target, keep_default_na=False)


def threshold(run: Run, name: str, seed: int) -> float:
    """The threshold of a trained model, frozen on validation images."""
    return evaluation.choose_threshold(run.scores(name, seed), run.profile.threshold)


def histograms(inside: pd.DataFrame, outside: pd.DataFrame) -> dict:
    """Counts of scores in BINS equal bins of 0 to 1 by collection and class, for a figure."""
    parts = {"test": inside, "external": outside}
    return {
        f"{name}, {where}": np.histogram(part.score[part.label == label], BINS, (0, 1))[0].tolist()
        for label, name in manifest.LABEL_NAMES.items()
        for where, part in parts.items()
    }


def row(run: Run, name: str, seed: int, outside: pd.DataFrame) -> dict:
    """What is said of one trained model and the images outside, by its scores of them.

    AUC with DeLong's interval, sensitivity and specificity at the frozen threshold with Wilson's.
    """
    inside, fresh = run.scores(name, seed), outside[outside.duplicate == ""]
    if fresh.label.nunique() < 2:
        reasons = ", ".join(sorted({*outside.duplicate} - {""}))
        raise UserError(
            f"All images of one class of the external folder are in the data as well, by {reasons}: "
            "`duplicate` and `twin` in the model's external.csv say which."
        )
    found = evaluation.summary(fresh.assign(split="test"), threshold(run, name, seed))
    return {
        "model": name, "seed": seed, "threshold": found["threshold"],
        "duplicates_dropped": len(outside) - len(fresh), **{key: found[key] for key in NUMBERS},
        "histograms": histograms(inside[inside.split == "test"], fresh),
    }  # fmt: skip


def coincide(table: pd.DataFrame) -> bool:
    """Is no source known to have images of both classes? An AUC then measures the source as well."""
    known = (table.source != "").any()
    return bool(not known or table.groupby("source").label.nunique().max() == 1)


def quantities(fresh: pd.DataFrame, threshold: float) -> Iterator[dict]:
    """Sensitivity and specificity in each source of a class, then the AUC: rows of `external.csv`."""
    for label, quantity in ((1, "sensitivity"), (0, "specificity")):
        for source, part in fresh[fresh.label == label].groupby("source", sort=False):
            hit = intervals.predict_positive(part.score, threshold) == (label == 1)
            # where all images agree there is nothing to resample
            method = "patients resampled" if hit.nunique() > 1 else "Wilson, patients"
            words = f"{manifest.LABEL_NAMES[label]}, {source or 'source not stated'}"
            value = intervals.share_interval(hit, part.patient)
            yield quantity_row(words, quantity, value, part, method)
    yield auc_of(fresh, fresh.score)


def quantity_row(words: str, quantity: str, value, part: pd.DataFrame, method: str) -> dict:
    """A value with its interval, of a part of the images."""
    found = dict(zip(("value", "low", "high"), value, strict=True))
    found |= {"images": len(part), "patients": part.patient.nunique(), "method": method}
    return {"set": words, "quantity": quantity} | found


def auc_of(fresh: pd.DataFrame, score) -> dict:
    """An AUC over both classes with its interval by patients, as a row of `external.csv`."""
    value = auc_by_group(fresh.label, score, fresh.patient)
    both = "both classes" + coincide(fresh) * ", each from a source of its own"
    return quantity_row(both, "auc", value, fresh, "patients resampled")


def probes(run: Run, fresh: pd.DataFrame) -> Iterator[dict]:
    """What border alone and framing alone reach: regressions fitted on the run's training images.

    The border is the outer eighth of each side, before any cut, then prepared as the run prepares
    its pictures; the framing is where the lungs lie in them, asked where lung masks are at hand.
    """
    train = run.originals("train")
    both = pd.concat([train.assign(path=run.paths(train.image)), fresh])
    fitted = np.arange(len(both)) < len(train)
    bank, steps = FeatureBank(run, both), run.profile.preprocessing
    border = bank.encode(both, bank.ablation(steps, border=True), first_model(run))
    blind = {"border alone": ("logistic", border)}
    if lungs.can_be_found(run):
        blind["framing alone"] = "table", bank.framing(both, steps)
    for name, (kind, values) in blind.items():
        score = fit_score(values, both.label.astype(int), fitted, ~fitted, kind)
        yield {"model": name, "seed": ""} | auc_of(fresh, score)


def run(run: Run) -> dict:
    """Evaluate each model of a run on its external folder, if it has one, unless that was done.

    Written to `external.json` and `.csv`. The first model and seed stand at the top, all of them
    under `models`. External images that are also in the training or test data are left out.
    """
    if not run.profile.external:
        return {}
    target, stamp = run.folder / "external.json", run.depends("shortcuts.external", trained=True)
    if not (io.is_fresh(target, stamp) and target.with_suffix(".csv").is_file()):
        each(run, manifest.external(Path(run.profile.external)))
        io.write_stamp(target, stamp)
    return read_json(target)


def each(run: Run, found: pd.DataFrame) -> None:
    """Evaluate each model of a run on external images.

    `external.csv` has a row for each model, seed, set of images and quantity, sensitivity and
    specificity at the frozen threshold first, then the AUC and what the probes reach.
    """
    rows, tidy = [], []
    for name, seed, compared in with_duplicates(run, found):
        place = run.model_folder(name, seed) / "external.csv"
        scored = write_scores(run, name, seed, compared, place)
        rows.append(row(run, name, seed, scored))
        words, fresh = {"model": name, "seed": seed}, scored[scored.duplicate == ""]
        tidy += [words | one for one in quantities(fresh, rows[-1]["threshold"])]
    tidy += probes(run, compared[compared.duplicate == ""])
    io.write_csv(run.folder / "external.csv", pd.DataFrame(tidy))
    write_json(run.folder / "external.json", io.rounded(rows[0] | {"models": rows}))
