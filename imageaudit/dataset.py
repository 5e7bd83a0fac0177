"""Which images there are, and what is said of them: from a folder or a table, one table."""

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from imageaudit import labels, locate, patients
from imageaudit.errors import UserError, did_you_mean, escape_control_chars
from imageaudit.folders import SPLIT_OF, read_folder, refuse_unknown, relative, split_in
from imageaudit.tables import by_plain, is_blank, join, number_text, plain, read_table

# how the columns of a table may be called; case, blanks and punctuation do not count
NAMES = {
    "path": ("path", "image", "imagepath", "file", "filename", "filepath", "name", "imageindex",
             "imagename", "imageid", "dicomid"),
    "patient": ("patient", "patientid", "subject", "subjectid", "participantid", "case"),
    "split": ("split", "set", "subset", "partition"),
}  # fmt: skip
LEAST = 2  # classes
OWN = "column "  # before the names of the user's own columns, which may be called like ours


class Options(NamedTuple):
    """How a dataset is to be read; all may be left out."""

    classes: tuple[str, ...] = ()  # those that count (default: all)
    ignore: tuple[str, ...] = ()  # columns of the table that do not
    label: str | None = None  # a column, COLUMN=FINDING, or a finding
    path: str | None = None  # a column
    patient: str | None = None  # a column, or a regular expression for the path
    split: str | None = None  # the same
    images: str | None = None  # the folder that the table's paths begin in
    join: tuple[str, ...] = ()  # further tables


class Dataset(NamedTuple):
    """What is there. `table` has a row per image: `image` (as it is shown), `path`, `label`,
    `split` (`train`, `validation`, `test`, or `` for all), `patient` (`` where nothing says) and the
    `columns` of the user's table, their names after OWN, all text."""

    name: str
    table: pd.DataFrame
    columns: tuple[str, ...]
    missing: tuple[str, ...]  # named in the table, and not there
    notes: tuple[str, ...]  # what was understood, and what left out


def read(source: Path | str, options: Options = Options()) -> Dataset:  # noqa: B008
    """The dataset in a folder or a table.

    Raises UserError for what is no dataset of at least two classes, saying what one looks like.
    """
    source = Path(source).expanduser()
    try:
        there = source.exists()
    except (OSError, ValueError):  # too long, or no path at all
        there = False
    if not there:
        raise UserError(f"There is no {escape_control_chars(source)[:300]}.")
    found = of_folder(source, options) if source.is_dir() else of_table(source, options)
    names = list(found.table.label.unique())
    if len(names) < LEAST:
        alone = f"of one class only, {names[0]!r}" if names else "of no class"
        raise UserError(
            f"{escape_control_chars(source)} holds images {alone}: two are needed. A folder has one "
            "subfolder per class, or train and test above these; a table has a column 'label'."
            + "".join(f" {note}" for note in found.notes[:5])
        )
    return found


def of_folder(source: Path, options: Options) -> Dataset:
    for name in ("label", "path", "images", "join", "ignore"):
        if getattr(options, name):
            raise UserError(f"--{name} is for tables; {escape_control_chars(source)} is a folder.")
    table, notes = read_folder(source, options.classes)
    table.insert(0, "image", [relative(path, source) for path in table.path])
    table["patient"], told = patients_of(table.image, options.patient)
    if options.split:
        table["split"] = splits_by_pattern(table.image, options.split)
    return finished(source.resolve().name, table, (), (), [*notes, told])


def of_table(source: Path, options: Options) -> Dataset:
    where = escape_control_chars(source)
    given, label, label_column, notes = labelled(source, options)
    folder = Path(options.images).expanduser() if options.images else source.parent
    if not folder.is_dir():
        raise UserError(f"There is no folder {escape_control_chars(folder)}.")
    among = locate.index(folder)
    column = path_column(given, options.path, among, where, label_column)
    table = pd.DataFrame({"label": label, "path": given[column].str.replace("\\", "/")})
    table.insert(0, "image", table.path.map(escape_control_chars))
    patient, split = (role(given, name, getattr(options, name)) for name in ("patient", "split"))
    if patient:
        named = given[patient].mask(is_blank(given[patient]), "")
        table["patient"] = [name and f"{patient} {number_text(name)}" for name in named]
        notes.append(f"Patients are those of the column {patient!r}.")
    if split:
        table["split"] = splits_of(given[split], where)
    used = {column, label_column, patient, split, *options.ignore}
    table = pd.concat([table, given[[c for c in given if c not in used]].add_prefix(OWN)], axis=1)
    table = wanted(table, options.classes, notes)
    labels.refuse_unclear(table.label, label_column)
    table = one_row_per_image(table, where, notes)
    table, missing = located(table, among, where, notes)
    if not patient:
        table["patient"], note = patients_of(table.image, options.patient)
        notes.append(note)
    if not split:
        found = [split_in(name.split("/")[:-1]) for name in table.image]
        table["split"] = found if all(found) and len(set(found)) > 1 else ""
        if options.split:
            table["split"] = splits_by_pattern(table.image, options.split)
    columns = [c.removeprefix(OWN) for c in table if c.startswith(OWN)]
    order = ["image", "path", "label", "split", "patient", *(OWN + c for c in columns)]
    notes.insert(
        0, f"Images are those of the column {column!r}, classes those of {label_column!r}."
    )
    return finished(source.resolve().stem, table[order], tuple(columns), missing, notes)


