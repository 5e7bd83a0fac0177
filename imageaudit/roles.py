"""What the columns of a table are: the image, the patient, the split; and what a pattern reads in names."""

import re

import pandas as pd

from imageaudit import locate, patients
from imageaudit.errors import UserError, did_you_mean, escape_control_chars
from imageaudit.folders import SPLIT_OF
from imageaudit.tables import column_of, is_blank


def named_files(
    given: pd.DataFrame, asked: str | None, among: locate.Index, where: str, label: str = ""
):
    """The rows, one for each file that they name; the column of the files, their names, what it is.

    The column is that asked for, or as it is usually called, or as the files are called, or one that
    names folders.
    """
    column, others = column_of(given, "path", asked), given.columns.drop(label, errors="ignore")
    if asked and not column:
        known = did_you_mean(asked, given) or f" There are: {', '.join(given)}."
        raise UserError(f"{where} has no column {asked!r}.{known}")
    if not asked:
        some = {c: given[c].drop_duplicates().iloc[:200].str.replace("\\", "/") for c in others}
        count = {c: sum(locate.stands_for(n, among) > 0 for n in some[c] if n) for c in others}
        most = max(count.values(), default=0)
        if not column or count.get(column, 0) < most / 2:
            column = max(count, key=count.get) if most else None
    said = f"the column {column!r}"
    if not column:
        given, folder = locate.by_folder(given, among, others)
        column, said = locate.FILES, f"the folder that {folder!r} names"
    if column not in given:
        raise UserError(
            f"{where} has no column 'path', and no column that names files in "
            f"{escape_control_chars(among.folder)}. Its columns are: {', '.join(given)}. Say which it "
            "is with --path COLUMN, and where the images lie with --images FOLDER."
        )
    return given, column, locate.with_folders(given, column, among), said


def patients_of(names: pd.Series, pattern: str | None) -> list[str]:
    """The patient of each image by its path, `` where it does not say."""
    found = by_pattern(names, pattern) if pattern else [patients.by_name(name) for name in names]
    if pattern and not any(found):
        raise UserError(f"{pattern!r} is no column, and matches no path.")
    return found


def splits_by_pattern(names: pd.Series, pattern: str) -> list[str]:
    found = [SPLIT_OF.get(word.lower(), "") for word in by_pattern(names, pattern)]
    if not all(found):
        raise UserError(
            f"{pattern!r} is no column, and gives no train, validation or test for "
            f"{names.iloc[found.index('')]}."
        )
    return found


def by_pattern(names: pd.Series, pattern: str) -> list[str]:
    """What a pattern finds in each path, or the first group of it that took part; `` for nothing."""
    try:
        found = [re.search(pattern, name) for name in names]
    except re.error as error:
        raise UserError(f"{pattern!r} is no column and no regular expression: {error}.") from None
    return [next(filter(None, (*one.groups(), one[0])), "") if one else "" for one in found]


def splits_of(values: pd.Series, where: str) -> list[str]:
    values = values.mask(is_blank(values), "")
    wrong = [v for v in values if v and v.lower() not in SPLIT_OF]
    if wrong:
        raise UserError(
            f"{where}: a split is train, validation or test, not {wrong[0]!r}. A column "
            f"that says something else is left out by --ignore {values.name!r}."
        )
    return [SPLIT_OF.get(value.lower(), "train") for value in values]
