"""Cross-validated scores of all training patients, from which an operating point can be chosen.

The validation split has few COVID-19 patients (six in COVID-Xray-5k), too few for a threshold. Here
the head is trained anew for each fold, by the run's recipe, without the fold's patients.
"""

import sys
from pathlib import Path

import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from deepcovid import io
from deepcovid.data import augmentation, manifest
from deepcovid.models import features, fitting, networks, scoring, training
from deepcovid.models.features import to_device
from deepcovid.models.run import Run

FOLDS = 5
COLUMNS = ["image", "label", "patient", "fold", "score"]
NAME = "cv_scores.csv"


def pool(run: Run) -> pd.DataFrame:
    """All images that a fold may train on: those of training and validation, with their copies.

    Copies that a run makes itself (`augment_positives` a number) are of the training split alone.
    """
    held = run.manifest[run.manifest.split == "validation"]
    if run.profile.augment_positives != "release":
        held = manifest.originals(held)
    return pd.concat([run.training, held], ignore_index=True)


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


def run(run: Run, name: str, seed: int) -> Path | None:
    """Write a model's `cv_scores.csv`, a row per original of training and validation, unless it is
    there and was made from the same; return its path, or None where the recipe gets none, and say why.

    `fold` is the one that did not train on the image's patient, `score` P(COVID-19), 0 to 1. Folds
    that a stopped run finished are kept.
    """
    path = run.model_folder(name, seed) / NAME
    part = path.with_name(f"part-{NAME}")
    model, _ = run.build(name, seed)
    table = pool(run)
    folds = assign_folds(manifest.originals(table))
    if reason := why_not(run, model, folds):
        for left in path.parent.glob(f"*{NAME}*"):
            left.unlink()
        print(f"{name}, seed {seed}: no cross-validated scores, since {reason}.")
        return None
    if run.profile.class_weights == "views":
        table = table.assign(view=run.views(table))
    code = (augmentation, networks, features, fitting, training, scoring, sys.modules[__name__])
    of = ["image", "sha1", "label", "patient", *(["view"] if "view" in table else [])]
    stamp = io.digest([
        run.made_from(model), table[of].to_numpy().tolist(), folds.to_dict(), io.code_digest(*code)
    ])  # fmt: skip
    if io.is_fresh(path, stamp):
        return path
    found = pd.DataFrame(columns=COLUMNS)
    if io.is_fresh(part, stamp):
        found = pd.read_csv(part, dtype={"patient": str}, keep_default_na=False)
    for fold in sorted(set(folds) - set(found.fold)):
        scored = one_fold(run, name, seed, split(table, folds, fold)).assign(fold=fold)
        found = pd.concat([found, scored[COLUMNS]]) if len(found) else scored[COLUMNS]
        write(found, part, stamp)
    write(found.sort_values("image"), path, stamp)
    for left in part.parent.glob(f"{part.name}*"):
        left.unlink()
    return path


def one_fold(run: Run, name: str, seed: int, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The scored images of a fold, with their `score`, by a head trained on its others."""
    model = to_device(run.build(name, seed)[0], run.device)
    inputs = training.gather(run, model, tables, seed)
    fitting.fit(run.profile, model, {"train": inputs["train"]}, seed)
    logits = fitting.predict(model, inputs["scored"])
    return tables["scored"].assign(score=scoring.probability(logits))


def write(table: pd.DataFrame, path: Path, stamp: str) -> None:
    path.with_name(f"{path.name}.made-from").unlink(missing_ok=True)  # no half-written pair counts
    io.write_csv(path, table, float_format="%.7g")
    io.write_stamp(path, stamp)
