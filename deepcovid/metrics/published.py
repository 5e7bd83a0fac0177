"""The paper's claims, and when a number of ours agrees with one."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from deepcovid.metrics.evaluation import AT_98, evaluated, of_models
from deepcovid.metrics.intervals import mean_auc_interval

NETWORKS = {"resnet18": "ResNet18", "resnet50": "ResNet50", "squeezenet": "SqueezeNet",
            "densenet121": "DenseNet121"}  # fmt: skip
PUBLISHED = Path(__file__).with_name("published.csv")
FINAL = "100 COVID-19 and 3000 Non-COVID"  # the final version of the dataset
MARGIN = 0.005  # of an AUC; docs/method.md argues it
LEVEL = 0.90  # of the interval that two one-sided tests at 5% ask for
CLAIMS = {"auc": "ROC AUC", AT_98: "specificity at 98% sensitivity"}
CONTROLS = {"control": "control: untrained network", "released": "control: released recipe",
            "released_squeezenet": "control: released recipe"}  # folders in results/  # fmt: skip
REDUCED = ("outer 12.5% of each side", "outer 5% of each side", "8 x 8 pixels")  # of the picture
COLUMNS = ["claim", "what", "model", "verdict", "published", "ours", "low", "high",
           "smallest_margin"]  # fmt: skip


def published() -> pd.DataFrame:
    """The published numbers, a row each: model, metric, value, half_width, images, source."""
    return pd.read_csv(PUBLISHED)


def published_values() -> dict[tuple[str, str], float]:
    """The paper's numbers on the final version of its dataset, by (metric, model)."""
    claims = published()
    return claims[claims.images == FINAL].set_index(["metric", "model"]).value.to_dict()


def smallest_margin(low: float, high: float, value: float) -> float:
    """The smallest margin around a published value within which an interval lies."""
    return max(abs(low - value), abs(high - value))


def equivalence(low: float, high: float, value: float, margin: float = MARGIN) -> str:
    """What two one-sided tests say of our interval and a published value."""
    if smallest_margin(low, high, value) <= margin:
        return "equivalent"
    if low > value + margin:
        return "not equivalent: ours is higher"
    if high < value - margin:
        return "not equivalent: ours is lower"
    return "undecided"


def specificity_verdict(claim: dict, value: float, low: float, high: float) -> str:
    """Do a published specificity's interval and ours meet?"""
    half = claim["half_width"]
    agree = low <= claim["value"] + half and high >= claim["value"] - half
    if agree and low == 0:
        return "not contradicted: no lower end"
    direction = "higher" if value > claim["value"] else "lower"
    return "reproduced" if agree else f"not reproduced: ours is {direction}"


def judge_auc(what: str, model: str, ours: tuple) -> dict:
    """An AUC and its 90% interval beside a model's published one, as a row of a table."""
    claimed, (value, low, high) = published_values()["auc", model], ours
    return {
        "claim": "auc", "what": what, "model": model, "published": claimed, "ours": value, "low": low, "high": high,
        "smallest_margin": smallest_margin(low, high, claimed), "verdict": equivalence(low, high, claimed),
    }  # fmt: skip


def judge_models(folder: Path, what: str) -> Iterator[dict]:
    """`judge_auc` of each model in a folder: means over seeds, intervals by patients and over seeds."""
    test = {key: table[table.split == "test"] for key, table in evaluated(folder).items()}
    (images, by_model), claims = of_models(test), published_values()
    for model, scores in by_model.items():
        if ("auc", model) not in claims:  # a network that the paper has not
            continue
        ours = mean_auc_interval(images.label, scores, images.patient, LEVEL)
        yield judge_auc(what, model, ours)


def compare(folder: Path) -> pd.DataFrame:
    """Numbers of the models in a folder beside the published ones, claim by claim, with verdicts.

    By the rules of docs/method.md. AUCs are means over the seeds; of the specificities that of the
    lowest seed, with its 95% interval, an order statistic of patients. `not testable here`: the model
    was not run, or not with ImageNet weights.
    """
    aucs, rows, first = {row["model"]: row for row in judge_models(folder, "ours")}, [], {}
    if aucs:
        metrics = pd.read_csv(folder / "metrics.csv").sort_values("seed")
        metrics = metrics[metrics.weights != "random"].drop_duplicates("model")
        first = metrics.set_index("model").to_dict("index")
    claims = published()
    for claim in claims[(claims.images == FINAL) & claims.metric.isin(CLAIMS)].to_dict("records"):
        model, metric = claim["model"], claim["metric"]
        row = {"claim": metric, "what": "ours", "model": model, "published": claim["value"],
               "verdict": "not testable here"}  # fmt: skip
        if model in first and metric == "auc":
            row = aucs[model]
        elif model in first:
            ours = [first[model][f"{metric}{end}"] for end in ("", "_low", "_high")]
            row |= dict(zip(("ours", "low", "high"), ours, strict=True))
            row["verdict"] = specificity_verdict(claim, *ours)
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def auc_controls(results: Path) -> pd.DataFrame:
    """What the AUC rule says of what must not reproduce a claim, as rows of `compare`.

    Untrained networks (`control`), the released recipe, which finds few COVID-19 images, and, beside
    SqueezeNet's claim, what its features tell from the picture's border and from 8 x 8 pixels
    (`paper/shortcuts.csv`). A rule that calls controls equivalent cannot tell a reproduction from them.
    """
    rows = [row for name, what in CONTROLS.items() for row in judge_models(results / name, what)]
    path = results / "paper" / "shortcuts.csv"
    reduced = pd.read_csv(path) if path.is_file() else pd.DataFrame({"input": []})
    for row in reduced[reduced.input.isin(REDUCED)].to_dict("records"):
        if row["kind"] == "untrained" or row["target"] != "COVID-19":
            continue
        # of each end of the 95% interval, whose sides differ, the distance that 90% have, as logits
        middle, shorter = logit(row["auc"]), norm.ppf((1 + LEVEL) / 2) / norm.ppf(0.975)
        ends = (logit(row[f"patient_{end}"]) for end in ("low", "high"))
        ours = (row["auc"], *(float(expit(middle + shorter * (end - middle))) for end in ends))
        rows.append(judge_auc(f"control: {row['input']}", "squeezenet", ours))
    return pd.DataFrame(rows, columns=COLUMNS)
