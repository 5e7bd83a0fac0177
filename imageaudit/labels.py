"""From a column of a table to classes: one of many, several in a cell, or one finding."""

import itertools
import re

import pandas as pd

from imageaudit.errors import UserError, did_you_mean
from imageaudit.tables import INTEGER, NAMES, column_of, is_blank, number_text, plain

MANY = 20  # classes, beyond which is asked first: each takes its time
PARTS = re.compile(r"\s*[|;]\s*")
STEPS = re.compile(r"\s*[|;/,]\s*")  # also of a hierarchy: Pneumonia/Viral/COVID-19
LIST = re.compile(r"\[(.*)\]")  # PadChest's: ['normal', 'scoliosis']


def labels_of(table: pd.DataFrame, label: str | None, source: str):
    """The label of each row (`` for none), named as the column that it was taken from, and notes.

    `label` is a column, `COLUMN=FINDING`, or a finding among those of the label column. A finding is
    told from the rest.
    """
    asked, _, finding = (label or "").partition("=")
    if name := asked and column_of(table, "label", asked):
        return one_finding(table[name], finding) if finding else whole(table[name])
    usual = column_of(table, "label")
    if usual and not label:
        return whole(table[usual])
    if usual and table[usual].map(lambda cell: as_finding(label) in findings(cell)).any():
        return one_finding(table[usual], label)
    there = f"Its columns are: {', '.join(table)}."
    if label:
        said = f"{source} has no column and no finding {label!r}.{did_you_mean(label, table)}"
        raise UserError(f"{said} {there}")
    number = table.nunique()
    few = number[(number > 1) & (number <= MANY)]
    example = f", for instance --label {few[::-1].idxmin()!r}" if len(few) else ""
    raise UserError(
        f"{source} has no column 'label'. {there} Say which it is with --label COLUMN{example}."
    )


def whole(values: pd.Series) -> tuple[pd.Series, list[str]]:
    """A column as classes: `Normal` and `normal` are one, `1` and `1.0`; blank has no label.

    In a column of 1, 0, -1 and blanks, as CheXpert's, the uncertain -1 have no label, and what is
    blank, not mentioned there, is 0; also where only 1 and blanks are. Of 1 and -1 alone, -1 is a class.
    """
    values, name = values.mask(is_blank(values), "").map(number_text), values.name
    words, notes = set(values), []
    if "1" in words and words <= {"1", "0", "-1", ""} and len(words) > 1:
        if words != {"1", "-1"} and ("-1" in words or "0" not in words):
            unsure, blank = int((values == "-1").sum()), int((values == "").sum())
            said = f"{blank} blank rows count as 0, {unsure} uncertain ones (-1) as none."
            notes.append(f"{name}: {said}")
            values = values.replace({"": "0", "-1": ""})
        if plain(name) not in NAMES["label"]:
            values = values.replace({"1": name, "0": f"no {name}", "-1": f"no {name}"})
        return values, notes
    spelling = {}
    for word in values.value_counts().index:
        spelling.setdefault(word.casefold(), word)
    return values.map(lambda word: spelling[word.casefold()]), notes


def one_finding(values: pd.Series, finding: str) -> tuple[pd.Series, list[str]]:
    """Whether each cell names a finding, alone or among several; a blank cell has no label."""
    blank = is_blank(values) | (values == "[]")
    named = values.map(lambda cell: as_finding(finding) in findings(cell))
    if not named.any():
        among = sorted({word.strip("[]'\" ") for cell in values for word in STEPS.split(cell)})
        like = did_you_mean(finding, among)
        raise UserError(f"No row of {values.name!r} says {finding!r}.{like}")
    result = named.map({True: finding, False: f"no {finding}"}).mask(blank, "")
    return result, [f"{values.name}: {finding} against the rest."]


def as_finding(word: str) -> str:
    """A finding as it is compared; -1 is not 1."""
    number = number_text(word.strip())
    return number if INTEGER.fullmatch(number) else plain(word)


def findings(cell: str) -> set[str]:
    """What a cell says, as it is compared: each of several, and of a hierarchy each step and each run
    of steps, `Pneumonia/Viral` in `Pneumonia/Viral/COVID-19`."""
    found = {as_finding(cell)}
    for part in PARTS.split(cell):
        steps = [as_finding(step) for step in STEPS.split(part)]
        ends = range(len(steps) + 1)
        found |= {"".join(steps[i:j]) for i, j in itertools.combinations(ends, 2)}
    return found


def refuse_unclear(labels: pd.Series, name: str) -> None:
    """Raise UserError where cells hold several labels, or there are too many classes to go on."""
    count = labels[labels != ""].value_counts()
    several = [word for word in count.index if PARTS.search(word) or LIST.fullmatch(word)]
    if several:
        said = (
            f"Cells of {name!r} hold several labels, such as {several[0]!r}. Say which finding is told "
            "from the rest: --label FINDING."
        )
    elif len(count) > MANY:
        said = (
            f"{name!r} has {len(count)} classes, which takes long and says little: name those that "
            "count (--classes A,B) or the finding that is told from the rest (--label FINDING)."
        )
    else:
        return
    bars = labels.str.replace(LIST, lambda found: found[1].replace(",", "|"), regex=True)
    parts = bars.str.split(PARTS).explode().str.strip("'\" ").replace("", None).value_counts()
    raise UserError(f"{said} The most frequent are: {', '.join(parts.index[:8])}.")
