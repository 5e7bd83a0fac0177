"""The same models, thresholds and COVID-19 images; Non-COVID images of the same collection.

Nothing here is read by training, or by the choice of a threshold.
"""

from pathlib import Path

import pandas as pd
import torch

from deepcovid.fair_test import collection
from deepcovid.fair_test.names import RELEASE, SAME
from deepcovid.metrics import evaluation, intervals
from deepcovid.models import networks
from deepcovid.models.features import ImageSet
from deepcovid.models.opened import Run
from deepcovid.models.training import Inputs, predict
from deepcovid.runs import digest, done, mark_done, read_json, replacing

SCORES = ("image", "label", "finding", "group", "site", "view", "part", "trained", "score")


def scored(opened: Run, table: pd.DataFrame, name: str, seed: int) -> pd.DataFrame:
    """`table` (of `collection.of`) with P(COVID-19) by a trained model; kept on disk."""
    target = opened.folder / "fair_test" / name / f"seed{seed}" / "collection.csv"
    model, size = opened.model(name, seed), opened.profile.image_size
    prepare = opened.preparation
    given = table[["image", "sha1", "group", "trained"]].astype(str).to_numpy().tolist()
    settings = [size, prepare.variant if prepare else ""]
    stamp = digest([networks.state_digest(model), given, settings])
    if not done(target, stamp):
        files = ImageSet(list(table.path), size, change=prepare)
        label = torch.tensor(table.label.to_numpy(), device=opened.device)
        inputs = Inputs(label, files=files, workers=opened.profile.workers)
        score = predict(model, inputs, 64).softmax(1)[:, 1].cpu().numpy()
        with replacing(target) as partial:
            columns, rows = list(SCORES), table.assign(score=score)
            rows.to_csv(partial, columns=columns, index=False, float_format="%.7g")
        mark_done(target, stamp)
    return pd.read_csv(target, keep_default_na=False)


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
    counts = evaluation.confusion(table.label, table.score, threshold)
    low, high = intervals.auc_interval(table.label, table.score)
    by_case = intervals.bootstrap(table.label, table.score, table.patient, threshold)
    spared = intervals.proportion_interval(counts["tn"], counts["tn"] + counts["fp"])
    return {
        "auc": intervals.auc(table.label, table.score), "auc_low": low, "auc_high": high,
        "case_low": by_case["auc"][0], "case_high": by_case["auc"][1],
        "sensitivity": counts["tp"] / (counts["tp"] + counts["fn"]),
        "specificity": counts["tn"] / (counts["tn"] + counts["fp"]),
        "specificity_low": spared[0], "specificity_high": spared[1],
        "positives": counts["tp"] + counts["fn"], "negatives": counts["tn"] + counts["fp"],
    }  # fmt: skip


def run(opened: Run) -> pd.DataFrame:
    """Judge each model of a run against both kinds of negatives: `fair_test/swap.csv`."""
    table, rows = collection.of(opened), []
    for name in opened.profile.models:
        for seed in opened.profile.seeds:
            inside = opened.scores(name, seed)
            threshold = evaluation.summary(inside, opened.profile.threshold)["threshold"]
            sets = swapped(inside, scored(opened, table, name, seed))
            weights = read_json(opened.model_folder(name, seed) / "training.json")["weights"]
            words = {"model": name, "seed": seed, "weights": weights["file"] or weights["kind"]}
            for negatives, part in sets.items():
                rows.append(words | {"non_covid": negatives} | judged(part, threshold))
    found = pd.DataFrame(rows)
    return write(found, opened.folder / "fair_test" / "swap.csv")


def write(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    with replacing(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n")
    return table
