"""The tables of notebooks 00 and 04, from `metrics.csv` and scores."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid.metrics.evaluation import (  # noqa: F401  (notebooks read them here)
    n_hits_for_sensitivity,
    of_seeds,
    scores_of,
    summaries,
)
from deepcovid.metrics.intervals import (
    TARGET,
    auc,
    delong_test,
    format_ci,
    mean_auc_interval,
    share_interval,
)
from deepcovid.metrics.published import FINAL, published
from deepcovid.runs import UserError


def auc_differences(tables: dict[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """Differences of the models' mean AUCs over seeds, a row per pair of models, with their tests.

    `tables` are scores of the same images by (model, seed). Intervals and `p` (DeLong's test) count
    images of a patient together where patients are known, and the seeds' variance; `p_holm` is
    corrected for the number of pairs. `least` and `most` are over all pairs of single seeds.
    """
    by_model, first = {}, next(iter(tables.values()))
    for key, table in tables.items():
        both = first[["image", "label"]].merge(table, on=["image", "label"], validate="one_to_one")
        if not len(both) == len(first) == len(table):
            raise UserError(
                f"{key[0]}, seed {key[1]} was not scored on the same images as the others."
            )
        by_model.setdefault(key[0], []).append(both.score)
    rows = {}
    for one, other in combinations(by_model, 2):
        scores = np.array(by_model[one]), np.array(by_model[other])
        aucs = [[auc(first.label, each) for each in part] for part in scores]
        single = np.subtract.outer(*aucs)
        rows[f"{one} - {other}"] = {
            **delong_test(first.label, *scores, first.get("patient")),
            "seeds": f"{len(scores[0])} and {len(scores[1])}",
            "least": single.min(), "most": single.max(),
        }  # fmt: skip
    from statsmodels.stats.multitest import multipletests

    found = pd.DataFrame(rows).T
    if len(found):
        found.insert(5, "p_holm", multipletests(found.p.astype(float), method="holm")[1])
    return found


def with_intervals(row: dict, *names: str) -> dict:
    return {key: row[key] for name in names for key in (name, f"{name}_low", f"{name}_high")}


def metrics_table(path: Path) -> pd.DataFrame:
    """`metrics.csv` for a reader: one column a quantity, with its interval."""
    table = pd.read_csv(path, dtype={"seed": "Int64"})
    shown = table[["model", "seed", "weights"]].copy()

    def with_interval(name):
        columns = table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)
        return [format_ci(*one) if pd.notna(one[0]) else "" for one in columns]

    shown["ROC AUC"] = with_interval("auc")
    shown["threshold"] = table.threshold.map("{:.3g}".format, na_action="ignore")
    shown["sensitivity"] = with_interval("sensitivity")
    shown["specificity"] = with_interval("specificity")
    shown["average precision"] = table.average_precision.map("{:.3f}".format, na_action="ignore")
    shown["specificity at 98% sensitivity"] = [
        "" if pd.isna(row.auc) else
        f"{row.specificity_at_98_sensitivity:.3f} ({n_hits_for_sensitivity(int(row.tp + row.fn))} of "
        f"{row.tp + row.fn:.0f} found)"
        for row in table.itertuples()
    ]  # fmt: skip
    return shown.astype(object).where(shown.notna(), "")


NETWORKS = {"resnet18": "ResNet18", "resnet50": "ResNet50", "squeezenet": "SqueezeNet",
            "densenet121": "DenseNet121"}  # fmt: skip
AT_98 = "specificity_at_98_sensitivity"
# the rows of `beside_paper`: columns of a `metrics.csv`, and decimals
MEASURES = {
    "ROC AUC": ("auc", 4),
    "specificity at 98% sensitivity, tuned on test images": (AT_98, 3),
    "sensitivity, threshold from validation": ("sensitivity", 3),
    "specificity, the same": ("specificity", 3),
    "sensitivity, threshold from cross-validation": ("cv_sensitivity", 3),
    "specificity, the same threshold": ("cv_specificity", 3),
}  # fmt: skip


PUBLISHED = (
    "auc",
    AT_98,
)  # those that the paper gives; its 98% sensitivity is where it put the threshold


def published_values() -> dict[tuple[str, str], float]:
    """The paper's numbers on the final version of its dataset, by (metric, model)."""
    claims = published()
    return claims[claims.images == FINAL].set_index(["metric", "model"]).value.to_dict()


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
    patients = rows[0].get("patients")
    cells = {("test images", "all"): {
        "paper": FINAL, "ours": images + f" of {patients:,} patients" * bool(patients),
        "untrained control": images if len(control) else "-",
    }}  # fmt: skip
    for measure, (name, digits) in MEASURES.items():
        for model, network in NETWORKS.items():
            claim = claims.get((name, model)) if name in PUBLISHED else None
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


def of_models(
    test: dict[tuple[str, int], pd.DataFrame],
) -> dict[str, tuple[pd.DataFrame, np.ndarray]]:
    """Of each model its images (label, patient) and the scores of all seeds of them, (k, n)."""
    found = {}
    for (model, _), table in test.items():
        table = table.sort_values("image", ignore_index=True)
        first, scores = found.setdefault(model, (table, []))
        if not first.image.equals(table.image):
            raise UserError(f"The seeds of {model} were not scored on the same images.")
        scores.append(table.score)
    return {model: (first, np.array(scores)) for model, (first, scores) in found.items()}


def intervals(test: dict[tuple[str, int], pd.DataFrame], thresholds: dict) -> pd.DataFrame:
    """95% intervals that count images beside those that count patients, a row per model and quantity.

    Means over seeds: the AUC's interval is DeLong's, or Obuchowski's by patients, with the seeds'
    variance; the shares' resample. `thresholds` are the frozen ones by (model, seed).
    """
    cells = {}
    for model, (table, scores) in of_models(test).items():
        units = {"by images": np.arange(len(table)), "by patients": table.get("patient")}
        cut = np.array([[t] for key, t in thresholds.items() if key[0] == model])
        right = (scores >= cut) == (table.label.to_numpy() == 1)
        for name, own in (("ROC AUC", slice(None)), ("sensitivity", table.label == 1),
                          ("specificity", table.label == 0)):  # fmt: skip
            row = {"images": int(np.sum(np.ones(len(table))[own]))}
            for unit, of in units.items():
                if of is None:
                    continue
                value, low, high = (
                    mean_auc_interval(table.label, scores, of) if name == "ROC AUC"
                    else share_interval(right[:, own].mean(axis=0), np.asarray(of)[own])
                )  # fmt: skip
                row |= {"value": f"{value:.4f}", unit: f"{low:.4f} to {high:.4f}"}
                if unit == "by patients":
                    row["patients"] = len(np.unique(np.asarray(of)[own]))
            cells[NETWORKS.get(model, model), name] = row
    names = ["value", "by images", "by patients", "images", "patients"]
    found = pd.DataFrame(cells).T.rename_axis(["network", "quantity"])
    return found[[name for name in names if name in found]]


def predictive_values(metrics: pd.DataFrame, prevalences=(0.01, 0.05, 0.2)) -> pd.DataFrame:
    """Positive and negative predictive values at prevalences, by where the threshold was chosen.

    Of means over seeds of sensitivity and specificity in a `metrics.csv`, beside the paper's.
    """
    claims, cells = published_values(), {}
    for model, part in metrics.dropna(subset="auc").groupby("model", sort=False):
        mean = part.reindex(
            columns=["sensitivity", "specificity", AT_98, "cv_sensitivity", "cv_specificity"]
        ).mean()
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
