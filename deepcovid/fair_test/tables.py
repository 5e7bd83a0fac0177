"""Tables of notebook 08. Several networks or seeds are their mean and range, never their best."""

import pandas as pd

from deepcovid.fair_test.names import BLIND, EVERYTHING, RELEASE, SAME
from deepcovid.metrics.intervals import format_ci, format_ci_from_row
from deepcovid.metrics.published import NETWORKS
from deepcovid.metrics.tables import mean_and_range
from deepcovid.shortcuts.ablations import WORDS
from deepcovid.shortcuts.tables import preprocessing_words

KINDS = {
    RELEASE: "the release's Non-COVID images",
    SAME: "Non-COVID images of the same collection",
}
IMAGES, CASES = "{positives:,} + {negatives:,} images", ", {groups:,} cases"
CASE, EXTERNAL = ("case_low", "case_high"), "{external_positives:,} + {external_negatives:,} images"
# the aim: a model's AUCs, and what border and framing alone may reach where it is external
AT_LEAST, BLIND_BELOW = 0.80, 0.65
# of each finding: table, rows, value, ends of its interval, and of how many; braces hold columns
WITHIN = f"question == '{EVERYTHING}' and input == 'whole picture' and recipe"
FINDINGS = [
    (f"AUC, {KINDS[kind]}", "swap", f'non_covid == "{kind}"', "auc", CASE, IMAGES) for kind in KINDS
] + [
    ("Non-COVID images of the same collection that are called COVID-19", "findings",
     "finding == 'all without COVID-19'", "called", ("called_low", "called_high"),
     "{images:,} images, {cases:,} cases"),
] + [
    ("AUC, trained within the collection, {weights_kind} networks", "within",
     f"{WITHIN} == 'regression' and weights_kind == '{kind}'", "auc", CASE, IMAGES + CASES)
    for kind in ("pretrained", "untrained")
] + [
    ("AUC, trained within the collection, this run's recipe", "within", f"{WITHIN} != 'regression'",
     "auc", CASE, IMAGES + CASES),
    ("AUC, what cannot show the lungs", "within", f"question == '{EVERYTHING}' and input in {BLIND}",
     "auc", CASE, IMAGES + CASES),
] + [
    ("AUC, {site} left out, {weights_kind} networks", "sites",
     f"input == 'whole picture' and weights_kind == '{kind}'", "auc", CASE, IMAGES)
    for kind in ("pretrained", "untrained")
] + [
    ("Rank correlation with severity, models", "severity", "seed.notna()", "rho", ("low", "high"),
     "{images:,} images" + CASES),
    ("Gain over the same network untrained, models", "severity", "seed.notna()", "gain",
     ("gain_low", "gain_high"), "{images:,} images" + CASES),
] + [
    (f"Rank correlation with severity, {name}", "severity", f"rater.str.startswith('{start}')", "rho",
     ("low", "high"), "{images:,} images" + CASES)
    for name, start in (("untrained networks", "untrained"), ("border alone", "border"),
                        ("a junior radiologist", "junior"))
] + [
    ("AUC on held-out cases, chosen model", "training_data", "chosen", "within",
     ("within_low", "within_high"), "{images:,} images"),
    ("AUC of the chosen model, external", "training_data", "chosen", "external",
     ("external_low", "external_high"), EXTERNAL),
    ("AUC of border alone, external", "training_data", "chosen", "external_border", None, EXTERNAL),
    ("AUC of framing alone, external", "training_data", "chosen", "external_frame", None, EXTERNAL),
]  # fmt: skip


def readable(text: str) -> str:
    """A name with the networks as papers write them, and inputs as notebook 07 names them."""
    text = WORDS.get(text, text).replace("border only", "border alone")
    for code, name in NETWORKS.items():
        text = text.replace(code, name)
    return text.replace("+", " + ")


def known(value: float) -> str:
    """A number with three decimals; a dash where it is not known."""
    return "-" if pd.isna(value) else f"{value:.3f}"


def images_of(row) -> str:
    """`100 + 3,000`: images with COVID-19 and without."""
    return f"{row.positives:,} + {row.negatives:,}"


