"""What a table of the ablation says: effects of its factors, means over seeds, single changes."""

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from deepcovid.failure.design import CELL, CHANGES, FACTORS, FAILED, LEVELS, NAMES
from deepcovid.metrics import intervals

MEASURES = ("auc", "sensitivity", "specificity", "accuracy", "tp", "fn", "fp", "tn")
DRAWS = 9999  # random swaps of levels within pairs, where not all can be tried
EFFECTS = ("change", "trainings", "pairs", "effect", "least", "most", "rises", "falls", "p", "holm")


def verdict(label, score) -> dict[str, float]:
    """What each of `MEASURES` says of the same scores, cut at 0.5."""
    counts = intervals.confusion(label, score, 0.5)
    tp, fn, fp, tn = counts.values()
    shares = {"sensitivity": tp / (tp + fn), "specificity": tn / (fp + tn)}
    shares["accuracy"] = (tp + tn) / (tp + fn + fp + tn)
    return {"auc": intervals.auc(label, score), **shares, **counts}


def select(table: pd.DataFrame, **fixed) -> pd.DataFrame:
    """The rows of an ablation with the given entries."""
    for name, value in fixed.items():
        table = table[table[name] == value]
    return table


def pairs(table: pd.DataFrame, factor: str, levels, outcome: str = "sensitivity") -> pd.DataFrame:
    """The trainings that differ in one factor only, a row per pair: outcome at each of two levels.

    The index holds what the two share, the seed among it. A training without a partner is left out.
    """
    shared = [name for name in (*CELL, "after", "selection") if name in table and name != factor]
    wide = table.pivot(index=shared, columns=factor, values=outcome).reindex(columns=list(levels))
    return wide.dropna()


def effects(table: pd.DataFrame, factors=FACTORS, outcome: str = "sensitivity") -> pd.DataFrame:
    """What each change of a factor does to an outcome, over matched pairs, largest change first.

    A row for each level of a factor beside its first in `LEVELS`, the failed recipe's. `effect`:
    mean over the `pairs` of the outcome there less that at the first level; `least`, `most`: the
    same by seed; `rises`, `falls`: pairs in which the outcome is higher, or lower. `p`: two-sided,
    by swapping the levels within pairs, which share their seed: no distribution is assumed, so that
    outcomes may be bounded and heap at zero. It speaks of these seeds; by swapping whole seeds three
    of them could not give a p below 0.25, hence `least` and `most`. Exact where pairs are few (2**pairs <= DRAWS), else by
    DRAWS random swaps and never below 1 / (DRAWS + 1). `holm`: p after Holm's correction for all
    rows. An empty table has no rows.
    """
    rows = []
    for factor in factors if len(table) else ():
        first, *others = [level for level in LEVELS[factor] if level in set(table[factor])]
        for level in others:
            row = {"term": factor, "change": f"{first} -> {level}", "trainings": len(table)}
            rows.append(row | change(pairs(table, factor, (first, level), outcome)))
    found = pd.DataFrame(rows, columns=["term", *EFFECTS]).set_index("term")
    if len(found):
        found["holm"] = multipletests(found.p, method="holm")[1]
    return found.iloc[np.argsort(-found.effect.abs(), kind="stable")]


def change(matched: pd.DataFrame) -> dict[str, float]:
    """What `effects` says of the pairs of two levels (`pairs`)."""
    first, second = matched.to_numpy(dtype=float).T
    difference = pd.Series(second - first, index=matched.index.get_level_values("seed"))
    by_seed = difference.groupby(level=0).mean()
    p = 1.0  # a single pair says nothing about the sign
    if len(matched) > 1:
        p = stats.permutation_test(
            (second, first), lambda a, b, axis: np.abs(np.mean(a - b, axis=axis)), vectorized=True,
            permutation_type="samples", alternative="greater", n_resamples=DRAWS,
            rng=np.random.default_rng(0),
        ).pvalue  # fmt: skip
    return {
        "pairs": len(matched), "effect": difference.mean(), "least": by_seed.min(),
        "most": by_seed.max(), "rises": int((difference > 0).sum()),
        "falls": int((difference < 0).sum()), "p": p,
    }  # fmt: skip


def factorials(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The balanced trainings of each network of an ablation, after the failed recipe's epochs."""
    asked = {"weights": "pretrained", "epochs": FAILED["epochs"], "selection": "last"}
    table = select(table, **asked, after=FAILED["epochs"])
    some = {"resnet50": {"crop": "none", "batch_norm": "eval"}}  # what the plan crosses of it
    return {name: select(part, **some.get(name, {})) for name, part in table.groupby("backbone")}


def published(table: pd.DataFrame) -> pd.DataFrame:
    """`effects` of each network's factorial on sensitivity and AUC, as `ablation_effects.csv` has it.

    `among`: all trainings, or those that keep three of the failed recipe's settings, where only
    batch norm is asked for.
    """
    rows = []
    for backbone, part in factorials(table).items():
        kept = {name: FAILED[name] for name in ("optimiser", "classes", "positives")}
        among = {"all": (part, FACTORS)}
        if part.batch_norm.nunique() > 1:
            among[", ".join(NAMES[factor][level] for factor, level in kept.items())] = (
                select(part, **kept),
                ("batch_norm",),
            )
        for outcome in ("sensitivity", "auc"):
            for name, (some, factors) in among.items():
                about = {"backbone": backbone, "among": name, "outcome": outcome}
                rows.append(effects(some, factors, outcome).reset_index().assign(**about))
    if not rows:
        return pd.DataFrame(columns=["backbone", "among", "outcome", "term", *EFFECTS])
    return pd.concat(rows)[["backbone", "among", "outcome", "term", *EFFECTS]]


def single_changes(table: pd.DataFrame, backbone: str, **other) -> pd.DataFrame:
    """The failed recipe after its 24 epochs, and each of `CHANGES` to it: means over a network's seeds.

    `other` are settings in which the failed recipe of this network differs from `FAILED`. `least`
    and `most`: lowest and highest sensitivity. What was not trained has no row.
    """
    base = FAILED | other
    last = select(table, backbone=backbone, after=FAILED["epochs"], selection="last")
    rows = {}
    for name, change in {"the failed recipe": {}, **CHANGES}.items():
        found = select(last, **base | change)
        if len(found) and (name == "the failed recipe" or base | change != base):
            span = {"least": found.sensitivity.min(), "most": found.sensitivity.max()}
            rows[name] = {"trainings": len(found), **found[list(MEASURES)].mean(), **span}
    columns = ["trainings", *MEASURES, "least", "most"]
    found = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return found.astype({"trainings": int}).rename_axis("change")
