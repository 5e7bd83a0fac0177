"""P(COVID-19) of each image: by a trained model, and cross-validated.

Cross-validated scores are there to choose an operating point from. The validation split has few
COVID-19 patients (six in COVID-Xray-5k), too few for a threshold. So the head is trained anew for each
fold of all training patients, by the run's recipe, without the fold's patients.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import StratifiedGroupKFold

from deepcovid import io
from deepcovid.data import augmentation, manifest
from deepcovid.models import features, fitting, networks, training
from deepcovid.models.run import Run
from deepcovid.runs import UserError

PART = 1024  # images whose features are in memory at a time; those of SqueezeNet take 0.3 GB
COLUMNS = ["image", "split", "label", "score", "patient"]
FOLDS = 5
CV_COLUMNS = ["image", "label", "patient", "fold", "score"]
DIGITS = "%.7g"  # of a score in a table


def score(
    model: networks.Classifier, paths: list[Path], size: int, change: features.Change | None = None
):
    """P(COVID-19), float32 (n,) from 0 to 1, of image files, each resized to `size` pixels a side.

    `change` is the preprocessing that the model was trained with, if any (`Run.preprocessing`).
    Raises UserError that names a file which cannot be read, and where there is none.
    """
    if not len(paths):
        raise UserError("There is no image to score.")
    device = next(model.parameters()).device
    nothing = torch.zeros(len(paths), dtype=torch.long, device=device)
    inputs = fitting.Inputs(nothing, files=features.ImageSet(list(paths), size, change=change))
    return probability(fitting.predict(model, inputs))


def probability(logits: torch.Tensor) -> np.ndarray:
    """P(COVID-19) of logits (n, 2)."""
    return logits.softmax(1)[:, 1].cpu().numpy()


def run(run: Run, name: str, seed: int) -> Path:
    """Score all original images of the manifest and write `scores.csv`; return its path.

    `score` is the softmax output for COVID-19, 0 to 1. Augmented copies are not scored.
    """
    model, table = run.model(name, seed), run.originals()
    found = []
    for start in range(0, len(table), PART):
        part = {"scored": table[start : start + PART]}
        inputs = training.gather(run, model, part, seed)["scored"]
        found.append(probability(fitting.predict(model, inputs)))
    path = run.model_folder(name, seed) / "scores.csv"
    scored = table.assign(score=np.concatenate(found))
    if len(table) > 1 and np.ptp(scored.score) == 0:  # of some networks with random weights
        print(f"{name}, seed {seed} gives every image the same score: do its features vanish?")
    return io.write_csv(path, scored, columns=COLUMNS, float_format=DIGITS)


def pool(run: Run) -> pd.DataFrame:
    """All images that a fold may train on: those of training and validation, with their copies.

    Copies that a run makes itself (`augment_positives` a number) are of the training split alone.
    Where the recipe weighs views, with the `view` of each.
    """
    held = run.manifest[run.manifest.split == "validation"]
    if run.profile.augment_positives != "release":
        held = manifest.originals(held)
    return run.with_view(pd.concat([run.training, held], ignore_index=True))


def assign_folds(table: pd.DataFrame) -> pd.Series:
    """The fold, from 0, of each patient in a table of images, classes balanced; the same always.

    As many folds as the rarer class has patients, at most `FOLDS`; none with fewer than two.
    """
    patients = table.drop_duplicates(["patient", "label"])
    folds = min(FOLDS, patients.label.value_counts().reindex([0, 1], fill_value=0).min())
    if folds < 2:
        return pd.Series(dtype=int)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    parts = enumerate(splitter.split(table, table.label, table.patient))
    return pd.Series(
        {patient: fold for fold, (_, held) in parts for patient in table.patient.iloc[held]}
    )


def split(table: pd.DataFrame, folds: pd.Series, fold: int) -> dict[str, pd.DataFrame]:
    """What a fold trains on, and the originals that it scores: no patient, and no copy, in both."""
    own = table.patient.map(folds) == fold
    scored = manifest.originals(table[own])
    copy = table.augmented_from.isin(scored.image)
    return {"train": table[~own & ~copy], "scored": scored}


def why_not(run: Run, model: networks.Classifier, folds: pd.Series) -> str:
    """Why a run gets no cross-validated scores, in words; `` where it does."""
    profile = run.profile
    if not networks.backbone_is_fixed(profile, model) or profile.train_crop != "none":
        return "the recipe does not train the head alone, on kept features"
    if profile.selection != "last":
        return f"the recipe selects an epoch by {profile.selection}"
    return "" if len(folds) else "a class has training images of one patient only"


def cross_validate(run: Run, name: str, seed: int) -> Path | None:
    """Write a model's `cv_scores.csv`, a row per original of training and validation, unless it is
    there and was made from the same; return its path, or None where the recipe gets none, and say why.

    `fold` is the one that did not train on the image's patient, `score` P(COVID-19), 0 to 1.
    """
    path = run.model_folder(name, seed) / "cv_scores.csv"
    model, _ = run.build(name, seed)
    table = pool(run)
    folds = assign_folds(manifest.originals(table))
    if reason := why_not(run, model, folds):
        path.unlink(missing_ok=True)
        print(f"{name}, seed {seed}: no cross-validated scores, since {reason}.")
        return None

    def make() -> pd.DataFrame:
        parts = [one_fold(run, name, seed, table, folds, fold) for fold in sorted(set(folds))]
        return pd.concat(parts).sort_values("image")[CV_COLUMNS]

    code = io.code_digest(augmentation, networks, features, fitting, training, __file__)
    given = [run.made_from(model), table.to_csv(), folds.to_dict(), code]
    io.cached_table(path, io.digest(given), make, float_format=DIGITS)
    return path


def one_fold(run: Run, name: str, seed: int, table: pd.DataFrame, folds: pd.Series, fold: int):
    """The scored images of a fold, with `fold` and `score`, by a head trained on its others."""
    tables = split(table, folds, fold)
    model = features.to_device(run.build(name, seed)[0], run.device)
    inputs = training.gather(run, model, tables, seed)
    fitting.fit(run.profile, model, {"train": inputs["train"]}, seed)
    logits = fitting.predict(model, inputs["scored"])
    return tables["scored"].assign(fold=fold, score=probability(logits))
