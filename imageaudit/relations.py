"""Two questions about a property or column beside its relation to the class: can it be read from the
picture, and is its relation to the class the same in train and test?"""

import numpy as np
import pandas as pd

from imageaudit import crossfit, permutation
from imageaudit.collect import answer
from imageaudit.crossfit import FEW
from imageaudit.findings import Finding

WHOLE = "the whole picture"
COPIES = 199  # relabelled, of each column that is looked for in the pictures
VALUES = 3  # the most frequent of a column
POINTS = 0.2  # by which shares must differ between train and test to matter


def of_visible(fitted: list, table: pd.DataFrame) -> list[Finding]:
    """Which columns and tags can be read from the picture, and which of these go with the class.

    Asked within the classes: the mean picture of its class is taken from each, and values are dealt
    out anew within classes, so that a column is not read by way of the disease. Where every class has
    one value, column and class are one question.
    """
    whole = next((probe for probe, *_ in fitted if probe.seen == WHOLE), None)
    asked = [(probe, test) for probe, _, test in fitted if probe.kind in ("tags", "columns")]
    if whole is None or not asked:
        return []
    at = table.iloc[whole.at].reset_index(drop=True)
    mean = pd.DataFrame(whole.values).groupby(at.label).transform("mean")
    centred = whole.values - mean.to_numpy()
    results = []
    for probe, test in asked:
        words = probe.words.iloc[whole.at].reset_index(drop=True)
        words = words.where(words.isin(words.value_counts().index[:VALUES]), "another")
        people = at.assign(value=words).groupby(["label", "value"]).patient.nunique()
        within = bool((people[people >= FEW].groupby("label").size() > 1).any())
        dealt = at.assign(label=words, split=at.label if within else "")
        rows = crossfit.patient_rows(dealt, copies=COPIES, within=within)
        if rows.targets:
            values = centred if within else whole.values
            fit = crossfit.cross_fit(values, rows, penalty=whole.penalty)
            results.append((probe, test.alarm, within, rows, fit))
    tests, _ = permutation.max_statistic_test([fit for *_, fit in results])
    lines = []
    for (probe, associated, within, rows, _), test in zip(results, tests, strict=True):
        lines.append(answer(probe, rows, test) | {
            "visible": test.alarm, "goes with the class": associated,
            "asked within the classes": within,
        })  # fmt: skip
    lines.sort(key=lambda line: -line["auc"])
    used = any(line["visible"] and line["goes with the class"] for line in lines)
    return [Finding("visible", used, lines)] if lines else []


def of_shift(fitted: list, table: pd.DataFrame, classes: list[str], seed: int = 0) -> list[Finding]:
    """Whether a value's share differs between a class and the rest otherwise in train than in test.

    The unit is a patient's images of a class and split. Patients are dealt over the splits anew within
    their classes; the largest difference of all in its own spread is what chance gives.
    """
    test = next((name for name in ("test", "validation") if (table.split == name).any()), None)
    chosen = table.split.isin(["train", test]).to_numpy()
    keys = table.loc[chosen, ["patient", "label", "split"]]
    people = keys.drop_duplicates().groupby(["label", "split"]).size().unstack(fill_value=0)
    asked = [probe for probe, *_ in fitted if probe.words is not None]
    if people.shape != (len(classes), 2) or (people < FEW).any(axis=None) or not asked:
        return []
    values = pd.concat([pd.get_dummies(probe.words, dtype=float)[chosen] for probe in asked], axis=1,
                       keys=range(len(asked)))  # fmt: skip
    x = values.groupby([keys[name] for name in keys]).mean()
    label, train = x.index.get_level_values(1), x.index.get_level_values(2) == "train"
    targets = classes[1:] if len(classes) == 2 else classes
    rng = np.random.default_rng(seed)
    order = np.tile(np.arange(len(x)), (1 + crossfit.COPIES, 1))
    for name in classes:
        here = np.flatnonzero(label == name)
        for copy in order[1:]:
            copy[here] = rng.permutation(here)
    gaps, scaled = [], []
    for name in targets:
        own = np.asarray(label == name)
        halves = [np.where(half, np.where(own, 1 / (own & half).sum(), -1 / (~own & half).sum()), 0)
                  for half in (train, ~train)]  # fmt: skip
        gap = [half @ x.to_numpy() for half in halves]
        found = (halves[0] - halves[1])[order] @ x.to_numpy()
        gaps.append(gap)
        found -= found[1:].mean(0)  # the rest's mix of classes may differ between the splits
        spread = found[1:].std(0)
        scaled.append(np.where(spread > 1e-9, np.abs(found) / np.maximum(spread, 1e-9), 0))
    scaled = np.stack(scaled)  # targets, copies, values
    most = scaled[:, 1:].max(axis=(0, 2))
    rows, place = [], np.array([key for key, _ in x.columns])
    for number, probe in enumerate(asked):
        own = np.where(place == number, scaled[:, 0], -1)
        k, at = np.unravel_index(own.argmax(), own.shape)
        p = (1 + (most >= own[k, at]).sum()) / (1 + len(most))
        in_train, in_test = (float(gaps[k][half][at]) for half in (0, 1))
        rows.append({
            "seen": probe.seen, "value": str(x.columns[at][1]), "class": targets[k],
            "more in train": round(in_train, 3), "more in test": round(in_test, 3), "p": round(float(p), 4),
            "differs": bool(p <= permutation.LEVEL and abs(in_train - in_test) >= POINTS),
        })  # fmt: skip
    rows.sort(key=lambda row: row["p"])
    return [Finding("shift", any(row["differs"] for row in rows), rows, facts={"test": test})]
