"""From what was found to what is said: findings, what to do about each, and the verdict.

The kinds of finding, in their order, stand in `findings.csv`: title, alarm or not, what to do.
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path

with Path(__file__).with_name("findings.csv").open(encoding="utf-8", newline="") as file:
    TEXTS = {row["kind"]: row for row in csv.DictReader(file)}
KINDS = {kind: text["title"] for kind, text in TEXTS.items()}
FAIL_ON = tuple(kind for kind, text in TEXTS.items() if text["alarm"] == "yes")


@dataclass
class Finding:
    """What was found of one kind. `rows` are its tables' rows; `raised` says whether it counts."""

    kind: str
    raised: bool
    words: str  # a sentence, with its numbers
    rows: list[dict] = field(default_factory=list)
    more: dict = field(default_factory=dict)

    @property
    def title(self) -> str:
        return KINDS[self.kind]

    @property
    def advice(self) -> str:
        return TEXTS[self.kind]["advice"]


def verdict(findings: list[Finding], fail_on: tuple[str, ...], chance: dict) -> tuple[bool, str]:
    """Is it an alarm, and what is to be said in a few sentences."""
    raised = [f for f in findings if f.raised and f.kind in fail_on]
    alarms = [row for f in raised for row in f.rows if row.get("alarm")]
    if alarms:
        best = max(alarms, key=lambda row: row["auc"])
        said = (
            f"This dataset gives its classes away: {best['seen']} alone tells {best['class']} from "
            f"the rest with ROC AUC {auc_with_ci(best)}, and no disease can be seen in it. A network can "
            "learn this in place of the disease."
        )
        others = [f.title.lower() for f in raised if best not in f.rows]
        return True, said + (f" Besides: {'; '.join(others)}." if others else "")
    if raised:
        words = " ".join(f.words for f in raised)
        return True, f"This dataset does not test what it seems to: {words}"
    least = chance["smallest_auc"]
    said = (
        "No alarm: nothing that was looked at tells the classes where the disease cannot be seen."
    )
    if least is None or least > 1:
        few = (
            "the dataset is so small that no shortcut, however plain, would stand out from chance."
        )
        return False, f"{said} But {few}"
    return False, said + (
        f" What was looked at would have raised it from a ROC AUC of {least:.2f} on: a mark that "
        f"{2 * (least - 0.5):.0%} of one class bear, and no other image. What was not looked at is "
        "not judged."
    )


def auc_with_ci(row: dict) -> str:
    """`0.912 (0.871 to 0.953)`."""
    if row["low"] is None:
        return f"{row['auc']:.3f}"
    return f"{row['auc']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
