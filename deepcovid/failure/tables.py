"""What a reader of the failure sees: tables, and the sentence of the answer."""

from pathlib import Path

import pandas as pd

from deepcovid import runs
from deepcovid.failure.arithmetic import REPORTED, verdict
from deepcovid.failure.design import FAILED
from deepcovid.failure.effects import at
from deepcovid.metrics import evaluation


def verdicts(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """What each measure says of each table of labels and scores."""
    rows = {name: verdict(table.label, table.score) for name, table in tables.items()}
    found = pd.DataFrame(rows).T
    return found.astype(dict.fromkeys(("tp", "fn", "fp", "tn"), int))


def searched(search: pd.DataFrame, first: pd.DataFrame, real: pd.DataFrame) -> pd.DataFrame:
    """Candidates for the reported AUC, a row each: mean over seeds, lowest and highest.

    `search` is of `auc_search` (empty where it was not run), `first` the ablation's one-epoch rows,
    `real` the `metrics.csv` of real runs whose epoch was selected by accuracy on test.
    """
    real = real.dropna(subset="auc")
    tables = [
        (f"epoch selected by accuracy, seed {int(seed)} ({name})", part)
        for (name, seed), part in real.groupby(["model", "seed"], sort=False)
    ]
    tables += [(f"first epoch, crops ({name})", part) for name, part in first.groupby("backbone")]
    if len(search):
        groups = search.groupby(["candidate", "backbone"], sort=False)
        tables += [(f"{candidate} ({name})", part) for (candidate, name), part in groups]
    rows = {}
    for name, part in tables:
        spread = (part.auc.mean(), part.auc.min(), part.auc.max())
        rows[name] = (*spread, part.sensitivity.max(), part.specificity.min())
    columns = ["auc", "low", "high", "sensitivity", "specificity"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def answer(verdicts, effects, both, first, histories, null: float) -> str:
    """The study's first finding in Markdown, its numbers from the tables of notebook 06.

    `histories` are the epochs on test of real runs by name; accuracy selects the first highest.
    """
    chosen = {name: table.loc[table.accuracy.idxmax()] for name, table in histories.items()}
    kept = "; ".join(f"{k} epoch {row.epoch:.0f}, AUC {row.auc:.3f}" for k, row in chosen.items())
    told = ""
    for model, table in effects.items():
        told += f"\n\n*{model}*: " + "; ".join(
            f"{factor} ({row.change}) {100 * row.effect:+.0f} points "
            f"({100 * row.low:.0f} to {100 * row.high:.0f}), {row['share']:.0%} of the variance"
            for factor, row in table[table.change != ""].iterrows()
        )
    mended = []
    for model, part in both.groupby(level=0, sort=False):
        part = part.droplevel(0)
        best = part.drop("the failed recipe").sensitivity.idxmax()
        mended.append(
            f"{model}: {part.sensitivity['the failed recipe']:.0%} -> {part.sensitivity[best]:.0%} "
            f"of COVID-19 images found by *{best}*"
        )
    ten = first.groupby("backbone").auc.agg(["mean", "min", "max"])
    spread = "; ".join(
        f"{k} {r['mean']:.3f} ({r['min']:.3f} to {r['max']:.3f})" for k, r in ten.iterrows()
    )
    near = int(((first.auc - REPORTED["auc"]).abs() <= 0.02).sum())
    demo = verdicts.iloc[[0, -1]]
    return (
        f"**{null:.2%}** is the accuracy of answering Non-COVID to every test image. "
        f"What makes the failure, by how many more COVID-19 images are found:{told}.\n\n"
        f"The AUC of about 0.7 is that of an early epoch. Accuracy on test selects, of the real runs: "
        f"{kept} (reported: {REPORTED['auc']}). Where every epoch answers Non-COVID, all tie and the "
        f"first is kept; one COVID-19 image found moves the choice to a later, better one. "
        f"The failed recipe's first epoch has {spread} over seeds, {near} of "
        f"{len(first)} within 0.02 of the reported AUC.\n\n"
        f"One change mends it: {'; '.join(mended)}. On this run's images: {demo.tp.iloc[0]} "
        f"COVID-19 images found by the failed recipe, {demo.tp.iloc[1]} by the mended one. "
        f"{runs.NOTICE}"
    )


def fresh_or_pooled(table: pd.DataFrame, folders: dict[str, Path]) -> pd.DataFrame:
    """Real runs, whose crops are fresh in every epoch, beside the cells with pooled crops.

    `folders` are the published runs of `failed` and `released`; those that are not there are left
    out. Both after 24 epochs by their own selection, test accuracy.
    """
    rows = {}
    for name, folder in folders.items():
        cell = FAILED | {"positives": "originals" if name == "failed" else "augmented"}
        for path in sorted(folder.glob("*/seed*/scores.csv")):
            scores = evaluation.read_scores(path)
            test, backbone = scores[scores.split == "test"], path.parts[-3]
            pooled = at(table, **cell, backbone=backbone, after=24, selection="test_accuracy")
            shown = ["auc", "sensitivity", "specificity", "mean_score_covid", "mean_score_non"]
            fresh = verdict(test.label, test.score)
            rows[name, backbone, f"fresh, {path.parts[-2]}"] = {k: fresh[k] for k in shown}
            for row in pooled.to_dict("records"):
                key = name, backbone, f"{row['views']} views, seed{row['seed']}"
                rows[key] = {k: row[k] for k in shown}
    names = ["recipe", "model", "crops"]
    return pd.DataFrame(rows).T.rename_axis(names) if rows else pd.DataFrame(columns=names)
