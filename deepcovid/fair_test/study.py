"""All of notebook 08 for one run, and first of it the swap.

The same models, thresholds and COVID-19 images; Non-COVID images of the same collection. Nothing
here is read by training, or by the choice of a threshold.
"""

import pandas as pd

from deepcovid import io
from deepcovid.fair_test import collection, severity, training_data, within
from deepcovid.fair_test.names import RELEASE, SAME
from deepcovid.metrics import evaluation, intervals
from deepcovid.models import lungs
from deepcovid.models.run import Run
from deepcovid.shortcuts import external
from deepcovid.shortcuts.encoders import FeatureBank
from deepcovid.shortcuts.probing import auc_row

SCORES = ("image", "label", "finding", "group", "site", "view", "part", "trained", "score")
NUMBERS = ("auc", "auc_low", "auc_high", "case_low", "case_high", "sensitivity", "specificity",
           "specificity_low", "specificity_high", "positives", "negatives")  # fmt: skip
FEW = 3  # images that a finding needs for a row of its own
OTHERS = "other findings"


def run(run: Run) -> None:
    """Write `fair_test/*.csv` of a run, unless that was done; nothing without a collection.

    Training data are compared only where another hospital can judge the answer, and lungs can be found.
    """
    if not run.profile.collection:
        return
    folder, stamp = run.folder / "fair_test", run.depends("fair_test.study", trained=True)
    names = ["swap", "findings", "within", "sites"] + ["severity"] * bool(run.profile.severity)
    names += ["training_data"] * compares_training_data(run)
    there = all((folder / f"{name}.csv").is_file() for name in names)
    if not (there and io.is_fresh(folder / "swap.csv", stamp)):
        for name, table in tables(run).items():
            io.write_csv(folder / f"{name}.csv", table)
        io.write_stamp(folder / "swap.csv", stamp)


def compares_training_data(run: Run) -> bool:
    return bool(run.profile.external) and lungs.can_be_found(run)


def tables(run: Run) -> dict[str, pd.DataFrame]:
    """All tables by their names. What networks make of an image is asked for once."""
    table = collection.with_trained(run, collection.of(run))
    train = run.originals("train").assign(path=lambda of: run.paths(of.image))
    images, comparing = [table, train], compares_training_data(run)
    if comparing:
        images.insert(1, candidates := training_data.images_of(run, table))
    bank = FeatureBank(run, pd.concat(images, ignore_index=True))
    scores = scored(run, table)
    found = {"swap": swap(run, scores), "findings": findings(run, scores)}
    if run.profile.severity:
        found["severity"] = severity.compare(run, table, scores, bank)
    found |= within.compare(run, table, bank)
    if comparing:
        data = training_data.Data(candidates, bank, run.profile.models)
        found["training_data"] = training_data.compare(data)
    return found


def swapped(inside: pd.DataFrame, outside: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Two test sets with the same COVID-19 images, by whose Non-COVID images they have.

    `inside` are the run's scores, `outside` the scored collection. Images of groups that were
    trained on are left out of the collection's negatives.
    """
    test = inside[inside.split == "test"][["image", "label", "score", "patient"]]
    fair = outside[(outside.label == 0) & ~outside.trained]
    fair = fair.assign(patient="group " + fair.group.astype(str))[list(test)]
    return {RELEASE: test, SAME: pd.concat([test[test.label == 1], fair], ignore_index=True)}


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


def scored(run: Run, table: pd.DataFrame) -> dict[tuple[str, int], pd.DataFrame]:
    """By model and seed, `table` (of `collection.with_trained`) with P(COVID-19) by that model.

    Written to `fair_test/MODEL/seedK/collection.csv`.
    """
    found = {}
    for name, seed in run.profile.trainings:
        target = run.folder / "fair_test" / name / f"seed{seed}" / "collection.csv"
        found[name, seed] = external.write_scores(run, name, seed, table, target, SCORES)
    return found


def swap(run: Run, scores: dict) -> pd.DataFrame:
    """Each model of a run with both kinds of negatives: `fair_test/swap.csv`."""
    rows = []
    for (name, seed), collected in scores.items():
        weights = io.read_json(run.model_folder(name, seed) / "training.json")["weights"]
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