def labelled(source: Path, options: Options):
    """The table with those that are joined, the label of each row, its column, and notes."""
    given, notes, header = read_table(source)
    notes = list(notes)
    for name in options.join:
        given, note = join(given, read_table(Path(name).expanduser()).rows, name)
        notes.append(note)
    for column in options.ignore:
        if column not in given:
            raise UserError(
                f"There is no column {column!r} to ignore.{did_you_mean(column, given)}"
            )
    rest = given.drop(columns=[*options.ignore])
    try:
        label, more, column = labels.labels_of(rest, options.label, escape_control_chars(source))
    except UserError as error:
        if header:
            raise
        first = ", ".join(f"{name} = {value}" for name, value in given.iloc[0].items())
        raise UserError(f"{error} The table has no header; its first row is {first}.") from None
    return given, label, column, [*notes, *more]


def wanted(table: pd.DataFrame, classes: tuple[str, ...], notes: list[str]) -> pd.DataFrame:
    """The rows that have a label, of the classes that count."""
    if (blank := table.label == "").any():
        notes.append(f"{int(blank.sum())} rows have no label, left out.")
        table = table[~blank]
    if classes:
        refuse_unknown(classes, list(table.label.unique()))
        others = ~table.label.isin(classes)
        notes.append(f"{int(others.sum())} rows of other classes, left out.")
        table = table[~others]
    return table


def located(table: pd.DataFrame, among: locate.Index, where: str, notes: list[str]):
    """The rows whose file is there, with its path; the names of the others."""
    table = table.assign(path=locate.locate(list(table.path), among))
    missing = tuple(table.image[table.path.isna()])
    if len(missing) == len(table):
        first = missing[0][:300] if missing else ""
        raise UserError(
            f"None of the {len(missing)} files that {where} names is there; the first is {first}. They "
            f"are looked for in {escape_control_chars(among.folder)}: --images FOLDER says where else."
        )
    table = table[table.path.notna()].reset_index(drop=True)
    if unnamed := len(among.paths) - table.path.nunique():
        notes.append(f"{unnamed} images of the folder stand in no row, left out.")
    return table, missing


def finished(name: str, table, columns, missing, notes: list[str]) -> Dataset:
    return Dataset(escape_control_chars(name), table, columns, missing,
                   tuple(filter(None, notes)))  # fmt: skip


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
    for column in given:
        if column != label:
            some = given[column].drop_duplicates().iloc[:200].str.replace("\\", "/")
            count[column] = sum(locate.one(name, among)[0] is not None for name in some if name)
    best = max(count, key=count.get, default=None)
    if found and count.get(found, 0) >= (count[best] if best else 0) / 2:
        return found
    if best is None or not count[best]:
        if found:
            return found
        raise UserError(
            f"{where} has no column 'path', and no column that names files in "
            f"{escape_control_chars(among.folder)}. Its columns are: {', '.join(given)}. Say which it "
            "is with --path COLUMN, and where the images lie with --images FOLDER."
        )
    return best


def patients_of(names: pd.Series, pattern: str | None) -> tuple[list[str], str]:
    """The patient of each image by its path (`` where it does not say), and what was understood."""
    if pattern:
        found = [matched(compiled(pattern), name) for name in names]
        if not any(found):
            raise UserError(f"{pattern!r} is no column, and matches no path.")
    else:
        found = [patients.by_name(name) for name in names]
    number = sum(map(bool, found))
    return (
        found,
        f"The names of {number} of {len(found)} images tell the patient." if number else "",
    )


def splits_by_pattern(names: pd.Series, pattern: str) -> list[str]:
    found = [SPLIT_OF.get(matched(compiled(pattern), name).lower(), "") for name in names]
    if not all(found):
        raise UserError(
            f"{pattern!r} is no column, and gives no train, validation or test for "
            f"{names.iloc[found.index('')]}."
        )
    return found


def compiled(pattern: str) -> re.Pattern:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UserError(f"{pattern!r} is no column and no regular expression: {error}.") from None


def matched(pattern: re.Pattern, name: str) -> str:
    """What a pattern finds in a path, or the first group of it that took part."""
    found = pattern.search(name)
    if not found:
        return ""
    return next((group for group in found.groups() if group), found[0])


def splits_of(values: pd.Series, where: str) -> list[str]:
    wrong = [v for v in values if v and v.lower() not in SPLIT_OF]
    if wrong:
        raise UserError(f"{where}: a split is train, validation or test, not {wrong[0]!r}.")
    return [SPLIT_OF.get(value.lower(), "train") for value in values]


def one_row_per_image(table: pd.DataFrame, where: str, notes: list[str]) -> pd.DataFrame:
    """Rows of one image become one; columns that differ among them are left out.

    Raises UserError where they give one image two labels, splits or patients.
    """
    if not table.image.duplicated().any():
        return table.reset_index(drop=True)
    groups = table.groupby("image", sort=False)
    differ = groups.nunique()
    for name in ("label", "split", "patient"):
        if name in differ and (several := differ.index[differ[name] > 1]).size:
            first = ", ".join(several[:5])
            raise UserError(f"{where} gives images more than one {name}: {first}")
    left_out = [c for c in table if c.startswith(OWN) and (differ[c] > 1).any()]
    note = f"{len(table) - len(differ)} further rows of the same images are folded."
    if left_out:
        names = ", ".join(c.removeprefix(OWN) for c in left_out)
        note += f" Columns with several values for an image, left out: {names}."
    notes.append(note)
    return groups.first().reset_index().drop(columns=left_out)
