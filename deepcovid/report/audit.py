"""An audit of anybody's images: the page, the JSON, and the call that gives both.

`deepcovid.audit` is `audit` of this module.
"""

import html
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd

from deepcovid import runs
from deepcovid.auditing import questions, study
from deepcovid.auditing.verdict import FAIL_ON, KINDS, number
from deepcovid.report import audit_pictures
from deepcovid.runs import write_json, write_text

Words = Iterable[str] | str | None
PAGE, JSON, KEPT = "index.html", "audit.json", "seen"
TEMPLATE = Path(__file__).with_name("audit.html")
SHOWN, PAIRS, SUREST, VALUES, LINES = 3, 6, 4, 8, 12  # at most, on the page; the JSON has all


@dataclass
class Audit:
    """What an audit found. `told` is the content of its JSON file, `page` the HTML file."""

    told: dict
    page: Path

    @property
    def alarm(self) -> bool:
        """Does any of the findings that count raise the alarm?"""
        return self.told["alarm"]

    @property
    def status(self) -> int:
        """The exit status of the command: 3 for an alarm, else 0."""
        return 3 if self.alarm else 0

    @property
    def verdict(self) -> str:
        return self.told["verdict"]

    @property
    def findings(self) -> pd.DataFrame:
        """A row per kind of finding: is it `raised`, does it count, what was found."""
        rows = [(f["kind"], f["raised"], f["counts"], f["words"]) for f in self.told["findings"]]
        table = pd.DataFrame(rows, columns=["kind", "raised", "counts", "found"])
        return table.set_index("kind")

    @property
    def answers(self) -> pd.DataFrame:
        """A row per question: what is `seen`, which class it tells, ROC AUC with interval, p."""
        rows = [{"kind": f["kind"], **row} for f in self.told["findings"] for row in f["rows"]
                if "auc" in row]  # fmt: skip
        return pd.DataFrame(rows).drop(columns="auc of each class").set_index(["kind", "seen"])

    def __str__(self) -> str:
        return f"{self.verdict}\n{self.page}"

    def _repr_html_(self) -> str:
        return f"<p><b>{html.escape(self.verdict)}</b></p>{self.findings.to_html()}"


def audit(
    source: Path | str,
    out: Path | str | None = None,
    classes: Words = None,
    ignore: Words = None,
    fail_on: Words = None,
) -> Audit:
    """Does a dataset of images give its classes away? Nothing is trained, nothing downloaded.

    `source` is a folder with one subfolder per class, or `train|validation|test` above these, or a
    CSV table with the columns `path` and `label`, and perhaps `patient`, `split` and any others.
    `classes` are those that count (default: all), `ignore` names columns that do not, `fail_on` the
    kinds of finding that are an alarm (default: FAIL_ON); each several words, or one string with
    commas. `index.html`, which shows images, and `audit.json`, which
    does not, are written to the folder `out` (default: one in `runs/audit/`); an audit that is
    stopped there goes on. Raises UserError for what cannot be audited.
    """
    source = Path(source).expanduser()
    place = source.resolve()
    named = f"{place.stem}-{runs.digest(str(place))[:6]}"
    folder = Path(out).expanduser() if out else runs.RUNS / "audit" / named
    told = several(classes), several(ignore), FAIL_ON if fail_on is None else several(fail_on)
    found = study.examine(source, *told, folder / KEPT)
    write_json(folder / JSON, found.told)
    write_text(folder / PAGE, page(found))
    return Audit(found.told, folder / PAGE)


def several(given: Words) -> tuple[str, ...]:
    given = given.split(",") if isinstance(given, str) else given or ()
    return tuple(word.strip() for word in given if word.strip())


def page(found: study.Examined) -> str:
    """The page as one HTML file without links: pictures lie in it."""
    room = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    room.filters |= {"number": number, "strip": strip, "percent": "{:.0%}".format}
    template = room.from_string(TEMPLATE.read_text(encoding="utf-8"))
    by_kind = {f["kind"]: f for f in found.told["findings"]}
    return template.render(
        told=found.told, kinds=KINDS, findings=by_kind, shown=SHOWN, lines=LINES,
        values={kind: values(found, kind) for kind in questions.BLIND},
        pairs={kind: audit_pictures.pairs(found, by_kind[kind]["rows"][:PAIRS])
               for kind in ("leak", "conflict", "doubles") if kind in by_kind},
        means=audit_pictures.means(found), looks=audit_pictures.looks(found),
        surest=audit_pictures.surest(found, SUREST),
    )  # fmt: skip


def strip(row: dict) -> dict:
    """Where an AUC, its interval and the least that is an alarm lie on a strip from 0 to 1 of 100."""
    return {k: 100 * min(max(row[k] if row[k] is not None else row["auc"], 0), 1)
            for k in ("auc", "low", "high", "smallest_auc")}  # fmt: skip


def values(found: study.Examined, kind: str) -> list[dict]:
    """How the values of the columns that tell most are spread over the classes."""
    asked = [(q, a) for q, _, a in found.asked if q.kind == kind and q.words is not None]
    asked.sort(key=lambda pair: -pair[1].auc)
    result = []
    for question, answer in [pair for pair in asked if pair[1].raised][:SHOWN]:
        count = pd.crosstab(question.words, found.table.label)
        count = count[found.table.label.value_counts().index]
        share = count / count.sum()
        order = count.sum(axis=1).sort_values(ascending=False).index
        lines = [
            {
                "value": value,
                "share": share.loc[value].to_dict(),
                "images": count.loc[value].to_dict(),
            }
            for value in order[:VALUES]
        ]
        result.append({"seen": question.seen, "classes": list(count), "lines": lines,
                       "more": max(len(order) - VALUES, 0), "auc": answer.auc})  # fmt: skip
    return result
