"""What a reader of the failure sees: tables, and the sentence of the answer."""

from itertools import combinations
from pathlib import Path

import pandas as pd

from deepcovid import runs
from deepcovid.failure.arithmetic import MEASURES, REPORTED, verdict
from deepcovid.failure.design import CELL, EARLY, FAILED
from deepcovid.failure.effects import at
from deepcovid.metrics.intervals import format_ci_from_row
from deepcovid.metrics.tables import scores_of, tables_of

COUNTS = ("tp", "fn", "fp", "tn")


def read_ablation(path: Path) -> pd.DataFrame:
    """A published table of the ablation; without rows where there is no such file."""
    columns = [*CELL, "after", "selection", *MEASURES, "views", "file", "digest"]
    return pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=columns)


def verdicts(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """What each measure says of each table of labels and scores."""
    rows = {name: verdict(table.label, table.score) for name, table in tables.items()}
    found = pd.DataFrame(rows).T
    return found.astype(dict.fromkeys(COUNTS, int))


def real_runs(folders: dict[str, Path], seed: int = 0) -> dict[str, pd.DataFrame]:
    """Test scores of published runs by what they are: recipe, network, seed, epochs trained."""
    found = {}
    for name, folder in folders.items():
        histories = tables_of(folder, "history.csv")
        for (model, k), table in scores_of(folder).items():
            if k == seed:
                title = f"{name}: {model}, seed {k}, {histories[model, k].epoch.max()} epochs"
                found[title] = table[table.split == "test"]
    return found


def attempted(folders: dict[str, Path]) -> pd.DataFrame:
    """What published runs find in their test images, and the ROC AUC with its 95% interval.

    A row per run, network and seed; runs that are not there are left out.
    """
    rows = {}
    paths = {name: folder / "metrics.csv" for name, folder in folders.items()}
    for name in (name for name, path in paths.items() if path.is_file()):
        table = pd.read_csv(paths[name]).dropna(subset=["seed"])  # without those that were not run
        for row in table.astype(dict.fromkeys(["seed", *COUNTS], int)).to_dict("records"):
            rows[name, row["model"], row["seed"]] = {
                "COVID-19 found": f"{row['tp']} of {row['tp'] + row['fn']}",
                "false alarms": f"{row['fp']} of {row['fp'] + row['tn']}",
                "ROC AUC": format_ci_from_row(row, "auc"),
            }
    found = pd.DataFrame.from_dict(rows, orient="index")
    return found.rename_axis(["run", "model", "seed"]) if rows else found


def coverage(there: pd.DataFrame) -> str:
    """In words, how many of the planned trainings are there; `there` is of `effects.there`."""
    lacking = there[there.there < there.planned]
    told = "; ".join(
        f"{backbone} ({weights}, crop {crop}, batch norm {norm}, {epochs} epochs) {row.there} of "
        f"{row.planned}"
        for (backbone, weights, crop, norm, epochs), row in lacking.iterrows()
    )
    return f"{there.there.sum()} of {there.planned.sum()} planned trainings are there" + (
        f". Not complete: {told}." if told else "."
    )


def not_there(what: str) -> str:
    return f"*{what}: not among the committed results yet.*"


def searched(search: pd.DataFrame, first: pd.DataFrame, real: pd.DataFrame) -> pd.DataFrame:
    """Candidates for the reported AUC, a row each: mean over seeds, lowest and highest.

    `search` is of `auc_search` (empty where it was not run), whose trainings see whole images with
    batch norm as pretrained; `first` the ablation's rows after one epoch, of random crops, `real` the `metrics.csv` of real runs whose epoch was selected by accuracy on test.
    """
    real = real.dropna(subset="auc")
    tables = [
        (f"epoch selected by accuracy, seed {int(seed)} ({name})", part)
        for (name, seed), part in real.groupby(["model", "seed"], sort=False)
    ]
    tables += [(f"first epoch, crops ({name})", part) for name, part in first.groupby("backbone")]
    if len(search):
        groups = search.groupby(["candidate", "backbone"], sort=False)
        tables += [
            (f"{candidate} ({name}, whole images)", part) for (candidate, name), part in groups
        ]
    rows = {}
    for name, part in tables:
        spread = (part.auc.mean(), part.auc.min(), part.auc.max())
        rows[name] = (*spread, part.sensitivity.max(), part.specificity.min())
    columns = ["auc", "low", "high", "sensitivity", "specificity"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def explaining(found: pd.DataFrame, target: float, window: float = 0.02) -> str:
    """Which candidates of `searched` answer Non-COVID to all and have the reported AUC, in words."""
    all_non = found[(found.sensitivity == 0) & (found.specificity == 1)]
    inside = all_non[(all_non.auc - target).abs() <= window]
    touching = all_non[(all_non.low <= target + window) & (all_non.high >= target - window)]
    touching = touching.drop(inside.index)
    return (
        f"Of {len(found)} candidates {len(all_non)} answer Non-COVID to all. Of these lie in the band: "
        f"{'; '.join(inside.index) or 'none'}. With some seeds in or on both sides of it: "
        f"{'; '.join(touching.index) or 'none'}."
    )


def by_change(part: pd.DataFrame) -> str:
    """The failed recipe and the single change that finds most, of `effects.mendings`."""
    best = part.drop("the failed recipe").sensitivity.idxmax()
    return (
        f"{part.sensitivity['the failed recipe']:.0%} -> {part.sensitivity[best]:.0%} of COVID-19 "
        f"images found by *{best}*, at a specificity of {part.specificity[best]:.1%}"
    )


def p_value(p: float) -> str:
    """A p value for a reader: never 0.000, which no test can give."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def effects_table(table: pd.DataFrame, outcome: str = "sensitivity") -> pd.DataFrame:
    """`effects.effects` for a reader: each change over its matched pairs of trainings."""
    scale, digits = (100, 1) if outcome == "sensitivity" else (1, 3)
    ends = scale * table[["effect", "least", "most"]].astype(float)
    unit = " points" if outcome == "sensitivity" else ""
    return pd.DataFrame({
        "change": table.change,
        f"{outcome}, mean of pairs (lowest to highest seed)": [
            f"{e:+.{digits}f}{unit} ({least:+.{digits}f} to {most:+.{digits}f})"
            for e, least, most in ends.to_numpy()
        ],
        "rises in": [f"{n} of {of} pairs" for n, of in zip(table.rises, table.pairs, strict=True)],
        "falls in": table.falls, "p": table.p.map(p_value),
        "p, Holm": table.holm.map(p_value), "share of the variance": table.share.map("{:.0%}".format),
        "trainings": table.trainings,
    })  # fmt: skip


def main_effects(table: pd.DataFrame) -> str:
    """`effects.effects` on sensitivity, in words."""
    if table.empty:
        return "not trained"
    return f"of {table.trainings.iloc[0]} trainings, " + "; ".join(
        f"{factor} ({row.change}) {100 * row.effect:+.0f} points by {row.pairs} matched pairs "
        f"({100 * row.least:+.0f} to {100 * row.most:+.0f} by seed; p {p_value(row.holm)}, Holm)"
        for factor, row in table.iterrows()
    )


def explanations(table: pd.DataFrame, target: float, window: float = 0.02) -> pd.DataFrame:
    """The two explanations of the reported AUC that the failed recipe itself offers, side by side.

    `table` is of the ablation, one network. Either the *first* epoch was kept, since accuracy ties
    in all, or the *last* of 150 was measured. A row each: the trainings, their AUCs, and how many
    reach the `target` or lie within `window` of it. `other`: the mean AUC that the other epoch has
    in the same trainings. It would tell the two apart, since the AUC rises in between.
    """
    failed = at(table, **FAILED | {"epochs": 150}, selection="last")
    first, last = (at(failed, after=epoch).auc for epoch in (1, 150))
    early = at(table, **FAILED | {"epochs": EARLY}, after=1, selection="last").auc
    told = {
        "the first epoch was kept": (early, last),
        "the last of 150 was measured": (last, first),
    }
    rows = {
        name: {
            "trainings": len(each), "mean AUC": each.mean(), "lowest": each.min(),
            "highest": each.max(), f"at least {target}": int((each >= target).sum()),
            f"within {window}": int(((each - target).abs() <= window).sum()),
            "other epoch, mean AUC": other.mean(), "of trainings": len(other),
        }
        for name, (each, other) in told.items() if len(each) and len(other)
    }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")


def answer(verdicts, effects, mended, first, histories, null: float) -> str:
    """The study's first finding in Markdown, its numbers from the tables of notebook 06.

    `effects` (of `effects.effects`) and `mended` (of `effects.mendings`) by network; `first` are the
    ablation's rows after one epoch; `histories` the epochs on test of real runs by name, of which
    accuracy selects the first highest.
    """
    chosen = {name: table.loc[table.accuracy.idxmax()] for name, table in histories.items()}
    kept = "; ".join(f"{k} epoch {row.epoch:.0f}, AUC {row.auc:.3f}" for k, row in chosen.items())
    causes = "".join(f"\n\n*{model}*: {main_effects(table)}" for model, table in effects.items())
    ten = "; ".join(
        f"{name} {auc.mean():.3f} ({auc.min():.3f} to {auc.max():.3f}), "
        f"{((auc - REPORTED['auc']).abs() <= 0.02).sum()} of {len(auc)} seeds within 0.02 of it"
        for name, auc in first.groupby("backbone").auc
    )
    changes = "; ".join(f"{model}: {by_change(part)}" for model, part in mended.items())
    demo = verdicts.iloc[[0, -1]]
    return (
        f"**■ Real radiographs.** **{null:.2%}** is the accuracy of answering Non-COVID to every test "
        f"image. What makes the failure, by how many more COVID-19 images are found:{causes}.\n\n"
        f"The reported AUC is {REPORTED['auc']}. While every epoch answers Non-COVID to all, "
        f"accuracy ties and the first epoch is kept. Accuracy on test selects, of the real runs: "
        f"{kept}. The failed recipe's first epoch has {ten}.\n\n"
        f"The one change that brings most: {changes}.\n\n**▶ This run.** {demo.tp.iloc[0]} "
        f"COVID-19 images are found by the failed recipe, {demo.tp.iloc[1]} by the paper's.\n\n"
        f"{runs.NOTICE}"
    )


def fresh_or_pooled(table: pd.DataFrame, folders: dict[str, Path]) -> pd.DataFrame:
    """Real runs, with new crops in every epoch, beside the ablation's trainings with kept ones.

    A row per recipe, model, seed and epoch, with the AUC and the accuracy on test after it.
    `folders` are the published runs of `failed` and `released`; those that are not there are left
    out, and so are epochs and seeds that one of the two lacks, and other test images.
    """
    found = []
    for recipe, folder in folders.items():
        positives, scores = "originals" if recipe == "failed" else "augmented", scores_of(folder)
        for (model, seed), history in tables_of(folder, "history.csv").items():
            norm = "eval" if model == "squeezenet" else "train"  # SqueezeNet has none
            cell = FAILED | {"positives": positives, "batch_norm": norm}
            kept = at(table, **cell, backbone=model, seed=seed, selection="last")
            covid = scores[model, seed].query("split == 'test'").label.sum()
            kept = kept[kept.tp + kept.fn == covid]
            fresh = history[history.phase == "test"]
            both = fresh.merge(kept, left_on="epoch", right_on="after", suffixes=("", " kept"))
            found.append(both.assign(recipe=recipe, model=model, seed=seed))
    columns = ["auc", "auc kept", "accuracy", "accuracy kept", "views"]
    if not any(map(len, found)):
        return pd.DataFrame(columns=columns)
    return pd.concat(found).set_index(["recipe", "model", "seed", "epoch"])[columns]


def nearness(pairs: pd.DataFrame) -> pd.DataFrame:
    """Of `fresh_or_pooled`: how far kept crops are from new ones, and one seed from another.

    Mean absolute differences of the AUC over epochs, and over seeds or pairs of seeds.
    """
    rows = {}
    for name, part in pairs.groupby(["recipe", "model"], sort=False):
        wide = part.auc.unstack("seed")
        others = [(wide[a] - wide[b]).abs().mean() for a, b in combinations(wide, 2)]
        rows[name] = {
            "kept against new": (part["auc kept"] - part.auc).abs().mean(),
            "seed against seed": sum(others) / len(others) if others else float("nan"),
        }
    names = ["recipe", "model"]
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(names)
