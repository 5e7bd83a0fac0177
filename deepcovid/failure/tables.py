"""What a reader of the failure sees: tables."""

import numpy as np
import pandas as pd

from deepcovid.failure.design import FACTOR, FAILED, NAMES
from deepcovid.failure.effects import select
from deepcovid.metrics.intervals import format_ci_from_row, with_ci
from deepcovid.metrics.tables import NETWORKS

# the release, and what of it the earlier attempt had: images by split, then class
RELEASE = {"test": (3000, 100), "training, originals": (2000, 84),
           "training, augmented": (2000, 420)}  # fmt: skip
REPORTED = {"name": "the earlier attempt", "accuracy": 0.9677, "auc": 0.715,
            "counts": {"tn": 3000, "fp": 0, "fn": 100, "tp": 0}}  # by its author  # fmt: skip


def null_accuracies(counts: dict[str, tuple[int, int]] = RELEASE) -> pd.DataFrame:
    """Accuracy of answering Non-COVID to every image, by set; `counts` are (Non-COVID, COVID-19)."""
    table = pd.DataFrame(counts, index=["Non-COVID", "COVID-19"]).T
    return table.assign(accuracy=table["Non-COVID"] / table.sum(axis=1))


def rate_sums(epochs: int = 150) -> pd.DataFrame:
    """What so many epochs are worth under each schedule, in epochs of the first one's rate.

    The script multiplies its rate by 0.1 every 7 epochs; under today's PyTorch it does so one epoch
    early, since it steps its scheduler before the first epoch (`models.fitting.learning_rates`).
    """
    epoch = np.arange(epochs)
    rates = pd.DataFrame({
        "the script's, old PyTorch": 0.1 ** (epoch // 7),
        "the script's, today's PyTorch": 0.1 ** ((epoch + 1) // 7),
        "the paper's: constant": np.ones(epochs),
    })  # fmt: skip
    sums = {"epochs": epochs, "sum of the rates": rates.sum(), "from epoch 22 on": rates[21:].sum()}
    return pd.DataFrame(sums).rename_axis("schedule")


def p_value(p: float) -> str:
    """A p value for a reader: never 0.000, which no test can give."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def effects_table(effects: pd.DataFrame, outcome: str = "sensitivity", **fixed) -> pd.DataFrame:
    """Rows of `ablation_effects.csv` for a reader: each change over its matched pairs of trainings.

    Sensitivity in percentage points. `fixed` picks rows: `backbone="resnet18", among="all"`.
    """
    table = select(effects, outcome=outcome, **fixed)
    scale, form = (100, "+.1f") if outcome == "sensitivity" else (1, "+.3f")
    ends = (scale * table[["effect", "least", "most"]]).set_axis(["mean", "low", "high"], axis=1)
    changes = zip(table.term, table.change.str.split(" -> "), strict=True)
    levels = [[NAMES[term][level] for level in change] for term, change in changes]
    named, unit = ("sensitivity", ", points") if outcome == "sensitivity" else ("AUC", "")
    return pd.DataFrame({
        "setting": table.term.map(FACTOR), "from": [a for a, _ in levels], "to": [b for _, b in levels],
        f"change of {named}{unit} (seeds)": with_ci(ends, form=form),
        "pairs": table.pairs, "higher in": table.rises, "lower in": table.falls,
        "p (Holm)": table.holm.map(p_value),
    }).set_index("setting")  # fmt: skip


def explanations(table: pd.DataFrame, target: float, window: float = 0.02) -> pd.DataFrame:
    """The two explanations of the reported AUC that the failed recipe itself offers, side by side.

    `table` is of the ablation, one network. Either the *first* epoch was kept, since accuracy ties
    in all, or the *last* of 150 was measured. A row each: the trainings, their AUCs, and how many
    reach the `target` or lie within `window` of it. `other`: the mean AUC that the other epoch has
    in the same trainings. It would tell the two apart, since the AUC rises in between.
    """
    failed = select(table, **FAILED | {"epochs": 150}, selection="last")
    first, last = (select(failed, after=epoch).auc for epoch in (1, 150))
    early = select(table, **FAILED | {"epochs": 1}, after=1, selection="last").auc
    each, other = [early, last], [last, first]
    found = pd.DataFrame({
        "trainings": map(len, each), "AUC, mean": [auc.mean() for auc in each],
        "lowest": [auc.min() for auc in each], "highest": [auc.max() for auc in each],
        f"at least {target}": [(auc >= target).sum() for auc in each],
        f"within {window}": [((auc - target).abs() <= window).sum() for auc in each],
        "the other epoch's: mean": [auc.mean() for auc in other], "of trainings": map(len, other),
    }, ["the first epoch was kept", "the last of 150 was measured"])  # fmt: skip
    return found[(found.trainings > 0) & (found["of trainings"] > 0)].rename_axis("explanation")


def selected(metrics: dict, histories: dict) -> pd.DataFrame:
    """What real runs found on test in the epoch that accuracy on test selects: one row each.

    `metrics` are tables `metrics.csv` by run, `histories` those of `history.csv` by run, then by
    (model, seed). The first of the most accurate epochs is selected, as the script does.
    """
    rows = {}
    for run, table in metrics.items():
        for row in table.dropna(subset="seed").to_dict("records") if len(table) else ():
            key = row["model"], int(row["seed"])
            test = histories[run][key].query("phase == 'test'").set_index("epoch")
            rows[run, *key] = {
                "epochs": len(test), "selected epoch": test.accuracy.idxmax(),
                "COVID-19 found": f"{row['tp']:.0f} of {row['tp'] + row['fn']:.0f}",
                "false alarms": f"{row['fp']:.0f} of {row['fp'] + row['tn']:.0f}",
                "ROC AUC (95% interval)": format_ci_from_row(row, "auc"),
            }  # fmt: skip
    found = pd.DataFrame.from_dict(rows, orient="index")
    return found.rename_axis(["run", "model", "seed"]) if rows else found


def searched(search: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
    """Candidates for the reported AUC, a row each: mean over seeds, lowest and highest.

    `search` is `auc_search.csv`, whose trainings see whole images with batch norm as pretrained;
    `first` the ablation's rows after one epoch, of random crops.
    """
    first = first.assign(candidate="first epoch", backbone=first.backbone + ", random crops")
    both = pd.concat([first, search])
    networks = both.backbone.replace(NETWORKS, regex=True)
    return both.groupby(both.candidate + " (" + networks + ")", sort=False).agg(
        auc=("auc", "mean"), low=("auc", "min"), high=("auc", "max"),
        sensitivity=("sensitivity", "max"), specificity=("specificity", "min"),
    )  # fmt: skip


def kept_crops(ablation: pd.DataFrame, run: str, histories: dict, images: int) -> pd.DataFrame:
    """How far trainings on kept crops are from those with new crops in every epoch.

    The ablation goes through the crops of a few epochs in turn; `histories` are of a real run
    (`failed` or `released`) by (model, seed), which draws new ones. A row per model: mean absolute
    differences of the AUC over the epochs that both have, and of two seeds of the real run; only
    trainings judged on as many COVID-19 `images`.
    """
    if not histories:
        return pd.DataFrame()
    cell = FAILED | {"positives": "originals" if run == "failed" else "augmented"}
    kept = select(ablation, **cell, selection="last").eval("epoch = after")
    kept = kept[kept.tp + kept.fn == images]
    new = pd.concat(histories, names=["backbone", "seed"]).query("phase == 'test'")
    both = new.merge(kept, on=["backbone", "seed", "epoch"], suffixes=("", "_kept"))
    seeds = both.merge(both, on=["backbone", "epoch"], suffixes=("", "_other"))
    seeds = seeds[seeds.seed < seeds.seed_other]
    by_model = both.groupby("backbone")
    found = pd.DataFrame({
        "kept against new crops": (both.auc_kept - both.auc).abs().groupby(both.backbone).mean(),
        "seed against seed": (seeds.auc - seeds.auc_other).abs().groupby(seeds.backbone).mean(),
        "epochs": by_model.epoch.nunique(), "seeds": by_model.seed.nunique(),
    })  # fmt: skip
    return pd.concat({run: found})