def probes(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Probes of `within.csv` by `question`, or of `sites.csv` by `site`, a row each.

    A field is the mean AUC over networks, and from the lowest to the highest end of their
    intervals. What is shown beside whole pictures cannot show the lungs.
    """
    if "recipe" in table:
        table = table[table.recipe == "regression"]
    table = table[table.input.isin(["whole picture", "outer 5% of each side", "view, age, sex"])]
    rows = {}
    for name, part in table.groupby(by, sort=False):
        first = part.iloc[0]
        row = {"COVID-19 + other images": images_of(first)}
        if "groups" in part:
            row["cases"] = first.groups
        for (words, kind), of in part.groupby(["input", "weights_kind"], sort=False):
            kind = "" if kind == "none" else f", {kind}"
            row[words + kind] = format_ci(of.auc.mean(), of.case_low.min(), of.case_high.max())
        rows[name] = row
    return pd.DataFrame(rows).T.rename_axis(by)


def chosen_by_kind(table: pd.DataFrame) -> pd.DataFrame:
    """The candidate of each kind of training data and classifier with the highest criterion.

    The release has none, as the sites of its images are not known: there the AUC on held-out cases.
    """
    several = table.model.str.contains("+", regex=False)
    ranked = table.sort_values(["criterion", "within"], na_position="first", kind="stable")
    return ranked.groupby(["trained_on", "classifier", several], sort=False).tail(1).sort_index()


def training_data(table: pd.DataFrame) -> pd.DataFrame:
    """`chosen_by_kind` for a reader: by what it was chosen, and how it does on external images.

    An external AUC is shown only beside that of border and framing there.
    """
    rows = []
    for row in chosen_by_kind(table).to_dict("records"):
        rows.append({
            "trained on": row["trained_on"] + ", chosen" * bool(row["chosen"]),
            "images": f"{row['images']:,}",
            "network": readable(row["model"]),
            "classifier": row["classifier"],
            "preprocessing": preprocessing_words(row["preprocessing"]),
            "criterion": known(row["criterion"]),
            "AUC, held-out cases": format_ci_from_row(row, "within"),
            "border; framing": f"{known(row['border'])}; {known(row['frame'])}",
            "AUC, sites left out": known(row["site"]),
            "AUC, external": format_ci_from_row(row, "external"),
            "border; framing, external":
                f"{known(row['external_border'])}; {known(row['external_frame'])}",
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("trained on").T


def aim(candidates: pd.DataFrame, metrics: pd.DataFrame, external: pd.DataFrame) -> pd.DataFrame:
    """What a better model was to reach, beside the chosen candidate and the recipe `fair`.

    Of the candidate, of `training_data.csv`, the AUC and its 95% interval; of the recipe's
    `metrics.csv` and `external.csv` the mean over seeds and their range.
    """
    chosen = candidates[candidates.chosen].iloc[0].to_dict() if len(candidates) else {}
    aucs = external[external.quantity == "auc"] if len(external) else pd.DataFrame()
    rows = {}
    for name, column, target, own in (
        ("AUC within the collection, held-out cases", "within", AT_LEAST, metrics.auc if len(metrics) else ()),
        ("AUC, external", "external", AT_LEAST, aucs.value[aucs.seed.notna()] if len(aucs) else ()),
        *((f"AUC of {words}, external", f"external_{key}", BLIND_BELOW,
           aucs.value[aucs.model == words] if len(aucs) else ())
          for words, key in (("border alone", "border"), ("framing alone", "frame"))),
    ):  # fmt: skip
        own, low = pd.Series(own, dtype=float).dropna(), target == BLIND_BELOW
        row = {"target": f"{'below' if low else 'at least'} {target:.2f}"}
        if column in chosen:
            text = known(chosen[column]) if low else format_ci_from_row(chosen, column)
            row["chosen candidate (95% interval)"] = judged(text, chosen[column], target, low)
        if len(own):
            row["recipe fair (range of seeds)"] = judged(
                mean_and_range(own), own.mean(), target, low
            )
        rows[name] = row
    return pd.DataFrame(rows).T.rename_axis("aim")


def judged(text: str, value: float, target: float, below: bool) -> str:
    """A value as text, and whether it reaches its target."""
    reached = value < target if below else value >= target
    return f"{text}: {'reached' if reached else 'not reached'}"


def findings(found: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The answer in numbers, from the tables by name: mean, range, intervals, n and file of each."""
    rows, sites = [], found.get("sites", ())
    if len(sites):  # of the largest that is left out
        largest = sites.site[(sites.positives + sites.negatives).idxmax()]
        found = found | {"sites": sites[sites.site == largest]}
    for finding, name, query, value, ends, n in FINDINGS:
        part = found[name].query(query) if len(found.get(name, ())) else ()
        if len(part):
            first = part.iloc[0]
            interval = f"{part[ends[0]].min():.3f} to {part[ends[1]].max():.3f}" if ends else "-"
            rows.append((finding.format_map(first), mean_and_range(part[value]), interval,
                         n.format_map(first), f"paper/fair_test/{name}.csv"))  # fmt: skip
    columns = ["finding", "mean (range)", "95% intervals", "n", "file"]
    return pd.DataFrame(rows, columns=columns).set_index("finding")
