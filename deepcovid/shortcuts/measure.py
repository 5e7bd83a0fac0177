"""What tells the classes apart without the disease: file properties, borders, blurred pictures.

Each measurement takes something away from the images, fits a logistic regression to what is left of
the training images, and is judged on the test images. Where the lungs cannot be seen, what remains
above ROC AUC 0.5 is a shortcut.

All originals of the `train` folder are trained on, each class with the same weight: nothing here is
chosen on validation images, so none are set aside, and augmented copies are not used.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from deepcovid import io
from deepcovid.data import audit, manifest
from deepcovid.metrics import intervals
from deepcovid.models import features
from deepcovid.models.opened import Run
from deepcovid.runs import UserError
from deepcovid.shortcuts import looks
from deepcovid.shortcuts.columns import SHORTCUTS
from deepcovid.shortcuts.eyes import Eyes
from deepcovid.shortcuts.looks import FRAME, Look, lung_masks

PROPERTIES = {
    "file properties": ("mode", "width", "height", "aspect ratio"),
    "patient and exposure": ("view", "age", "sex"),
}
PROPERTIES["all of these"] = tuple(name for group in PROPERTIES.values() for name in group)
NUMBERS = ("width", "height", "aspect ratio", "age")
ALIKE = (("view", "PA"), ("view", "AP"), ("mode", "L"))  # the disease told among images like these
WITHIN = ("view", "sex", "mode", "format")  # told apart within one class
FEW = 10  # test and training images of each kind that a measurement needs at least
C = {"network": 0.01, "table": 1.0}  # inverse strength of the penalty; standardised columns


def collection(table: pd.DataFrame, data: Path) -> pd.DataFrame:
    """The originals of a manifest with all that is known of them, a row each (`audit.facts`)."""
    part = manifest.originals(table)
    of = audit.facts(table, audit.metadata(data))
    return of.assign(sha1=part.sha1.to_numpy(), path=[data / image for image in part.image])


def regression(kind: str) -> Pipeline:
    """Logistic regression on standardised columns, both classes of the same weight."""
    fit = LogisticRegression(C=C[kind], class_weight="balanced", max_iter=5000)
    return make_pipeline(StandardScaler(), fit)


def table_model(of: pd.DataFrame, names: tuple[str, ...], trees: bool) -> Pipeline:
    """A classifier of the columns `names` of `of` (the training rows).

    An unknown number becomes the training median, an unknown word `not stated`; a word that
    training never met counts as none. Columns of which training knows nothing are left out.
    """
    known = [name for name in names if (of[name].notna() & (of[name] != "")).any()]
    if not known:
        raise UserError(f"Nothing is known of {', '.join(names)} in the training images.")
    numbers = [name for name in known if name in NUMBERS]
    words = [name for name in known if name not in NUMBERS]
    stated = SimpleImputer(missing_values="", strategy="constant", fill_value="not stated")
    columns = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        ("words", make_pipeline(stated, OneHotEncoder(handle_unknown="ignore")), words),
    ])  # fmt: skip
    forest = RandomForestClassifier(
        300, min_samples_leaf=5, class_weight="balanced", random_state=0
    )
    linear = LogisticRegression(C=C["table"], class_weight="balanced", max_iter=5000)
    return make_pipeline(columns, forest if trees else linear)


def judged(of: pd.DataFrame, label: pd.Series, values, model: Pipeline) -> dict:
    """Fit `model` on the rows of the `train` folder, judge it on those of `test`.

    `values` are the inputs of all rows, an array or a table. Gives auc with DeLong's interval of
    95%, the interval that resamples patients, and the number of test images of each class.
    """
    train, test = (of.folder == part for part in ("train", "test"))
    least = min(
        label[part].value_counts().reindex([0, 1], fill_value=0).min() for part in (train, test)
    )
    if least < 2:
        raise UserError(
            "A shortcut is measured on two images of each class at least, in train and test."
        )
    fitted = model.fit(values[train.to_numpy()], label[train])
    score = fitted.predict_proba(values[test.to_numpy()])[:, 1]
    truth = label[test].to_numpy()
    low, high = intervals.auc_interval(truth, score)
    patient = intervals.bootstrap(truth, score, of.patient[test])["auc"]
    return {
        "auc": intervals.auc(truth, score), "auc_low": low, "auc_high": high,
        "patient_low": patient[0], "patient_high": patient[1],
        "positives": int(truth.sum()), "negatives": int((1 - truth).sum()),
    }  # fmt: skip


def enough(of: pd.DataFrame, label: pd.Series) -> bool:
    counts = pd.crosstab(of.folder, label).reindex(
        index=["train", "test"], columns=[0, 1], fill_value=0
    )
    return bool((counts >= FEW).all(axis=None))


Plan = tuple[dict, Callable[[], dict]]  # the words of a row, and what measures its numbers


def of_metadata(of: pd.DataFrame) -> Iterator[Plan]:
    """Measurements without any picture, by regression and by trees."""
    known = of[list(PROPERTIES["all of these"])].replace("", np.nan).notna()
    for seen, names in PROPERTIES.items():
        groups = [PROPERTIES[name] for name in PROPERTIES if set(PROPERTIES[name]) <= set(names)]
        if not all(known[list(group)].any(axis=None) for group in groups):
            continue
        complete = known[list(names)].all(axis=1)
        for part, words in ((of, seen), (of[complete], f"{seen}, where all are known")):
            if part is not of and (complete.all() or not enough(part, part.label)):
                continue
            for trees in (False, True):
                yield (
                    {"kind": "metadata", "seen": words, "model": "trees" if trees else "regression"},
                    partial(metadata_row, part, names, trees),
                )  # fmt: skip


def metadata_row(part: pd.DataFrame, names: tuple[str, ...], trees: bool) -> dict:
    model = table_model(part[part.folder == "train"], names, trees)
    return judged(part, part.label, part[list(names)], model)


def of_pictures(of: pd.DataFrame, by: Eyes, seen: list[Look]) -> Iterator[Plan]:
    """Measurements with each look, then what else the untouched pictures tell."""
    for look in seen:
        yield words_of(look, by), partial(picture_row, of, of.label, by, look)
    plain = [
        look for look in seen if look.network == "own" and look.seen in ("whole picture", FRAME)
    ]
    for look in plain:
        for part, among, told, label in others(of):
            kind = "like with like" if told == "COVID-19" else "within a class"
            words = {"kind": kind, "told": told, "seen": f"{look.seen}; {among}"}
            yield words_of(look, by) | words, partial(picture_row, of, label, by, look, part)


def words_of(look: Look, by: Eyes) -> dict:
    model = f"{by.networks[look.network][1]} + regression"
    return {"kind": look.kind, "seen": look.seen, "model": model, "seen_share": look.share,
            "variant": look.variant}  # fmt: skip


def others(of: pd.DataFrame) -> Iterator[tuple[pd.Index, str, str, pd.Series]]:
    """Other questions to the pictures: rows, their description, what is told, its label.

    First the acquisition within one class: the two most frequent words of each property. Then the
    disease, among images that are alike in a property.
    """
    for number, name in manifest.LABEL_NAMES.items():
        kind = of[of.label == number]
        for column in WITHIN:
            first = kind[column][kind[column] != ""].value_counts().index[:2]
            part = kind[kind[column].isin(first)]
            if len(first) == 2 and enough(part, label := (part[column] == first[0]).astype(int)):
                yield part.index, f"{name} only", f"{column}: {first[0]}, not {first[1]}", label
    for column, value in ALIKE:
        part = of[of[column] == value]
        if len(part) < len(of) and enough(part, part.label):
            yield part.index, f"{column} {value} only", "COVID-19", part.label


def picture_row(of, label: pd.Series, by: Eyes, look: Look, part=None) -> dict:
    """`judged` for one look, of all images or the rows `part`."""
    part = of.index if part is None else part
    values = by.values(of, look)[of.index.get_indexer(part)]
    kind = "table" if look.network == "none" else "network"
    return judged(of.loc[part], label.loc[part], values, regression(kind))


def measured(of: pd.DataFrame, by: Eyes, seen: list[Look], folder: Path) -> pd.DataFrame:
    """All measurements; each row is kept in `folder` as it comes, and never computed twice.

    A kept row hangs on the images, what is known of them, the networks and the code.
    """
    features.check_unchanged(of.path, of.sha1)
    given = of.drop(columns="path").astype(str).to_numpy().tolist()
    stamp = io.digest([features.code("shortcuts.measure"), given, by.stamp()])
    rows = []
    for words, measure in [*of_metadata(of), *of_pictures(of, by, seen)]:
        words = {"told": "COVID-19", "seen_share": None} | words
        path = folder / f"{io.digest([words, stamp])}.json"
        if not path.exists():
            io.write_json(path, words | measure())
        rows.append(io.read_json(path))
    return pd.DataFrame(rows, columns=list(SHORTCUTS))


def run(opened: Run) -> pd.DataFrame:
    """Measure all shortcuts of a run's images; written to its `shortcuts.csv`.

    A row per measurement: `kind`, what is `seen`, what is `told` from it (mostly COVID-19 from
    Non-COVID), `model`, `seen_share` (of the picture's area, 0 to 1), `auc` with two intervals of
    95% (`auc_*` DeLong, `patient_*` resampled patients), and the test images of both kinds.
    A stopped run goes on where it was.
    """
    of, seen = collection(opened.manifest, opened.data), looks.looks(lung_masks(opened.data))
    table = measured(of, Eyes(opened), seen, opened.folder / "shortcuts")
    return write(table, opened.folder / "shortcuts.csv")


def write(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    io.write_csv(path, table)
    return table
