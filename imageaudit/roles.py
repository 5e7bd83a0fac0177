"""What the columns of a table are: the image, the patient, the split; and what a pattern reads in names."""

import re

import pandas as pd

from imageaudit import locate, patients
from imageaudit.errors import UserError, did_you_mean, escape_control_chars
from imageaudit.folders import SPLIT_OF
from imageaudit.tables import by_plain, plain

# how the columns of a table may be called; case, blanks and punctuation do not count
NAMES = {
    "path": ("path", "image", "imagepath", "file", "filename", "filepath", "name", "imageindex",
             "imagename", "imageid", "dicomid"),
    "patient": ("patient", "patientid", "subject", "subjectid", "participantid", "participant", "pid",
                "patientnumber", "case", "caseid"),
    "split": ("split", "set", "subset", "partition"),
}  # fmt: skip
READERS = ("radid", "reader", "readerid", "radiologist", "radiologistid", "annotator", "rater")


def role(given: pd.DataFrame, name: str, asked: str | None) -> str | None:
    """The column for a role: the one asked for, or one of its usual names; None where it is a pattern."""
    columns = by_plain(given)
    if asked:
        return columns.get(plain(asked)) if plain(asked) else None
    return next((columns[word] for word in NAMES[name] if word in columns), None)


def path_column(given, asked: str | None, among: locate.Index, where: str, label: str) -> str:
    """The column that names files: as asked, as it is usually called, or as the files are called."""
    found = role(given, "path", asked)
    if asked and not found:
        raise UserError(f"There is no column {asked!r}.{did_you_mean(asked, given)}")
    if asked:
        return found
    count = {}
    for column in given.columns.drop(label, errors="ignore"):
        some = given[column].drop_duplicates().iloc[:200].str.replace("\\", "/")
        count[column] = sum(locate.stands_for(name, among) > 0 for name in some if name)
    best = max(count, key=count.get, default="")
    most = count.get(best, 0)
    if found and count.get(found, 0) >= most / 2:
        return found
    if most:
        return best
    if locate.by_folder(given.drop(columns=label, errors="ignore"), among)[1]:
        return locate.FILES
    raise UserError(
        f"{where} has no column 'path', and no column that names files in "
        f"{escape_control_chars(among.folder)}. Its columns are: {', '.join(given)}. Say which it "
        "is with --path COLUMN, and where the images lie with --images FOLDER."
    )


def patients_of(names: pd.Series, pattern: str | None) -> tuple[list[str], str]:
    """The patient of each image by its path (`` where it does not say), and what was understood."""
    if pattern:
        found = by_pattern(names, pattern)
        if not any(found):
            raise UserError(f"{pattern!r} is no column, and matches no path.")
    else:
        found = [patients.by_name(name) for name in names]
    number = sum(map(bool, found))
    told = f"The names of {number} of {len(found)} images tell the patient."
    return found, told if number else ""


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
    wrong = [v for v in values if v and v.lower() not in SPLIT_OF]
    if wrong:
        raise UserError(
            f"{where}: a split is train, validation or test, not {wrong[0]!r}. A column "
            f"that says something else is left out by --ignore {values.name!r}."
        )
    return [SPLIT_OF.get(value.lower(), "train") for value in values]
