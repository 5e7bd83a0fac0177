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


def within_answer(table: pd.DataFrame) -> str:
    """How well the fair question is answered, and what answers it without seeing a lung."""
    whole = table[table.question == EVERYTHING]
    seen = whole[(whole.seen == "whole picture") & (whole.recipe == "regression")]
    best = seen.loc[seen.auc.idxmax()]
    blind = whole[whole.seen.isin(BLIND)]
    worst = blind.loc[blind.auc.idxmax()]
    verdict = "is not free of shortcuts either" if worst.case_low > 0.5 else "shows no shortcut"
    return (
        f"Trained within the collection, {best.model} ({best.weights_kind}) reaches "
        f"{format_ci(best.auc, best.case_low, best.case_high)} on cases that it did not see. What cannot "
        f"show the lungs reaches up to {format_ci(worst.auc, worst.case_low, worst.case_high)} "
        f"(*{worst.seen}*): the fair question {verdict}."
    )


def severity_answer(table: pd.DataFrame) -> str:
    """Whether scores rise with the disease, beside what a second radiologist reaches."""
    second, models = table.iloc[0], table[table.seed.notna()]
    floor = table.iloc[1:][table.iloc[1:].seed.isna()]
    rising = int((models.low > 0).sum())
    best = models.loc[models.rho.idxmax()]
    return (
        f"Of {len(models)} models and seeds the score of {rising} rises with the senior radiologist's "
        f"severity; the highest correlation is {format_ci(best.rho, best.low, best.high, 2)} "
        f"({best.reader}, seed {best.seed:.0f}). A second radiologist reaches "
        f"{format_ci(second.rho, second.low, second.high, 2)}; border alone and untrained networks "
        f"{floor.rho.min():.2f} to {floor.rho.max():.2f}."
    )


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
            if len(part) and part.auc.max() >= LOW_AUC:
                points.append(
                    f"Classes alike in what shows no disease: *{name}* alone reaches {part.auc.max():.2f}."
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
        points.append(
            "Several sites with both classes each, one of them never trained on: on a site left out "
            f"{best} networks reach {part.auc.min():.2f} to {part.auc.max():.2f}."
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
