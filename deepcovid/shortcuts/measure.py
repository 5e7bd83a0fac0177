"""What tells the classes apart without the disease: file properties, borders, blurred pictures.

Each measurement takes something away from the images, fits a probe to what is left of the training
images, and is judged on the test images. Where the lungs cannot be seen, what remains above ROC AUC
0.5 is a shortcut.

All originals of the `train` folder are trained on, each class with the same weight: nothing here is
chosen on validation images, so none are set aside, and augmented copies are not used. The COVID-19
images decide how wide an interval is, so a sample of the others tells as much: see `sampled`.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from deepcovid import io
from deepcovid.data import audit, manifest
from deepcovid.metrics import intervals
from deepcovid.models.run import Run
from deepcovid.shortcuts.ablations import FRAME, WHOLE, ImageAblation, all_ablations, lung_masks
from deepcovid.shortcuts.encoders import FeatureBank, first_model
from deepcovid.shortcuts.probing import auc_row, fit_score, is_stated

PROPERTIES = {
    "file properties": ["mode", "width", "height", "aspect ratio"],
    "patient and exposure": ["view", "age", "sex"],
}
# the disease is the target among images like these
ALIKE = (("view", "PA"), ("view", "AP"), ("mode", "L"))
FEW = 10  # test and training images of each class among images that are alike


def collection(table: pd.DataFrame, data: Path) -> pd.DataFrame:
    """The originals of a manifest with all that is known of them, a row each (`audit.facts`)."""
    part = manifest.originals(table)
    of = audit.facts(table, data)
    known = {name: part[name].to_numpy() for name in ("sha1", "finding")}
    return of.assign(**known, path=[data / image for image in part.image])


def sampled(of: pd.DataFrame, negatives: int | str) -> pd.DataFrame:
    """The COVID-19 images of a `collection`, and of the Non-COVID images of each folder about so many.

    A part of them, a half or a third, is drawn: whole patients, findings as frequent as before. `all`
    keeps all.
    """
    parts = [of[of.label == 1]]
    for _, part in of[of.label == 0].groupby("folder"):
        share = len(part) // negatives if negatives != "all" else 1
        if share > 1:
            folds = StratifiedGroupKFold(share, shuffle=True, random_state=0)
            first = part.finding.str.split("; ").str[0]  # an image may show several
            _, drawn = next(folds.split(part, first, part.patient))
            part = part.iloc[drawn]
        parts.append(part)
    return pd.concat(parts).sort_index()


def auc_on_test(of: pd.DataFrame, values, kind: str) -> dict:
    """Of a probe fitted on the rows of the `train` folder, and of the test images' scores by it.

    `values` are the inputs of all rows, an array or a table. Gives auc with DeLong's interval of
    95%, the interval that resamples patients, and the number of test images of each class.
    """
    train, test = ((of.folder == part).to_numpy() for part in ("train", "test"))
    score, label = fit_score(values, of.label, train, test, kind), of.label[test]
    value = intervals.auc(label, score), *intervals.auc_interval(label, score)
    return intervals.ci_columns("auc", *value) | auc_row(label, score, of.patient[test])


def of_metadata(of: pd.DataFrame) -> Iterator[dict]:
    """Rows without any picture."""
    groups = {name: of[names] for name, names in PROPERTIES.items() if is_stated(of[names])}
    if len(groups) > 1:
        groups["all of these"] = pd.concat(groups.values(), axis=1)
    for name, values in groups.items():
        yield row("metadata", name, "regression", None) | auc_on_test(of, values, "table")


def of_pictures(run: Run, of: pd.DataFrame, ablations: list[ImageAblation]) -> Iterator[dict]:
    """Rows of each ablation, then of whole pictures and borders among images that are alike."""
    questions = [(each, each.kind, each.input, of) for each in ablations]
    for each in ablations:
        if each.network == "own" and each.input in (WHOLE.input, FRAME):
            questions += [(each, "like with like", f"{each.input}; {column} {value} only", part)
                          for column, value in ALIKE if enough(part := of[of[column] == value], of)]  # fmt: skip
    bank, name = FeatureBank(run, of), first_model(run)
    for each, kind, words, part in questions:
        values = bank.encode(part, each, name, each.network)
        none = each.network == "none"
        model = "counts" if none else f"{name} ({bank.encoder(each.network, name)[1]})"
        found = auc_on_test(part, values, "table" if none else "logistic")
        yield row(kind, words, f"{model} + regression", each.share) | found


def row(kind: str, words: str, model: str, share: float | None) -> dict:
    """What was measured, as a row of `shortcuts.csv` begins."""
    about = {"kind": kind, "input": words, "target": "COVID-19"}
    return about | {"model": model, "input_share": share}


def enough(part: pd.DataFrame, of: pd.DataFrame) -> bool:
    """Has a part of the images FEW of each class in training and test, and not all?"""
    count = part.groupby(["folder", "label"]).size()
    return len(part) < len(of) and len(count) == 4 and bool((count >= FEW).all())


def run(run: Run) -> pd.DataFrame:
    """Measure all shortcuts of a run's images, unless that was done; its `shortcuts.csv`.

    A row per measurement: `kind`, the `input` that is left of images, the `target` (COVID-19 against
    Non-COVID), `model`, `input_share` (of the picture's area, 0 to 1), `auc` with two intervals of 95%
    (`auc_*` DeLong, `patient_*` resampled patients), and the test images of both classes.
    """

    def table() -> pd.DataFrame:
        of = sampled(collection(run.manifest, run.data), run.profile.ablation_negatives)
        rows = [*of_metadata(of), *of_pictures(run, of, all_ablations(lung_masks(run.data)))]
        return pd.DataFrame(rows)

    return io.cached_table(run.folder / "shortcuts.csv", run.depends("shortcuts.measure"), table)
