"""The same models, thresholds and COVID-19 images; Non-COVID images of the same collection.

Nothing here is read by training, or by the choice of a threshold.
"""

import pandas as pd

from deepcovid.fair_test.names import RELEASE, SAME
from deepcovid.io import read_json
from deepcovid.metrics import evaluation, intervals
from deepcovid.models.run import Run
from deepcovid.shortcuts import external
from deepcovid.shortcuts.probing import auc_row

SCORES = ("image", "label", "finding", "group", "site", "view", "part", "trained", "score")
NUMBERS = ("auc", "auc_low", "auc_high", "case_low", "case_high", "sensitivity", "specificity",
           "specificity_low", "specificity_high", "positives", "negatives")  # fmt: skip
FEW = 3  # images that a finding needs for a row of its own
OTHERS = "other findings"


def swapped(inside: pd.DataFrame, outside: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Two test sets with the same COVID-19 images, by whose Non-COVID images they have.

    `inside` are the run's scores, `outside` the scored collection. Images of groups that were
    trained on are left out of the collection's negatives.
    """
    test = inside[inside.split == "test"][["image", "label", "score", "patient"]]
    fair = outside[(outside.label == 0) & ~outside.trained]
    fair = fair.assign(patient="group " + fair.group.astype(str))[list(test)]
    return {
        RELEASE: test,
        SAME: pd.concat([test[test.label == 1], fair], ignore_index=True),
    }


def summary(table: pd.DataFrame, threshold: float) -> dict[str, float]:
    """AUC with two intervals, sensitivity and specificity at a frozen threshold, and counts.

    `auc_low`, `auc_high`: DeLong's 95%; `case_low`, `case_high`: cases resampled.
    """
    found = evaluation.summary(table.assign(split="test"), threshold)
    found |= auc_row(table.label, table.score, table.patient, "case")
    return {name: found[name] for name in NUMBERS}


def by_finding(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """How many images of each finding a model calls COVID-19, of a scored collection.

    Cases that were trained on are left out. `called` is a share with Wilson's 95% interval
    (`called_low`, `called_high`), in which each image counts as one; other findings with fewer than FEW
    images are one row, and `all without COVID-19` is another.
    """
    fresh = scores[~scores.trained.astype(bool)]
    count = fresh.groupby("finding").finding.transform("size")
    rare = (count < FEW) & (fresh.label == 0)
    named = fresh.assign(finding=fresh.finding.mask(rare, OTHERS))
    others = fresh[fresh.label == 0].assign(finding="all without COVID-19")
    rows = []
    for (label, finding), part in pd.concat([named, others]).groupby(["label", "finding"]):
        called = int(intervals.predict_positive(part.score, threshold).sum())
        low, high = intervals.proportion_interval(called, len(part))
        rows.append({"finding": finding, "label": label, "images": len(part), "cases": part.group.nunique(),
                     "called": called / len(part), "called_low": low, "called_high": high})  # fmt: skip
    table = pd.DataFrame(rows).sort_values(["label", "images"], ascending=False, kind="stable")
    return pd.concat([table[table.finding != OTHERS], table[table.finding == OTHERS]])


def scores(run: Run, table: pd.DataFrame) -> dict[tuple[str, int], pd.DataFrame]:
    """By model and seed, `table` (of `collection.with_trained`) with P(COVID-19) by that model.

    Written to `fair_test/MODEL/seedK/collection.csv`.
    """
    found = {}
    for name, seed in run.profile.trainings:
        target = run.folder / "fair_test" / name / f"seed{seed}" / "collection.csv"
        found[name, seed] = external.write_scores(run, name, seed, table, target, SCORES)
    return found


def compare(run: Run, scores: dict) -> pd.DataFrame:
    """Each model of a run with both kinds of negatives: `fair_test/swap.csv`."""
    rows = []
    for (name, seed), collected in scores.items():
        weights = read_json(run.model_folder(name, seed) / "training.json")["weights"]
        words = {"model": name, "seed": seed, "weights": weights["file"] or weights["kind"]}
        for negatives, part in swapped(run.scores(name, seed), collected).items():
            found = summary(part, external.threshold(run, name, seed))
            rows.append(words | {"non_covid": negatives} | found)
    return pd.DataFrame(rows)


def findings(run: Run, scores: dict) -> pd.DataFrame:
    """What each model calls COVID-19, by finding, at its threshold: `fair_test/findings.csv`."""
    return pd.concat([
        by_finding(collected, external.threshold(run, name, seed)).assign(model=name, seed=seed)
        for (name, seed), collected in scores.items()
    ])  # fmt: skip
