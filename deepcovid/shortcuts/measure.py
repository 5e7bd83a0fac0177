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
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from deepcovid import io
from deepcovid.data import audit, manifest
from deepcovid.metrics import intervals
from deepcovid.models.run import Run
from deepcovid.runs import UserError
from deepcovid.shortcuts import ablations, encoders
from deepcovid.shortcuts.ablations import FRAME, ImageAblation, lung_masks
from deepcovid.shortcuts.columns import SHORTCUTS

PROPERTIES = {
    "file properties": ("mode", "width", "height", "aspect ratio"),
    "patient and exposure": ("view", "age", "sex"),
}
PROPERTIES["all of these"] = tuple(name for group in PROPERTIES.values() for name in group)
NUMBERS = ("width", "height", "aspect ratio", "age")
ALIKE = (("view", "PA"), ("view", "AP"), ("mode", "L"))  # the disease told among images like these
WITHIN = ("view", "sex", "mode", "format")  # told apart within one class
FOLDS = 5
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
    if not enough(of, label, 2):
        raise UserError(
            "A shortcut is measured on two images of each class at least, in train and test."
        )
    fitted = model.fit(values[train.to_numpy()], label[train])
    score, truth = fitted.predict_proba(values[test.to_numpy()])[:, 1], label[test]
    low, high = intervals.auc_interval(truth, score)
    return auc(truth, score, of.patient[test]) | counts(truth) | {"auc_low": low, "auc_high": high}


def auc(label, score, group, unit: str = "patient") -> dict[str, float]:
    """AUC and its 95% interval, `UNIT_low` and `UNIT_high`, resampling groups of images.

    Of scores (repeats, n) it is the mean over the repeats.
    """
    low, high = intervals.bootstrap(label, score, group)["auc"]
    return {"auc": mean_auc(label, score), f"{unit}_low": low, f"{unit}_high": high}


def mean_auc(label, scores) -> float:
    """Mean AUC over scores (n,) or (repeats, n)."""
    return float(np.mean([intervals.auc(label, one) for one in np.atleast_2d(scores)]))


def counts(label) -> dict[str, int]:
    positives = int(np.sum(label))
    return {"positives": positives, "negatives": len(label) - positives}


def out_of_fold(label, group, fitted: Callable, repeats: int) -> np.ndarray:
    """Scores of images by models that did not see their group, (repeats, n), 0 to 1.

    `fitted(fit, judge)` gives the scores of the rows `judge` by a model fitted on the rows `fit`.
    """
    score = np.empty((repeats, len(label)))
    for repeat in range(repeats):
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=repeat)
        for fit, judge in folds.split(score[0], label, group):
            score[repeat, judge] = fitted(fit, judge)
    return score


def enough(of: pd.DataFrame, label: pd.Series, few: int = FEW) -> bool:
    count = pd.crosstab(of.folder, label)
    count = count.reindex(index=["train", "test"], columns=[0, 1], fill_value=0)
    return bool((count >= few).all(axis=None))


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


def of_pictures(run: Run, of: pd.DataFrame, seen: list[ImageAblation]) -> Iterator[Plan]:
    """Measurements with each look, then what else the untouched pictures tell."""
    model = encoders.first_model(run)
    networks = {kind: encoders.encoder(run, kind, model) for kind in ("own", "untrained", "none")}
    questions = [
        (look, of.index, {"kind": look.kind, "seen": look.seen}, of.label) for look in seen
    ]
    for look in seen:
        if look.network == "own" and look.seen in ("whole picture", FRAME):
            for part, among, told, label in others(of):
                kind = "like with like" if told == "COVID-19" else "within a class"
                words = {"kind": kind, "told": told, "seen": f"{look.seen}; {among}"}
                questions.append((look, part, words, label))
    for look, part, words, label in questions:
        network, weights = networks[look.network]
        name = "counts" if look.network == "none" else f"{model} ({weights})"
        words |= {"model": f"{name} + regression", "seen_share": look.share}
        words["variant"] = look.variant
        yield words, partial(picture_row, run, of, network, look, part, label)


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


def picture_row(run: Run, of: pd.DataFrame, network, look: ImageAblation, part, label) -> dict:
    """`judged` for one look, of the rows `part`."""
    values = encoders.encode(run, network, of, look)[of.index.get_indexer(part)]
    kind = "table" if look.network == "none" else "network"
    return judged(of.loc[part], label.loc[part], values, regression(kind))


def kept(folder: Path, made_from: list, make: Callable[[], dict]) -> dict:
    """The row that `make` gives, in `folder` by all it was made from, and never computed twice."""
    path = folder / f"{io.digest(made_from)}.json"
    if not path.exists():
        io.write_json(path, make())
    return io.read_json(path)


def run(run: Run) -> pd.DataFrame:
    """Measure all shortcuts of a run's images; written to its `shortcuts.csv`.

    A row per measurement: `kind`, what is `seen`, what is `told` from it (mostly COVID-19 from
    Non-COVID), `model`, `seen_share` (of the picture's area, 0 to 1), `auc` with two intervals of
    95% (`auc_*` DeLong, `patient_*` resampled patients), and the test images of both kinds.
    A stopped run goes on where it was.
    """
    of, seen = collection(run.manifest, run.data), ablations.all_ablations(lung_masks(run.data))
    stamp, rows = encoders.stamp(run, of, "shortcuts.measure"), []
    for words, make in (*of_metadata(of), *of_pictures(run, of, seen)):
        words = {"told": "COVID-19", "seen_share": None} | words
        rows.append(words | kept(run.folder / "shortcuts", [words, stamp], make))
    table = pd.DataFrame(rows, columns=list(SHORTCUTS))
    return write(table, run.folder / "shortcuts.csv")


def write(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    io.write_csv(path, table)
    return table
