"""Tables of notebook 08. Several networks or seeds are their mean and range, never their best."""

import numpy as np
import pandas as pd

from deepcovid.fair_test.names import RELEASE, SAME
from deepcovid.metrics.intervals import format_ci_from_row, with_ci
from deepcovid.metrics.published import NETWORKS
from deepcovid.metrics.tables import mean_and_range, over_seeds
from deepcovid.shortcuts.ablations import WORDS
from deepcovid.shortcuts.tables import preprocessing_words

KINDS = {RELEASE: "the release's Non-COVID images",
         SAME: "Non-COVID images of the same collection"}  # fmt: skip
# the aim: a model's AUCs, and what border and framing alone may reach where it is external
AT_LEAST, BLIND_BELOW = 0.80, 0.65
AIMS = (("AUC within the collection, held-out cases", "within", AT_LEAST),
        ("AUC, external", "external", AT_LEAST),
        ("AUC of border alone, external", "external_border", BLIND_BELOW),
        ("AUC of framing alone, external", "external_frame", BLIND_BELOW))  # fmt: skip


def readable(text: str) -> str:
    """A name with the networks as papers write them, and inputs as notebook 07 names them."""
    text = WORDS.get(text, text).replace("border only", "border alone")
    for code, name in NETWORKS.items():
        text = text.replace(code, name)
    return text.replace("+", " + ")


def probes(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Probes of `within.csv` by `question`, or of `sites.csv` by `site`, a row each.

    A field is the mean AUC over networks, and from the lowest to the highest end of their
    intervals. What is shown beside whole pictures can hardly show the lungs.
    """
    if "recipe" in table:
        table = table[table.recipe == "regression"]
    table = table[table.input.isin(["whole picture", "outer 5% of each side", "view, age, sex"])]
    first = table.drop_duplicates(by).set_index(by)
    counts = first.positives.map("{:,}".format) + " + " + first.negatives.map("{:,}".format)
    shown = {"COVID-19 + other images": counts}
    if "groups" in first:
        shown["cases"] = first.groups
    name = table.input + (", " + table.weights_kind).replace(", none", "")
    for words, part in table.groupby(name, sort=False):
        shown[words] = with_ci(over_seeds(part, by, "auc", "case_low", "case_high"), form=".3f")
    return pd.DataFrame(shown, index=first.index)


def training_data(table: pd.DataFrame) -> pd.DataFrame:
    """The candidate of each kind of training data and classifier with the highest criterion.

    The release has none, as the sites of its images are not known: there the AUC on held-out cases.
    An external AUC is shown only beside that of border and framing there.
    """
    several = table.model.str.contains("+", regex=False)
    ranked = table.sort_values(["criterion", "within"], na_position="first", kind="stable")
    best = ranked.groupby(["trained_on", "classifier", several], sort=False).tail(1).sort_index()
    number = best.select_dtypes("number").map(lambda value: mean_and_range([value]))
    return pd.DataFrame({
        "trained on": best.trained_on + np.where(best.chosen, ", chosen", ""),
        "images": best.images.map("{:,}".format),
        "network": best.model.map(readable),
        "classifier": best.classifier,
        "preprocessing": best.preprocessing.map(preprocessing_words),
        "criterion": number.criterion,
        "AUC, held-out cases": with_ci(best, "within", ".3f"),
        "border; framing": number.border + "; " + number.frame,
        "AUC, sites left out": number.site,
        "AUC, external": with_ci(best, "external", ".3f"),
        "border; framing, external": number.external_border + "; " + number.external_frame,
    }).set_index("trained on").T  # fmt: skip


def aim(candidates: pd.DataFrame, metrics: pd.DataFrame, external: pd.DataFrame) -> pd.DataFrame:
    """What a better model was to reach, beside the chosen candidate and the recipe `fair`.

    Of the candidate, of `training_data.csv`, the AUC and its 95% interval; of the recipe's
    `metrics.csv` and `external.csv` the mean over seeds and their range.
    """
    chosen = candidates[candidates.chosen].iloc[0] if len(candidates) else {}
    own = {"within": metrics.auc} if len(metrics) else {}
    if len(external):
        aucs = external[external.quantity == "auc"]
        own |= {"external": aucs.value[aucs.seed.notna()], "external_border": aucs.value[aucs.model == "border alone"],
                "external_frame": aucs.value[aucs.model == "framing alone"]}  # fmt: skip
    rows = {}
    for name, column, target in AIMS:
        below = target == BLIND_BELOW
        row = rows[name] = {"target": f"{'below' if below else 'at least'} {target:.2f}"}
        if column in chosen:
            text = mean_and_range([chosen[column]]) if below else format_ci_from_row(chosen, column)
            row["chosen candidate (95% interval)"] = judged(text, chosen[column], target, below)
        if len(own.get(column, ())):
            text, mean = mean_and_range(own[column]), own[column].mean()
            row["recipe fair (range of seeds)"] = judged(text, mean, target, below)
    return pd.DataFrame(rows).T.rename_axis("aim")


def judged(text: str, value: float, target: float, below: bool) -> str:
    """A value as text, and whether it reaches its target."""
    reached = value < target if below else value >= target
    return f"{text}: {'reached' if reached else 'not reached'}"
