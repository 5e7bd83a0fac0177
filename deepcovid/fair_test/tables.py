"""Tables of notebook 08. Several networks or seeds are their mean and range, never their best."""

import pandas as pd

from deepcovid.fair_test.names import (
    BLIND,
    EVERYTHING,
    KINDS,
    PREPROCESSING,
    RELEASE,
    SAME,
    readable,
)
from deepcovid.metrics.intervals import format_ci

FOLDER = "paper/fair_test/"


def known(value: float) -> str:
    """A number with three decimals; a dash where it is not known."""
    return "-" if pd.isna(value) else f"{value:.3f}"


def mean_and_range(values: pd.Series) -> str:
    """`0.736 (0.730 to 0.748)`: mean, least and greatest; one value is given alone."""
    if len(values) < 2:
        return known(values.iloc[0])
    return format_ci(values.mean(), values.min(), values.max())


def ends(low: pd.Series, high: pd.Series) -> str:
    """From the lowest end of several intervals to the highest."""
    return f"{low.min():.3f} to {high.max():.3f}"


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
    table = table[table.seen.isin(["whole picture", "outer 5% of each side", "view, age, sex"])]
    rows = {}
    for name, part in table.groupby(by, sort=False):
        first = part.iloc[0]
        row = {"COVID-19 + other images": images_of(first)}
        if "groups" in part:
            row["cases"] = first.groups
        for (seen, kind), of in part.groupby(["seen", "weights_kind"], sort=False):
            kind = "" if kind == "none" else f", {kind}"
            row[seen + kind] = format_ci(of.auc.mean(), of.case_low.min(), of.case_high.max())
        rows[name] = row
    return pd.DataFrame(rows).T.rename_axis(by)


def chosen_by_kind(table: pd.DataFrame) -> pd.DataFrame:
    """The candidate of each kind of training data and classifier with the highest criterion.

    The release has none, as the sites of its images are not known: there the AUC on held-out cases.
    """
    kinds = [name for name in ("trained_on", "classifier") if name in table]
    if "classifier" in kinds:
        kinds.append("networks")
        table = table.assign(networks=table.model.str.contains("+", regex=False))
    ranked = table.sort_values(["criterion", "within"], na_position="first", kind="stable")
    return ranked.groupby(kinds, sort=False).tail(1).sort_index()


def training_data(table: pd.DataFrame) -> pd.DataFrame:
    """`chosen_by_kind` for a reader: by what it was chosen, and what external images make of it.

    An external AUC is shown only beside that of border and framing there.
    """
    rows = []
    for row in chosen_by_kind(table).to_dict("records"):
        steps = [PREPROCESSING[step] for step in row["preprocessing"].split(",")]
        shown = {
            "trained on": row["trained_on"] + ", chosen" * bool(row["chosen"]),
            "images": f"{row['images']:,}",
            "network": readable(row["model"]),
            "classifier": row.get("classifier", "logistic"),
            "preprocessing": ", ".join(steps),
            "criterion": known(row["criterion"]),
            "AUC, held-out cases": format_ci(row["within"], row["within_low"], row["within_high"]),
            "border; framing": f"{known(row['border'])}; {known(row['frame'])}",
            "AUC, sites left out": known(row["site"]),
        }
        if "external_border" in row:
            found = row["external"], row["external_low"], row["external_high"]
            both = known(row["external_border"]), known(row["external_frame"])
            shown |= {
                "AUC, external": format_ci(*found),
                "border; framing, external": "; ".join(both),
            }
        rows.append(shown)
    return pd.DataFrame(rows).set_index("trained on").T


def findings(found: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The answer in numbers, from the tables by name: mean, range, intervals, n and file of each."""
    rows = []
    for name, table in found.items():
        if len(table) and name in SAYING:
            rows += SAYING[name](table)
    columns = ["finding", "mean (range)", "95% intervals", "n", "file"]
    return pd.DataFrame(rows, columns=columns).set_index("finding")


def line(finding: str, part: pd.DataFrame, value: str, low: str, high: str, n: str, file: str):
    return finding, mean_and_range(part[value]), ends(part[low], part[high]), n, FOLDER + file


def of_swap(table: pd.DataFrame):
    for kind in (RELEASE, SAME):
        part = table[table.non_covid == kind]
        n = f"{images_of(part.iloc[0])} images"
        yield line(f"AUC, {KINDS[kind]}", part, "auc", "case_low", "case_high", n, "swap.csv")
    n = f"{part.iloc[0].negatives:,} images"
    columns = "specificity", "specificity_low", "specificity_high", n, "swap.csv"
    yield line("Specificity at the frozen threshold, same collection", part, *columns)


def of_within(table: pd.DataFrame):
    whole = table[table.question == EVERYTHING]
    first = whole.iloc[0]
    n = f"{images_of(first)} images, {first.groups:,} cases"
    columns = "auc", "case_low", "case_high", n, "within.csv"
    pictures = whole[whole.seen == "whole picture"]
    fitted = pictures.recipe == "regression"
    for kind, part in pictures[fitted].groupby("weights_kind"):
        yield line(f"AUC, trained within the collection, {kind} networks", part, *columns)
    if not fitted.all():
        yield line(
            "AUC, trained within the collection, this run's recipe", pictures[~fitted], *columns
        )
    yield line("AUC, what cannot show the lungs", whole[whole.seen.isin(BLIND)], *columns)


def of_sites(table: pd.DataFrame):
    largest = table.assign(n=table.positives + table.negatives).sort_values("n").site.iloc[-1]
    here = table[(table.site == largest) & (table.seen == "whole picture")]
    n = f"{images_of(here.iloc[0])} images"
    for kind, part in here.groupby("weights_kind"):
        columns = "auc", "case_low", "case_high", n, "sites.csv"
        yield line(f"AUC, {largest} left out, {kind} networks", part, *columns)


def of_severity(table: pd.DataFrame):
    n = f"{table.images.iloc[0]:,} images, {table.groups.iloc[0]:,} cases"
    columns, models = ("rho", "low", "high", n, "severity.csv"), table[table.seed.notna()]
    yield line("Rank correlation with severity, models", models, *columns)
    if "gain" in table:
        gain = "gain", "gain_low", "gain_high", n, "severity.csv"
        yield line("Gain over the same network untrained, models", models, *gain)
    for name, start in (("untrained networks", "untrained"), ("border only", "border"),
                        ("a second grader", "junior")):  # fmt: skip
        part = table[table.reader.str.startswith(start)]
        if len(part):
            yield line(f"Rank correlation with severity, {name}", part, *columns)


def of_right_data(table: pd.DataFrame):
    row = table[table.chosen].reset_index(drop=True)
    n, file = f"{row.images[0]:,} images", "right_data.csv"
    columns = "within", "within_low", "within_high", n, file
    yield line("AUC on held-out cases, chosen model", row, *columns)
    if "external_border" in row:
        n = f"{row.external_positives[0]:,} + {row.external_negatives[0]:,} images"
        columns = "external", "external_low", "external_high", n, file
        yield line("AUC of the chosen model, external", row, *columns)
        for blind in ("border", "frame"):
            value = known(row[f"external_{blind}"][0])
            yield f"AUC of {blind} only, external", value, "-", n, FOLDER + file


SAYING = {"swap": of_swap, "within": of_within, "sites": of_sites, "severity": of_severity,
          "right_data": of_right_data}  # fmt: skip
