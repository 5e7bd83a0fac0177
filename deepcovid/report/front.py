"""The four findings in one small plot each, from the committed results: what the front page shows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from deepcovid.failure.effects import single_changes
from deepcovid.fair_test.names import SAME
from deepcovid.metrics.published import compare
from deepcovid.metrics.tables import summaries
from deepcovid.plots import COVID, GREY, NON_COVID, REFERENCE, intervals, new
from deepcovid.runs import read_json

SIZE = (4.1, 2.5)  # inches: two beside each other on a page, one on a phone
AUC = ("auc", "auc_low", "auc_high")
# what is left of a picture in `shortcuts.csv`, in a reader's words
LEFT = {
    "whole picture": "the whole picture",
    "without wherever lungs may be": "without the lungs",
    "outer 5% of each side": "its outer 5%",
    "8 x 8 pixels": "8 x 8 pixels",
    "file properties": "size and mode of the file",
}


def drawn(results: Path) -> Iterator[tuple[str, Figure]]:
    """Names and plots of the findings that the files in `results` allow."""
    if (results / "ablation.csv").is_file():
        yield "finding_1", cause(pd.read_csv(results / "ablation.csv"))
    paper = results / "paper"
    if (paper / "metrics.csv").is_file():
        yield "finding_2", numbers(compare(summaries(paper)))
    if (paper / "shortcuts.csv").is_file():
        yield "finding_3", meaning(pd.read_csv(paper / "shortcuts.csv"))
    if (paper / "external.json").is_file():
        swap = paper / "fair_test" / "swap.csv"
        same = pd.read_csv(swap) if swap.is_file() else None
        yield "finding_4", elsewhere(read_json(paper / "external.json"), same)


def cause(ablation: pd.DataFrame) -> Figure:
    """COVID-19 images found by the failed recipe and after each single change of it."""
    asked = ({"backbone": "resnet18"}, {"backbone": "squeezenet", "batch_norm": "eval"})
    network, found = next(
        (fixed["backbone"], table)
        for fixed in asked
        if len(table := single_changes(ablation, **fixed))
    )
    figure, axis = new(size=SIZE)
    colours = [GREY, *[COVID] * (len(found) - 1)]
    sns.barplot(
        x=100 * found.sensitivity,
        y=found.index,
        hue=found.index,
        palette=colours,
        width=0.6,
        ax=axis,
    )
    for place, share in enumerate(found.sensitivity):
        axis.text(100 * share + 1.5, place, f"{share:.0%}", va="center", fontsize=9)
    axis.set(xlabel=f"COVID-19 found, % ({network})", ylabel="", xlim=(0, 108))
    figure.suptitle("1. The failed recipe, and one change of it", fontsize="medium")
    return figure


def numbers(comparison: pd.DataFrame) -> Figure:
    """ROC AUC of each network: the paper's, and ours with its interval."""
    part = comparison[comparison.claim == "auc"].reset_index(drop=True)
    figure, axis = new(size=SIZE)
    axis.plot(part.published, part.index - 0.15, "D", color=GREY, label="the paper")
    intervals(axis, part, "ours", "low", "high", part.index + 0.15, label="ours, 95% interval")
    run = part.ours.notna()
    axis.set_yticks(part.index, part.model + np.where(run, "", "\nnot run"))
    least = np.nanmin([part.published.min(), part.low.min()])
    axis.set(
        xlabel="ROC AUC on the test images",
        ylim=(len(part) - 0.5, -0.5),
        xlim=(least - 0.005, 1.002),
    )
    figure.legend(loc="outside lower center", ncols=2)
    figure.suptitle("2. The paper's numbers, and ours", fontsize="medium")
    return figure


def meaning(shortcuts: pd.DataFrame) -> Figure:
    """How well the classes are told apart by what shows no disease, or hardly."""
    told = shortcuts[(shortcuts.told == "COVID-19") & (shortcuts.kind != "untrained")]
    rows = told.drop_duplicates("seen").set_index("seen").loc[list(LEFT)].reset_index()
    figure, axis = new(size=SIZE)
    intervals(axis, rows[:1], *AUC, y=[0], color=NON_COVID, values="{:.4f}")
    intervals(axis, rows[1:], *AUC, y=range(1, len(rows)), values="{:.4f}")
    whole_axis(axis, [LEFT[seen] for seen in rows.seen])
    figure.suptitle("3. What tells the classes apart", fontsize="medium")
    return figure


def elsewhere(external: dict, swap: pd.DataFrame | None) -> Figure:
    """The same models on the dataset, in another hospital, and within the same collection."""
    groups = {"the dataset": [{"auc": row["internal_auc"]} for row in external["models"]]}
    groups["another hospital"] = external["models"]
    if swap is not None:
        same = swap[swap.non_covid == SAME]
        same = same.assign(auc_low=same.case_low, auc_high=same.case_high)
        groups["the same collection"] = same.to_dict("records")
    figure, axis = new(size=SIZE)
    for place, rows in enumerate(groups.values()):
        table = pd.DataFrame(rows).reindex(columns=list(AUC))
        table = table.fillna({name: table.auc for name in AUC})
        shifts = place + np.linspace(-0.25, 0.25, len(table))
        intervals(axis, table, *AUC, y=shifts, color=COVID if place else NON_COVID, ms=3)
    whole_axis(axis, list(groups))
    figure.suptitle("4. The same models, asked elsewhere", fontsize="medium")
    return figure


def whole_axis(axis, names: list[str]) -> None:
    """An axis of AUCs from below guessing to 1, a row for each name."""
    axis.set_yticks(range(len(names)), names)
    axis.set_xticks(np.arange(5, 11) / 10)
    axis.set(xlabel="ROC AUC, 95% interval", xlim=(0.42, 1.14), ylim=(len(names) - 0.5, -0.5))
    axis.axvline(0.5, **REFERENCE)
