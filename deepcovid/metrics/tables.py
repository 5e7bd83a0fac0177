"""The tables of notebooks 00 and 04, from `metrics.csv` and scores."""

from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid.metrics import intervals
from deepcovid.metrics.evaluation import AT_98, Scores, of_models
from deepcovid.metrics.published import CLAIMS, FINAL, NETWORKS, published_values

# the rows of `beside_paper`: columns of a `metrics.csv`, and decimals
MEASURES = {
    "ROC AUC": ("auc", 4),
    "specificity at 98% sensitivity, tuned on test images": (AT_98, 3),
    "sensitivity, threshold from validation": ("sensitivity", 3),
    "specificity, threshold from validation": ("specificity", 3),
    "sensitivity, threshold from cross-validation": ("cv_sensitivity", 3),
    "specificity, threshold from cross-validation": ("cv_specificity", 3),
}  # fmt: skip


def auc_differences(tables: Scores) -> pd.DataFrame:
    """Differences of the models' mean AUCs over seeds, a row per pair of models, with their tests.

    Intervals and `p` (DeLong's test) count images of a patient together, and the seeds' variance;
    `p_holm` is corrected for the number of pairs. `least` and `most` are over all pairs of single
    seeds.
    """
    from statsmodels.stats.multitest import multipletests

    (first, by_model), rows = of_models(tables), {}
    for one, other in combinations(by_model, 2):
        scores = by_model[one], by_model[other]
        aucs = ([intervals.auc(first.label, each) for each in part] for part in scores)
        single = np.subtract.outer(*aucs)
        rows[f"{one} - {other}"] = {
            **intervals.delong_test(first.label, *scores, first.patient),
            "seeds": f"{len(scores[0])} and {len(scores[1])}",
            "least": single.min(), "most": single.max(),
        }  # fmt: skip
    found = pd.DataFrame(rows).T
    if len(found):
        found.insert(5, "p_holm", multipletests(found.p.astype(float), method="holm")[1])
    return found


def metrics_table(path: Path) -> pd.DataFrame:
    """`metrics.csv` for a reader: one column a quantity, with its interval."""
    table = pd.read_csv(path)
    shown = table[["model", "seed", "weights"]].copy()
    shown["threshold"] = table.threshold.map("{:.3g}".format)
    for column in ("auc", "sensitivity", "specificity", AT_98):
        shown[CLAIMS.get(column, column)] = intervals.with_ci(table, column, ".3f")
    return shown


def over_seeds(table: pd.DataFrame, by, value: str, low="", high="", *first) -> pd.DataFrame:
    """Mean, lowest (`least`) and highest (`most`) value of each group of rows, in their order.

    With `low` and `high`: the lowest and the highest end of the groups' intervals, by these names.
    `first`: columns whose entries are alike in a group.
    """
    found = {"mean": (value, "mean"), "least": (value, "min"), "most": (value, "max")}
    if low:
        found |= {"low": (low, "min"), "high": (high, "max")}
    found |= {name: (name, "first") for name in first}
    return table.dropna(subset=value).groupby(by, sort=False).agg(**found)


def mean_and_range(values, digits: int = 3) -> str:
    """Over seeds: `0.912 (0.871 to 0.953)`; the value alone of one; a dash of none."""
    values = pd.Series(values, dtype=float).dropna()
    if len(values) < 2:
        return "-" if values.empty else f"{values.iloc[0]:.{digits}f}"
    return intervals.format_ci(values.mean(), values.min(), values.max(), digits)


def beside_paper(metrics: pd.DataFrame, control: pd.DataFrame) -> pd.DataFrame:
    """The paper, ours and untrained networks, a row per measure and network: mean and range of seeds.

    `metrics` and `control` are files `metrics.csv`. The first row has the test images and their
    patients.
    """
    claims, n = published_values(), metrics.iloc[0]
    images = f"{n.tp + n.fn:,} COVID-19 and {n.fp + n.tn:,} Non-COVID"
    patients = f" of {n.positive_patients:,} and {n.patients - n.positive_patients:,} patients"
    cells = {("test images", "all"): {
        "paper": FINAL, "ours": images + patients,
        "untrained control": images if len(control) else "-",
    }}  # fmt: skip
    for (measure, (name, digits)), model in product(MEASURES.items(), NETWORKS):
        claim = claims.get((name, model)) if name in CLAIMS else None
        ours, untrained = (
            mean_and_range(table[name][table.model == model] if name in table else (), digits)
            for table in (metrics, control if len(control) else metrics[:0])
        )
        if claim or {ours, untrained} != {"-"}:
            shown = f"{claim:.3f}" if claim else "-"
            row = {"paper": shown, "ours": ours, "untrained control": untrained}
            cells[measure, NETWORKS[model]] = row
    return pd.DataFrame(cells).T.rename_axis(["measure", "network"])


