"""The page of an audit: one HTML file that reads offline and shows images of the dataset."""

import pandas as pd

from imageaudit import pictures, probes
from imageaudit.examine import Examined
from imageaudit.findings import KINDS, template

SHOWN, PAIRS, SUREST, VALUES, LINES = 3, 6, 4, 8, 12  # at most, on the page; the JSON has all


def page(found: Examined) -> str:
    """The page as one HTML file without links: pictures lie in it."""
    by_kind = {f["kind"]: f for f in found.report["findings"]}
    return template("page.html", autoescape=True).render(
        strip=strip, report=found.report, kinds=KINDS, findings=by_kind, shown=SHOWN, lines=LINES,
        values={kind: values(found, kind) for kind in probes.BLIND},
        pairs={kind: pictures.pairs(found, by_kind[kind]["rows"][:PAIRS], kind == "external")
               for kind in ("external", "leak", "conflict", "doubles") if kind in by_kind},
        means=pictures.means(found), ablated=pictures.ablated(found),
        surest=pictures.surest(found, SUREST),
    )  # fmt: skip


def strip(row: dict) -> dict:
    """Where an AUC, its interval and the least that is an alarm lie on a strip from 0 to 1 of 100."""
    return {k: 100 * min(max(row[k] if row[k] is not None else row["auc"], 0), 1)
            for k in ("auc", "low", "high", "smallest_auc")}  # fmt: skip


def values(found: Examined, kind: str) -> list[dict]:
    """How the values of the columns that tell most are spread over the classes."""
    probed = [(q, a) for q, _, a in found.fitted if q.kind == kind and q.words is not None]
    probed.sort(key=lambda pair: -pair[1].auc)
    result = []
    for probe, test in [pair for pair in probed if pair[1].alarm][:SHOWN]:
        count = pd.crosstab(probe.words, found.table.label)
        count = count[found.table.label.value_counts().index]
        share = count / count.sum()
        order = count.sum(axis=1).sort_values(ascending=False).index
        lines = [
            {"value": v, "share": share.loc[v].to_dict(), "images": count.loc[v].to_dict()}
            for v in order[:VALUES]
        ]
        result.append({"seen": probe.seen, "classes": list(count), "lines": lines,
                       "more": max(len(order) - VALUES, 0), "auc": test.auc})  # fmt: skip
    return result
