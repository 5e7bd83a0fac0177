"""The same models, thresholds and COVID-19 images; Non-COVID images of the same collection.

Nothing here is read by training, or by the choice of a threshold.
"""

import pandas as pd

from deepcovid.fair_test.names import RELEASE, SAME
from deepcovid.io import read_json
from deepcovid.metrics import evaluation, intervals
from deepcovid.models.run import Run
from deepcovid.shortcuts import external, measure
from deepcovid.shortcuts.measure import write

SCORES = ("image", "label", "finding", "group", "site", "view", "part", "trained", "score")


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


def judged(table: pd.DataFrame, threshold: float) -> dict[str, float]:
    """AUC with two intervals, sensitivity and specificity at a frozen threshold, and counts.

    `auc_low`, `auc_high`: DeLong's 95%; `case_low`, `case_high`: cases resampled.
    """
    found = evaluation.summary(table.assign(split="test"), threshold)
    by_case = measure.auc(table.label, table.score, table.patient, "case")
    first = {name: found[name] for name in ("auc", "auc_low", "auc_high")}
    then = ("sensitivity", "specificity", "specificity_low", "specificity_high")
    return first | by_case | {name: found[name] for name in then} | measure.counts(table.label)


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


def scored(run: Run, table: pd.DataFrame, name: str, seed: int) -> pd.DataFrame:
    """`table` (of `collection.with_trained`) with P(COVID-19) by a trained model; kept on disk."""
    target = run.folder / "fair_test" / name / f"seed{seed}" / "collection.csv"
    return external.score(run, name, seed, table, target, SCORES)


def run(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Judge each model of a run against both kinds of negatives: `fair_test/swap.csv`.

    `table` is that of `collection.with_trained`.

    `fair_test/findings.csv`: what each calls COVID-19, by finding, at its threshold.
    """
    rows, findings = [], []
    for name in run.profile.models:
        for seed in run.profile.seeds:
            inside = run.scores(name, seed)
            threshold = evaluation.summary(inside, run.profile.threshold)["threshold"]
            collected = scored(run, table, name, seed)
            findings.append(by_finding(collected, threshold).assign(model=name, seed=seed))
            sets = swapped(inside, collected)
            weights = read_json(run.model_folder(name, seed) / "training.json")["weights"]
            words = {"model": name, "seed": seed, "weights": weights["file"] or weights["kind"]}
            for negatives, part in sets.items():
                rows.append(words | {"non_covid": negatives} | judged(part, threshold))
    folder = run.folder / "fair_test"
    write(pd.concat(findings), folder / "findings.csv")
    return write(pd.DataFrame(rows), folder / "swap.csv")
