"""The tables of notebooks 00 and 04, from `metrics.csv` and scores."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid.metrics.evaluation import n_hits_for_sensitivity
from deepcovid.metrics.intervals import (
    TARGET,
    auc,
    delong_test,
    format_ci,
    format_ci_from_row,
    mean_auc_interval,
    share_interval,
)
from deepcovid.metrics.published import CLAIMS, FINAL, NETWORKS, published_values
from deepcovid.runs import UserError

Scores = dict[tuple[str, int], pd.DataFrame]  # of the same images, by (model, seed)
AT_98 = "specificity_at_98_sensitivity"
# the rows of `beside_paper`: columns of a `metrics.csv`, and decimals
MEASURES = {
    "ROC AUC": ("auc", 4),
    "specificity at 98% sensitivity, tuned on test images": (AT_98, 3),
    "sensitivity, threshold from validation": ("sensitivity", 3),
    "specificity, threshold from validation": ("specificity", 3),
    "sensitivity, threshold from cross-validation": ("cv_sensitivity", 3),
    "specificity, threshold from cross-validation": ("cv_specificity", 3),
}  # fmt: skip


def of_models(tables: Scores) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The images (label, patient), and each model's scores of them, (seeds, n)."""
    first, scores = None, {}
    for (model, seed), table in tables.items():
        table = table.sort_values("image", ignore_index=True)
        first = table if first is None else first
        if not table[["image", "label"]].equals(first[["image", "label"]]):
            raise UserError(
                f"{model}, seed {seed} was not scored on the same images as the others."
            )
        scores.setdefault(model, []).append(table.score)
    return first, {model: np.array(each) for model, each in scores.items()}


def auc_differences(tables: Scores) -> pd.DataFrame:
    """Differences of the models' mean AUCs over seeds, a row per pair of models, with their tests.

    Intervals and `p` (DeLong's test) count images of a patient together where patients are known, and
    the seeds' variance; `p_holm` is corrected for the number of pairs. `least` and `most` are over all
    pairs of single seeds.
    """
    from statsmodels.stats.multitest import multipletests

    (first, by_model), rows = of_models(tables), {}
    for one, other in combinations(by_model, 2):
        scores = by_model[one], by_model[other]
        single = np.subtract.outer(*([auc(first.label, each) for each in part] for part in scores))
        rows[f"{one} - {other}"] = {
            **delong_test(first.label, *scores, first.get("patient")),
            "seeds": f"{len(scores[0])} and {len(scores[1])}",
            "least": single.min(), "most": single.max(),
        }  # fmt: skip
    found = pd.DataFrame(rows).T
    if len(found):
        found.insert(5, "p_holm", multipletests(found.p.astype(float), method="holm")[1])
    return found


def metrics_table(path: Path) -> pd.DataFrame:
    """`metrics.csv` for a reader: one column a quantity, with its interval."""
    table = pd.read_csv(path, dtype={"seed": "Int64"})
    shown = table[["model", "seed", "weights"]].astype(object)
    for row in table.dropna(subset="auc").itertuples():
        found = f"{n_hits_for_sensitivity(int(row.tp + row.fn))} of {row.tp + row.fn:.0f} found"
        for name, text in {
            "ROC AUC": format_ci_from_row(row._asdict(), "auc"),
            "threshold": f"{row.threshold:.3g}",
            "sensitivity": format_ci_from_row(row._asdict(), "sensitivity"),
            "specificity": format_ci_from_row(row._asdict(), "specificity"),
            "average precision": f"{row.average_precision:.3f}",
            "specificity at 98% sensitivity": f"{row.specificity_at_98_sensitivity:.3f} ({found})",
        }.items():
            shown.loc[row.Index, name] = text
    return shown.where(shown.notna(), "")


def over_seeds(
    table: pd.DataFrame, by, value: str, low: str = "", high: str = "", *first
) -> pd.DataFrame:
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
    return format_ci(values.mean(), values.min(), values.max(), digits)


def beside_paper(metrics: pd.DataFrame, control: pd.DataFrame, rows: list[dict]) -> pd.DataFrame:
    """The paper, ours and untrained networks, a row per measure and network: mean and range of seeds.

    `metrics` and `control` are files `metrics.csv`, `rows` the contents of the first one's
    `metrics.json`. The first row has the test images and their patients.
    """
    claims = published_values()
    positives, negatives = rows[0]["tp"] + rows[0]["fn"], rows[0]["fp"] + rows[0]["tn"]
    images = f"{positives:,} COVID-19 and {negatives:,} Non-COVID"
    patients = ""
    if "positive_patients" in rows[0]:
        ill = rows[0]["positive_patients"]
        patients = f" of {ill:,} and {rows[0]['patients'] - ill:,} patients"
    cells = {("test images", "all"): {
        "paper": FINAL, "ours": images + patients,
        "untrained control": images if len(control) else "-",
    }}  # fmt: skip
    for measure, (name, digits) in MEASURES.items():
        for model, network in NETWORKS.items():
            claim = claims.get((name, model)) if name in CLAIMS else None
            ours, untrained = (
                mean_and_range(table.reindex(columns=[name])[name][table.model == model], digits)
                if len(table) else "-" for table in (metrics, control)
            )  # fmt: skip
            if claim or {ours, untrained} != {"-"}:
                shown = f"{claim:.3f}" if claim else "-"
                cells[measure, network] = {"paper": shown, "ours": ours, "untrained control": untrained}  # fmt: skip
    return pd.DataFrame(cells).T.rename_axis(["measure", "network"])


