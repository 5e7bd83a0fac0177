"""Cross-validated scores of all training patients, from which an operating point can be chosen.

The validation split has few COVID-19 patients (six in COVID-Xray-5k), too few for a threshold. Here
the head is trained anew for each fold, by the run's recipe, without the fold's patients.
"""

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

    `fold` is the one that did not train on the image's patient, `score` P(COVID-19), 0 to 1.
    """
    path = run.model_folder(name, seed) / NAME
    model, _ = run.build(name, seed)
    table = pool(run)
    folds = assign_folds(manifest.originals(table))
    if reason := why_not(run, model, folds):
        path.unlink(missing_ok=True)
        print(f"{name}, seed {seed}: no cross-validated scores, since {reason}.")
        return None
    if run.profile.class_weights == "views":
        table = table.assign(view=run.views(table))
    of = ["image", "sha1", "label", "patient", *(["view"] if "view" in table else [])]
    code = io.code_digest(augmentation, networks, features, fitting, training, scoring, __file__)
    given = [run.made_from(model), table[of].to_numpy().tolist(), folds.to_dict(), code]
    if io.is_fresh(path, stamp := io.digest(given)):
        return path
    found = pd.concat(
        [one_fold(run, name, seed, table, folds, fold) for fold in sorted(set(folds))]
    )
    path.with_name(f"{NAME}.made-from").unlink(missing_ok=True)  # no half-written pair counts
    io.write_csv(path, found.sort_values("image")[COLUMNS], float_format="%.7g")
    io.write_stamp(path, stamp)
    return path


def one_fold(run: Run, name: str, seed: int, table: pd.DataFrame, folds: pd.Series, fold: int):
    """The scored images of a fold, with `fold` and `score`, by a head trained on its others."""
    tables = split(table, folds, fold)
    model = to_device(run.build(name, seed)[0], run.device)
    inputs = training.gather(run, model, tables, seed)
    fitting.fit(run.profile, model, {"train": inputs["train"]}, seed)
    logits = fitting.predict(model, inputs["scored"])
    return tables["scored"].assign(fold=fold, score=scoring.probability(logits))
