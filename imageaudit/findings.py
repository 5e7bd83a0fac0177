"""From what was found to what is said: findings, what to do about each, and the verdict.

The kinds of finding, in their order, stand in `findings.csv`: title, alarm or not, what to do; the
sentences that tell their numbers in `words.jinja`.
"""

from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from imageaudit.io import listed

HERE = Path(__file__).parent
TEXTS = {row["kind"]: row for row in listed("findings.csv")}
KINDS = {kind: text["title"] for kind, text in TEXTS.items()}
FAIL_ON = tuple(kind for kind, text in TEXTS.items() if text["alarm"] == "yes")


@dataclass
class Finding:
    """What was found of one kind. `rows` are its table's rows; `raised` says whether it counts."""

    kind: str
    raised: bool
    rows: list[dict] = field(default_factory=list)
    more: dict = field(default_factory=dict)  # for the JSON
    facts: dict = field(default_factory=dict)  # further numbers for its sentence

    @cached_property
    def words(self) -> str:
        """A sentence, with its numbers."""
        return sentence(self.kind, self.rows, self.more, self.facts)


@cache
def template(name: str, autoescape: bool = False):
    """A template of this folder; loaded once there is something to say."""
    import jinja2

    room = jinja2.Environment(autoescape=autoescape)
    room.filters |= {"auc_with_ci": auc_with_ci, "counted": counted, "percent": "{:.0%}".format}
    room.globals["kinds"] = KINDS
    return room.from_string((HERE / name).read_text(encoding="utf-8"))


def sentence(kind: str, *given) -> str:
    return " ".join(getattr(template("words.jinja").module, kind)(*given).split())


def verdict(findings: list[Finding], fail_on: tuple[str, ...], chance: dict) -> tuple[bool, str]:
    """Is it an alarm, and what is to be said in a few sentences."""
    raised = [f for f in findings if f.raised and f.kind in fail_on]
    alarms = [row for f in raised for row in f.rows if row.get("alarm")]
    best = max(alarms, key=lambda row: row["auc"], default=None)
    return bool(raised), sentence("verdict", raised, best, chance)


def auc_with_ci(row: dict) -> str:
    """`0.912 (0.871 to 0.953)`."""
    if row["low"] is None:
        return f"{row['auc']:.3f}"
    return f"{row['auc']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' if number != 1 else ''}"
