"""What a reader of notebook 08 sees: tables, and the sentences of the answer."""

from pathlib import Path

import pandas as pd

from deepcovid import runs
from deepcovid.fair_test.names import BLIND, EVERYTHING, RELEASE, SAME
from deepcovid.metrics.intervals import format_ci

FILES = ("swap", "within", "sites", "severity", "right_data")
LOW_AUC = 0.6  # from here on, what cannot show the disease tells the classes apart noticeably


def read(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of a run's or a published folder `fair_test`, by name; those that are there."""
    paths = {name: folder / f"{name}.csv" for name in FILES}
    return {name: pd.read_csv(path) for name, path in paths.items() if path.is_file()}


def scores(folder: Path) -> dict[tuple[str, int], pd.DataFrame]:
    """The scored collection of each model and seed, from `MODEL/seedK/collection.csv`."""
    paths = sorted(folder.glob("*/seed*/collection.csv"))
    return {
        (p.parts[-3], int(p.parts[-2].removeprefix("seed"))): pd.read_csv(p, keep_default_na=False)
        for p in paths
    }


def swap(table: pd.DataFrame) -> pd.DataFrame:
    """Each model beside itself: AUC and specificity against both kinds of Non-COVID images."""
    rows = {}
    for (model, seed), part in table.groupby(["model", "seed"], sort=False):
        row = {}
        for kind in (RELEASE, SAME):
            of = part[part.non_covid == kind].iloc[0]
            row["ROC AUC", f"Non-COVID {kind}"] = format_ci(of.auc, of.case_low, of.case_high)
            row["specificity", f"Non-COVID {kind}"] = format_ci(
                of.specificity, of.specificity_low, of.specificity_high, 2
            )
            row["Non-COVID images", f"Non-COVID {kind}"] = int(of.negatives)
        rows[f"{model}, seed {seed}"] = row
    return pd.DataFrame(rows).T


def known(value: float) -> str:
    """A number with three decimals; a dash where it is not known."""
    return "-" if pd.isna(value) else f"{value:.3f}"


def right_data(table: pd.DataFrame) -> pd.DataFrame:
    """The best candidate of each kind of training data by the criterion, and what it leads to.

    The release has none, since the sites of its images are not known: there the AUC on cases decides.
    """
    ranked = table.sort_values(["criterion", "within"], na_position="first")
    best = ranked.groupby("trained_on").tail(1).set_index("trained_on", drop=False)
    rows = {}
    for row in best.loc[table.trained_on.unique()].to_dict("records"):
        rows[row["trained_on"] + (" (chosen)" if row["chosen"] else "")] = {
            "images": f"{row['images']:,}", "network": row["model"], "preparation": row["preparation"],
            "criterion": known(row["criterion"]),
            "AUC, cases not trained on": format_ci(row["within"], row["within_low"], row["within_high"]),
            "border only": f"{row['border']:.3f}", "site left out": known(row["site"]),
            "AUC in another hospital": format_ci(row["external"], row["external_low"], row["external_high"])
            if "external" in row else "not asked",
        }  # fmt: skip
    return pd.DataFrame(rows).T


def swap_answer(table: pd.DataFrame) -> str:
    """What swapping the negatives does to the AUC, over models and seeds."""
    wide = table.pivot(index=["model", "seed"], columns="non_covid", values=["auc", "specificity"])
    auc, spared = wide["auc"], wide["specificity"]
    return (
        f"Against Non-COVID images of another source the AUC is {auc[RELEASE].min():.3f} to "
        f"{auc[RELEASE].max():.3f}; the same models, with the same COVID-19 images, reach "
        f"**{auc[SAME].min():.3f} to {auc[SAME].max():.3f}** against Non-COVID images of the same "
        f"collection, and at their frozen thresholds spare {spared[SAME].min():.0%} to "
        f"{spared[SAME].max():.0%} of these, not {spared[RELEASE].min():.1%} to "
        f"{spared[RELEASE].max():.1%}."
    )


def sites(table: pd.DataFrame) -> pd.DataFrame:
    """`sites.csv` for a reader: a row per site left out and what is seen of its images."""
    return pd.DataFrame({
        "site": table.site, "seen": table.seen, "model": table.model, "weights": table.weights_kind,
        "ROC AUC (95%, by case)": [*map(format_ci, table.auc, table.case_low, table.case_high)],
        "COVID-19 + others": [f"{p} + {n}" for p, n in zip(table.positives, table.negatives, strict=True)],
        "fitted on": table.fitted_on,
    }).set_index(["site", "seen"])  # fmt: skip


def within_answer(table: pd.DataFrame) -> str:
    """How well the fair question is answered, and what answers it without seeing a lung."""
    whole = table[(table.question == EVERYTHING) & (table.recipe == "regression")]
    seen = whole[whole.seen == "whole picture"]
    kind = "pretrained" if "pretrained" in set(seen.weights_kind) else "untrained"
    seen, blind = seen[seen.weights_kind == kind], whole[whole.seen.isin(BLIND)]
    above = int((blind.case_low > 0.5).sum())
    verdict = "is not free of shortcuts either" if above else "shows no shortcut"
    first = seen.iloc[0]
    return (
        f"Trained within the collection, {len(seen)} {kind} networks reach {mean_and_range(seen.auc)} "
        f"on cases that they did not see ({first.positives} + {first.negatives} images of "
        f"{first.groups} cases; intervals from {seen.case_low.min():.3f} to "
        f"{seen.case_high.max():.3f}). What cannot show the lungs reaches {mean_and_range(blind.auc)}, "
        f"with an interval above 0.5 in {above} of {len(blind)} measurements: the fair question "
        f"{verdict}."
    )


def mean_and_range(values: pd.Series) -> str:
    """Of several networks or seeds: no single one of them is the result."""
    if len(values) == 1:
        return f"{values.iloc[0]:.3f}"
    return f"a mean of {values.mean():.3f} ({values.min():.3f} to {values.max():.3f})"


def severity_answer(table: pd.DataFrame) -> str:
    """Whether scores rise with the disease, beside a second radiologist and what cannot know it."""
    second, models = table.iloc[0], table[table.seed.notna()]
    floor = table.iloc[1:][table.iloc[1:].seed.isna()]
    rising = int((models.low > 0).sum())
    said = (
        f"The score's rank correlation with the senior radiologist's severity is, over {len(models)} "
        f"models and seeds, {mean_and_range(models.rho)} on {second.images:.0f} images of "
        f"{second.groups:.0f} cases; the interval lies above 0 for {rising}. Border alone and untrained "
        f"networks reach {floor.rho.min():.3f} to {floor.rho.max():.3f}, a second grader "
        f"{format_ci(second.rho, second.low, second.high)}, which a detector need not."
    )
    if "gain" not in table:
        return said
    gained = int((models.gain_low > 0).sum())
    return said + f" Above the same network untrained, by an interval above 0, lie {gained}."


def right_data_answer(table: pd.DataFrame) -> str:
    """How far the model that was chosen gets, inside and in another hospital, against the aim."""
    kept = table[table.chosen].iloc[0]
    said = (
        f"Chosen inside the collection: {kept.model} trained on *{kept.trained_on}* "
        f"({kept.images:,} images; preparation {kept.preparation}). It reaches "
        f"{format_ci(kept.within, kept.within_low, kept.within_high)} on cases that it did not see"
    )
    if "external" not in kept or pd.isna(kept.external):
        return said + "; no other hospital was asked."
    reached = min(kept.within, kept.external) >= 0.8
    return said + (
        f", and {format_ci(kept.external, kept.external_low, kept.external_high)} in another hospital. "
        f"The aim, 0.80 in both, was {'reached' if reached else '**not reached**'}."
    )


def needs(found: dict[str, pd.DataFrame]) -> list[str]:
    """What a dataset must bring, each point with the number that asks for it."""
    points = []
    if "swap" in found:
        wide = found["swap"].pivot(index=["model", "seed"], columns="non_covid", values="auc")
        fall = (wide[RELEASE] - wide[SAME]).mean()
        points.append(
            "Negatives from the same source as the positives: with another source's, the AUC was "
            f"{fall:+.2f} higher on average, for the same models."
        )
    if "within" in found:
        whole = found["within"][found["within"].question == EVERYTHING]
        for name in BLIND:
            part = whole[whole.seen == name]
            if len(part) and part.auc.mean() >= LOW_AUC:
                points.append(
                    f"Classes alike in what shows no disease: *{name}* alone reaches "
                    f"{mean_and_range(part.auc)}."
                )
        cases = whole.groups.iloc[0]
        width = (whole.case_high - whole.case_low).median()
        points.append(
            f"More cases: {cases:,} give intervals of the AUC that are {width:.2f} wide, half of them wider."
        )
    if "sites" in found and len(found["sites"]):
        part = found["sites"][found["sites"].seen == "whole picture"]
        best = "pretrained" if "pretrained" in set(part.weights_kind) else "untrained"
        part = part[part.weights_kind == best]
        each = "; ".join(
            f"{site} {of.auc.min():.3f} to {of.auc.max():.3f} (intervals from {of.case_low.min():.3f} to "
            f"{of.case_high.max():.3f})"
            for site, of in part.groupby("site", sort=False)
        )
        points.append(
            "Several sites with both classes each, one of them never trained on: on a site left out "
            f"{best} networks reach {each}."
        )
    if "severity" in found:
        points.append(
            "Grades of severity by two readers, so that a score can be held against the disease: "
            f"theirs agree at {found['severity'].rho.iloc[0]:.2f}."
        )
    return points


def answer(found: dict[str, pd.DataFrame]) -> str:
    """The answer of the notebook in Markdown, from the tables of `read`."""
    saying = {"swap": swap_answer, "within": within_answer, "severity": severity_answer,
              "right_data": right_data_answer}  # fmt: skip
    parts = [say(found[name]) for name, say in saying.items() if name in found]
    listed = "\n".join(f"- {point}" for point in needs(found))
    return "\n\n".join([*parts, f"**What a dataset must bring**\n\n{listed}", runs.NOTICE])