def verdicts(comparison: pd.DataFrame, controls: pd.DataFrame) -> pd.DataFrame:
    """`published.compare` and the negative controls of `published.auc_controls` in one table."""
    claims = {"auc": "ROC AUC", AT_98: "specificity at 98% sensitivity"}
    ours = comparison.assign(judged="ours", claim=comparison.claim.map(claims))
    other = controls[controls.what.str.startswith("control")] if len(controls) else controls
    found = pd.concat([ours, other.assign(judged=other.get("what"), claim=claims["auc"])])
    between = [
        "not run" if pd.isna(row.ours) else f"{row.ours:.4f} ({f'{row.low:.4f}' if row.low else 'no lower end'} to "
        f"{row.high:.4f})" for row in found.itertuples()
    ]  # fmt: skip
    return pd.DataFrame({
        "claim": found.claim, "judged": found.judged, "network": found.model.map(NETWORKS),
        "published": found.published, "measured (interval)": between, "verdict": found.verdict,
        "verdict of the earlier rule": found.earlier_verdict.fillna("-"),
        "smallest margin": found.smallest_margin.map("{:.4f}".format, na_action="ignore").fillna("-"),
    }).set_index(["claim", "judged", "network"])  # fmt: skip


def intervals(test: Scores, thresholds: dict) -> pd.DataFrame:
    """95% intervals that count images beside those that count patients, a row per model and quantity.

    Means over seeds: the AUC's interval is DeLong's, or Obuchowski's by patients, with the seeds'
    variance; the shares' resample. `thresholds` are the frozen ones by (model, seed).
    """
    (table, by_model), cells = of_models(test), {}
    label = table.label.to_numpy()
    units = {"by images": np.arange(len(table))}
    if "patient" in table:
        units["by patients"] = table.patient.to_numpy()
    for model, scores in by_model.items():
        cut = np.array([[t] for key, t in thresholds.items() if key[0] == model])
        right = ((scores >= cut) == (label == 1)).mean(axis=0)
        for name, own in (
            ("ROC AUC", label >= 0),
            ("sensitivity", label == 1),
            ("specificity", label == 0),
        ):
            row = {}
            for unit, of in units.items():
                value, low, high = (
                    mean_auc_interval(label, scores, of) if name == "ROC AUC"
                    else share_interval(right[own], of[own])
                )  # fmt: skip
                row |= {"value": f"{value:.4f}", unit: f"{low:.4f} to {high:.4f}"}
            row |= {unit.removeprefix("by "): len(np.unique(of[own])) for unit, of in units.items()}
            cells[NETWORKS.get(model, model), name] = row
    return pd.DataFrame(cells).T.rename_axis(["network", "quantity"])


def predictive_values(metrics: pd.DataFrame, prevalences=(0.01, 0.05, 0.2)) -> pd.DataFrame:
    """Positive and negative predictive values at prevalences, by where the threshold was chosen.

    Of means over seeds of sensitivity and specificity in a `metrics.csv`, beside the paper's.
    """
    claims, cells = published_values(), {}
    names = ["sensitivity", "specificity", AT_98, "cv_sensitivity", "cv_specificity"]
    for model, part in metrics.dropna(subset="auc").groupby("model", sort=False):
        mean = part.reindex(columns=names).mean()
        found = {"ours, validation images": (mean.sensitivity, mean.specificity),
                 "ours, cross-validated training images": (mean.cv_sensitivity, mean.cv_specificity),
                 "ours, tuned on test images": (TARGET, mean[AT_98])}  # fmt: skip
        if ("auc", model) in claims:
            found = {"the paper": (claims["sensitivity", model], claims[AT_98, model])} | found
        for name, (sensitivity, specificity) in found.items():
            if pd.isna(sensitivity):
                continue
            row = {"sensitivity": f"{sensitivity:.3f}", "specificity": f"{specificity:.4f}"}
            for p in prevalences:
                ill, well = p * sensitivity, (1 - p) * (1 - specificity)
                row[f"PPV at {p:.0%}"] = f"{ill / (ill + well):.0%}"
            for p in prevalences:
                missed, right = p * (1 - sensitivity), (1 - p) * specificity
                row[f"NPV at {p:.0%}"] = f"{right / (missed + right):.2%}"
            cells[NETWORKS.get(model, model), name] = row
    return pd.DataFrame(cells).T.rename_axis(["network", "threshold"])