def verdicts(comparison: pd.DataFrame, controls: pd.DataFrame) -> pd.DataFrame:
    """`published.compare` and the negative controls of `published.auc_controls` in one table."""
    found = pd.concat([table for table in (comparison, controls) if len(table)])
    ours, low, high = (found[end].map("{:.4f}".format) for end in ("ours", "low", "high"))
    between = ours + " (" + low.mask(found.low == 0, "no lower end") + " to " + high + ")"
    return pd.DataFrame({
        "claim": found.claim.map(CLAIMS), "judged": found.what, "network": found.model.map(NETWORKS),
        "published": found.published,
        "measured (interval)": between.where(found.ours.notna(), "not run"), "verdict": found.verdict,
        "smallest margin": ["-" if pd.isna(m) else f"{m:.4f}" for m in found.smallest_margin],
    }).set_index(["claim", "judged", "network"])  # fmt: skip


def both_intervals(test: Scores, thresholds: dict) -> pd.DataFrame:
    """95% intervals that count images beside those that count patients, a row per model and quantity.

    Means over seeds: the AUC's interval is DeLong's, or Obuchowski's by patients, with the seeds'
    variance; the shares' resample. `thresholds` are the frozen ones by (model, seed).
    """
    (table, by_model), cells = of_models(test), {}
    label = table.label.to_numpy()
    units = {"images": np.arange(len(table)), "patients": table.patient.to_numpy()}
    for model, scores in by_model.items():
        cut = np.array([[thresholds[key]] for key in test if key[0] == model])
        right = (intervals.predict_positive(scores, cut) == (label == 1)).mean(axis=0)
        parts = {"ROC AUC": label >= 0, "sensitivity": label == 1, "specificity": label == 0}
        for name, own in parts.items():
            row = cells[NETWORKS.get(model, model), name] = {}
            for unit, of in units.items():
                value, low, high = intervals.mean_auc_interval(label, scores, of)
                if name != "ROC AUC":
                    value, low, high = intervals.share_interval(right[own], of[own])
                row |= {"value": f"{value:.4f}", unit: len(np.unique(of[own]))}
                row[f"by {unit}"] = f"{low:.4f} to {high:.4f}"
    return pd.DataFrame(cells).T.rename_axis(["network", "quantity"])


def predictive_values(metrics: pd.DataFrame, prevalences=(0.01, 0.05, 0.2)) -> pd.DataFrame:
    """Positive and negative predictive values at prevalences, by where the threshold was chosen.

    Of means over seeds of sensitivity and specificity in a `metrics.csv`, beside the paper's.
    """
    claims, rows = published_values(), []
    means = metrics.groupby("model", sort=False).mean(numeric_only=True)
    for model, mean in means.iterrows():
        rows += [
            (model, "the paper", claims.get(("sensitivity", model)), claims.get((AT_98, model))),
            (model, "ours, validation images", mean.sensitivity, mean.specificity),
            (model, "ours, cross-validated training images", mean.get("cv_sensitivity"), mean.get("cv_specificity")),
            (model, "ours, tuned on test images", intervals.TARGET, mean[AT_98]),
        ]  # fmt: skip
    columns = ["network", "threshold", "sensitivity", "specificity"]
    found = pd.DataFrame(rows, columns=columns).dropna().replace({"network": NETWORKS})
    hit, right = found.sensitivity, found.specificity
    for p in prevalences:
        found[f"PPV at {p:.0%}"] = (p * hit / (p * hit + (1 - p) * (1 - right))).round(2)
    for p in prevalences:
        found[f"NPV at {p:.0%}"] = (1 - p) * right / ((1 - p) * right + p * (1 - hit))
    return found.set_index(columns[:2]).round(4)
