"""What tells the classes apart without the disease: file properties, borders, blurred pictures.

Each measurement takes something away from the images, fits a logistic regression to what is left of
the training images, and is judged on the test images. Where the lungs cannot be seen, what remains
above ROC AUC 0.5 is a shortcut.

All originals of the `train` folder are trained on, each class with the same weight: nothing here is
chosen on validation images, so none are set aside, and augmented copies are not used.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
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
from deepcovid.shortcuts.ablations import FRAME, ImageAblation, all_ablations, lung_masks
from deepcovid.shortcuts.encoders import FeatureBank, first_model

PROPERTIES = {
    "file properties": ("mode", "width", "height", "aspect ratio"),
    "patient and exposure": ("view", "age", "sex"),
}
PROPERTIES["all of these"] = tuple(name for group in PROPERTIES.values() for name in group)
NUMBERS = ("width", "height", "aspect ratio", "age")
ALIKE = (
    ("view", "PA"),
    ("view", "AP"),
    ("mode", "L"),
)  # the disease is the target among images like these
WITHIN = ("view", "sex", "mode", "format")  # targets within one class
FOLDS = 5
DISEASE = "COVID-19"
COLUMNS = (
    "kind", "input", "target", "model", "input_share", "auc", "auc_low", "auc_high",
    "patient_low", "patient_high", "positives", "negatives",
)  # fmt: skip
FEW = 10  # test and training images of each kind that a measurement needs at least
C = {"network": 0.01, "table": 1.0}  # inverse strength of the penalty; standardised columns


def collection(table: pd.DataFrame, data: Path) -> pd.DataFrame:
    """The originals of a manifest with all that is known of them, a row each (`audit.facts`)."""
    part = manifest.originals(table)
    of = audit.facts(table, data)
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


def auc_on_test(of: pd.DataFrame, label: pd.Series, values, model: Pipeline) -> dict:
    """Fit `model` on the rows of the `train` folder, score those of `test`.

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
    found = auc_with_ci(truth, score, of.patient[test])
    return found | counts(truth) | {"auc_low": low, "auc_high": high}


def auc_with_ci(label, score, group, unit: str = "patient") -> dict[str, float]:
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


def grouped_folds(label, group, repeats: int) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Of each repeat the folds, rows to fit on and rows to score; a group is in one of them."""
    return folds_of(tuple(label), tuple(np.unique(group, return_inverse=True)[1]), repeats)


@lru_cache(maxsize=64)  # candidates share them, and the search for even folds takes long
def folds_of(label: tuple, group: tuple, repeats: int) -> list:
    splitters = [
        StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed) for seed in range(repeats)
    ]
    return [list(each.split(label, label, group)) for each in splitters]


def out_of_fold(label, group, fit_predict: Callable, repeats: int) -> np.ndarray:
    """Scores of images by models that did not see their group, (repeats, n), 0 to 1.

    `fit_predict(fit, test)` gives the scores of the rows `test` by a model fitted on the rows `fit`.
    """
    score = np.empty((repeats, len(label)))
    for held, folds in zip(score, grouped_folds(label, group, repeats), strict=True):
        for fit, test in folds:
            held[test] = fit_predict(fit, test)
    return score


def enough(of: pd.DataFrame, label: pd.Series, few: int = FEW) -> bool:
    count = pd.crosstab(of.folder, label)
    count = count.reindex(index=["train", "test"], columns=[0, 1], fill_value=0)
    return bool((count >= few).all(axis=None))


def of_metadata(of: pd.DataFrame) -> Iterator[dict]:
    """Rows without any picture, by regression and by trees."""
    known = of[list(PROPERTIES["all of these"])].replace("", np.nan).notna()
    for name, names in PROPERTIES.items():
        groups = [PROPERTIES[name] for name in PROPERTIES if set(PROPERTIES[name]) <= set(names)]
        if not all(known[list(group)].any(axis=None) for group in groups):
            continue
        complete = known[list(names)].all(axis=1)
        for part, words in ((of, name), (of[complete], f"{name}, where all are known")):
            if part is not of and (complete.all() or not enough(part, part.label)):
                continue
            for model in ("regression", "trees"):
                fitted = table_model(part[part.folder == "train"], names, model == "trees")
                found = auc_on_test(part, part.label, part[list(names)], fitted)
                yield {
                    "kind": "metadata",
                    "input": words,
                    "target": DISEASE,
                    "model": model,
                } | found


def of_pictures(run: Run, of: pd.DataFrame, ablations: list[ImageAblation]) -> Iterator[dict]:
    """Rows of each ablation, then what else the untouched pictures and their borders tell."""
    questions = [(each, each.kind, each.input, DISEASE, of.label) for each in ablations]
    for each in ablations:
        if each.network == "own" and each.input in ("whole picture", FRAME):
            questions += [(each, kind, f"{each.input}; {among}", target, label)
                          for kind, among, target, label in others(of)]  # fmt: skip
    bank, name = FeatureBank(run, of), first_model(run)
    for each, kind, words, target, label in questions:
        values = bank.encode(of.loc[label.index], each, name, each.network)
        none = each.network == "none"
        model = "counts" if none else f"{name} ({bank.encoder(each.network, name)[1]})"
        fitted = regression("table" if none else "network")
        yield {
            "kind": kind, "input": words, "target": target, "model": f"{model} + regression",
            "input_share": each.share, **auc_on_test(of.loc[label.index], label, values, fitted),
        }  # fmt: skip


def others(of: pd.DataFrame) -> Iterator[tuple[str, str, str, pd.Series]]:
    """Other questions to the pictures: kind, images, target, and its label of these images.

    First the acquisition within one class: the two most frequent words of each property. Then the
    disease, among images that are alike in a property.
    """
    for number, name in manifest.LABEL_NAMES.items():
        kind = of[of.label == number]
        for column in WITHIN:
            first = kind[column][kind[column] != ""].value_counts().index[:2]
            part = kind[kind[column].isin(first)]
            if len(first) == 2 and enough(part, label := (part[column] == first[0]).astype(int)):
                target = f"{column}: {first[0]}, not {first[1]}"
                yield "within a class", f"{name} only", target, label
    for column, value in ALIKE:
        part = of[of[column] == value]
        if len(part) < len(of) and enough(part, part.label):
            yield "like with like", f"{column} {value} only", DISEASE, part.label


def run(run: Run) -> pd.DataFrame:
    """Measure all shortcuts of a run's images, unless that was done; its `shortcuts.csv`.

    A row per measurement: `kind`, the `input` that is left of images, the `target` (mostly COVID-19
    against Non-COVID), `model`, `input_share` (of the picture's area, 0 to 1), `auc` with two
    intervals of 95% (`auc_*` DeLong, `patient_*` resampled patients), and the test images of both
    kinds.
    """

    def rows() -> Iterator[dict]:
        of = collection(run.manifest, run.data)
        yield from of_metadata(of)
        yield from of_pictures(run, of, all_ablations(lung_masks(run.data)))

    stamp = run.depends("shortcuts.measure")
    return cached_table(
        run.folder / "shortcuts.csv", stamp, lambda: pd.DataFrame(rows(), columns=list(COLUMNS))
    )


def cached_table(path: Path, made_from: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """A table that is there and fresh, or else made by `make()`, and written."""
    if not io.is_fresh(path, made_from):
        io.write_csv(path, make())
        io.write_stamp(path, made_from)
    return io.read_table(path)
