"""Is an external set external? Images and patients that are in another dataset as well."""

import re

import pandas as pd

from imageaudit import matching
from imageaudit.dataset import Dataset
from imageaudit.findings import Finding

WHY = {"bytes": "the same file", "picture": "the same radiograph", "name": "the same name of a file",
       "patient": "the same patient"}  # fmt: skip
SHORT = re.compile(r"\d{1,4}")  # numbers that any dataset gives its patients


def compare(table: pd.DataFrame, signatures: list, column: str, other: pd.DataFrame,
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
