"""From what was measured to findings, each with a sentence and the rows of its table."""

import re

import numpy as np
import pandas as pd

from imageaudit import matching, patients, probes
from imageaudit.crossfit import PatientRows
from imageaudit.dataset import Dataset
from imageaudit.findings import Finding
from imageaudit.permutation import TestResult

WHY = {"bytes": "the same file", "picture": "the same radiograph", "name": "the same name of a file",
       "patient": "the same patient"}  # fmt: skip
SHORT = re.compile(r"\d{1,4}")  # numbers that any dataset gives its patients


def of_external(table: pd.DataFrame, signatures: list, column: str, other: pd.DataFrame,
            other_signatures: list, against: Dataset) -> Finding:  # fmt: skip
    """Which images of a dataset are in another, by file, radiograph, file's name or patient.

    Both tables have `image`, `sha1`, `recorded`; `column` is the one that patients are named in.
    """
    own, theirs = numbers(table, column), numbers(other, against.named_in)
    short = {number for number in {*own} & {*theirs} if SHORT.fullmatch(number)}
    found = matching.match(
        table.assign(patient=own.mask(own.isin(short), "")),
        other.assign(patient=theirs.mask(theirs.isin(short), "")),
        signatures,
        other_signatures,
    )
    there = found[found.reason != ""]
    rows = [
        {"a": table.image[i], "b": row.twin, "why": WHY[row.reason], "class": table.label[i],
         "split": table.split[i]} for i, row in there.iterrows()
    ]  # fmt: skip
    people = sorted({*own} & {*theirs} - short - {""})
    more = {"dataset": against.name, "patients of both": people, "short numbers": len(short)}
    facts = {"images": len(table), "others": len(other), "reasons": list(WHY.values())}
    return Finding("external", bool(rows), rows, more, facts)


def numbers(table: pd.DataFrame, column: str) -> pd.Series:
    """Patients as two datasets can be compared by: without the column's name, `` where unknown."""
    said = table.recorded.mask(table.recorded.str.startswith("image "), "")
    said = said.map(lambda text: text.removeprefix(f"{column} ").removeprefix("ChestX-ray14 "))
    return said.str.replace("^0+(?=.)", "", regex=True).str.lower()


def of_duplicates(table: pd.DataFrame, found: pd.DataFrame, tried: dict) -> list[Finding]:
    """Doubles across splits, across classes, and the others; `tried` says how the search did."""
    more = {"degraded": tried}
    a, b = (table.loc[found[c].to_numpy(int)].reset_index(drop=True) for c in ("a", "b"))
    leak, conflict = (a.split != b.split).to_numpy(), (a.label != b.label).to_numpy()
    result = []
    for kind, these in {"leak": leak, "conflict": conflict, "doubles": ~(leak | conflict)}.items():
        rows = [
            {"a": a.image[i], "b": b.image[i], "agreement": round(float(found.agreement[i]), 3),
             "same file": bool(found.exact[i]), "classes": both(a.label[i], b.label[i]),
             "splits": both(a.split[i], b.split[i])} for i in np.flatnonzero(these)
        ]  # fmt: skip
        if rows:
            result.append(Finding(kind, True, rows, more))
    return result or [Finding("doubles", False, more=more)]


def both(one: str, other: str) -> str:
    return one if one == other else f"{one}, {other}"


def of_patients(table: pd.DataFrame) -> list[Finding]:
    alone = int((table.recorded == "image " + table.image).sum())
    several = patients.in_several(table.assign(patient=table.recorded), "split").to_dict("records")
    mixed = patients.in_several(table, "label").to_dict("records")
    more = {"worth": patients.effective_sizes(table), "patients in several classes": mixed}
    facts = {"alone": alone, "images": len(table)}
    return [Finding("patients", bool(several), several, more, facts)]


def of_probes(fitted: list, rows: PatientRows, left_out: dict) -> list[Finding]:
    """A finding for each kind of probe; `fitted` has Probe, CrossFit and TestResult of each."""
    tables = {kind: [] for kind in (*probes.BLIND, "little")}
    for probe, fit, test in sorted(fitted, key=lambda one: -one[2].auc):
        each = {rows.classes[c]: round(float(auc), 4)
                for c, auc in zip(rows.targets, fit.auc[0], strict=True)}  # fmt: skip
        smallest = {"smallest_auc": round(test.smallest_auc, 4), "alarm": test.alarm}
        row = answer(probe, rows, test) | smallest | {"auc of each class": each}
        tables[probe.kind].append(row)
    return [Finding(kind, any(row["alarm"] for row in table), table, {"not asked": left_out.get(kind, {})})
            for kind, table in tables.items() if table]  # fmt: skip


def answer(probe: probes.Probe, rows: PatientRows, test: TestResult) -> dict:
    """The class that a probe tells best, its ROC AUC with interval, and p."""
    return {
        "seen": probe.seen, "class": str(rows.classes[rows.targets[test.class_index]]),
        "auc": round(test.auc, 4), "low": finite(test.low), "high": finite(test.high),
        "p": round(test.p, 4),
    }  # fmt: skip


def finite(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


def of_files(table: pd.DataFrame, missing: tuple[str, ...], refused: list[str]) -> list[Finding]:
    """Tags that name people, and files that are missing, broken or without content."""
    result = []
    naming = table.naming.dropna() if "naming" in table else pd.Series(dtype=object)
    count = naming.explode().dropna().value_counts()
    if len(count):
        rows = [{"tag": tag, "images": int(n)} for tag, n in count.items()]
        facts = {"files": int((naming.map(len) > 0).sum())}
        result.append(Finding("names", True, rows, facts=facts))
    empty = [f"{image}: it is one even grey" for image in table.image[table["empty"].astype(bool)]]
    away = [f"{name}: named in the table, and not there" for name in missing]
    if rows := [{"image": problem} for problem in (*away, *refused, *empty)]:
        facts = {"missing": len(away), "refused": len(refused), "empty": len(empty)}
        result.append(Finding("unread", True, rows, facts=facts))
    return result
