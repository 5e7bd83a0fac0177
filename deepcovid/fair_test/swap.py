"""The same models, thresholds and COVID-19 images; Non-COVID images of the same collection.

Nothing here is read by training, or by the choice of a threshold.
"""

import pandas as pd

from deepcovid.fair_test import collection
from deepcovid.fair_test.sets import by_finding, judged, swapped
from deepcovid.metrics import evaluation
from deepcovid.models import features, networks, scoring
from deepcovid.models.opened import Run
from deepcovid.runs import digest, done, mark_done, read_json, replacing
from deepcovid.shortcuts.measure import write

SCORES = ("image", "label", "finding", "group", "site", "view", "part", "trained", "score")


def scored(opened: Run, table: pd.DataFrame, name: str, seed: int) -> pd.DataFrame:
    """`table` (of `collection.with_trained`) with P(COVID-19) by a trained model; kept on disk."""
    target = opened.folder / "fair_test" / name / f"seed{seed}" / "collection.csv"
    model, size = opened.model(name, seed), opened.profile.image_size
    prepare = opened.preparation
    given = table[["image", "sha1", "group", "trained"]].astype(str).to_numpy().tolist()
    settings = [size, prepare.variant if prepare else "", features.code("fair_test.swap")]
    stamp = digest([networks.state_digest(model), given, settings])
    if not done(target, stamp):
        score = scoring.score(model, list(table.path), size, prepare)
        with replacing(target) as partial:
            columns, rows = list(SCORES), table.assign(score=score)
            rows.to_csv(partial, columns=columns, index=False, float_format="%.7g")
        mark_done(target, stamp)
    return pd.read_csv(target, keep_default_na=False)


def run(opened: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Judge each model of a run against both kinds of negatives: `fair_test/swap.csv`.

    `fair_test/findings.csv`: what each calls COVID-19, by finding, at its threshold.
    """
    rows, findings, table = [], [], collection.with_trained(opened, table)
    for name in opened.profile.models:
        for seed in opened.profile.seeds:
            inside = opened.scores(name, seed)
            threshold = evaluation.summary(inside, opened.profile.threshold)["threshold"]
            collected = scored(opened, table, name, seed)
            findings.append(by_finding(collected, threshold).assign(model=name, seed=seed))
            sets = swapped(inside, collected)
            weights = read_json(opened.model_folder(name, seed) / "training.json")["weights"]
            words = {"model": name, "seed": seed, "weights": weights["file"] or weights["kind"]}
            for negatives, part in sets.items():
                rows.append(words | {"non_covid": negatives} | judged(part, threshold))
    folder = opened.folder / "fair_test"
    write(pd.concat(findings), folder / "findings.csv")
    return write(pd.DataFrame(rows), folder / "swap.csv")
