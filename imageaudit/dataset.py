"""Which images there are, and what is said of them: from a folder or a table, one table."""

import os
import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from imageaudit import folders, images, labels, locate, patients, roles, tables
from imageaudit.errors import UserError, did_you_mean, escape_control_chars
from imageaudit.folders import SPLIT_OF, relative
from imageaudit.io import expand
from imageaudit.tables import NAMES, column_of, plain

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
    against: str | None = None  # another dataset, whose images must not be in this one


class Dataset(NamedTuple):
    """What is there. `table` has a row per image: `image` (as it is shown), `path`, `label`,
    `split` (`train`, `validation`, `test`, or `` for all), `patient` (`` where nothing says) and the
    `columns` of the user's table, their names after OWN, all text."""

    name: str
    table: pd.DataFrame
    columns: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()  # named in the table, and not there
    notes: tuple[str, ...] = ()  # what was understood, and what left out
    named_in: str = ""  # the column that patients are named in


def read(source: Path | str, options: Options = Options()) -> Dataset:  # noqa: B008
    """The dataset in a folder or a table.

    Raises UserError for what is no dataset of at least two classes, saying what one looks like.
    """
    source = existing(source)
    found = of_folder(source, options) if source.is_dir() else of_table(source, options)
    names = list(found.table.label.unique())
    if len(names) < LEAST:
        alone = f"of one class only, {names[0]!r}" if names else "of no class"
        there = folders.tables_in(source) if source.is_dir() else ""
        raise UserError(
            f"{escape_control_chars(source)} holds images {alone}: two are needed. A folder has one "
            "subfolder per class, or train and test above these; a table has a column 'label'."
            f"{there} {' '.join(found.notes[:5])}".rstrip()
        )
    return found


def existing(source: Path | str) -> Path:
    source = expand(source)
    if not os.path.exists(source):  # noqa: PTH110 (Path raises where a name is too long)
        raise UserError(f"There is no {escape_control_chars(source)[:300]}.")
    return source


def read_any(source: Path | str) -> Dataset:
    """The images of a folder, at any depth, or of a table, and their patients; labels do not matter."""
    source, column = existing(source), None
    if source.is_dir():
        found = [p for p in images.find(source) if not folders.is_mask(p.relative_to(source))]
        table = pd.DataFrame({"image": [relative(p, source) for p in found], "path": found})
    else:
        where, among = escape_control_chars(source), locate.index(source.parent)
        given, _, names, _ = roles.named_files(tables.read_table(source)[0], None, among, where)
        table = pd.DataFrame({"image": names, "path": names})
        if column := column_of(given, "patient"):
            table["patient"] = named_patients(given, column)
        table, _ = located(table.drop_duplicates("image"), among, where, [])
        table = table.drop_duplicates("image", ignore_index=True)
    if table.empty:
        raise UserError(f"There is no image in {escape_control_chars(source)}.")
    table = table.assign(label="", split="")
    return completed(source.name, table, Options(), [], named_in=column or "")


def completed(name: str, table: pd.DataFrame, options: Options, notes: list, **more) -> Dataset:
    """The dataset, with the patients and splits that its images' paths tell where nothing else does."""
    if "split" not in table and options.split:
        table["split"] = roles.splits_by_pattern(table.image, options.split)
    elif "split" not in table:
        found = [folders.split_in(name.split("/")[:-1]) for name in table.image]
        several = all(found) and len(set(found)) > 1
        table["split"] = found if several else ""
        notes += ["The splits are those of folders."] * several
    if "patient" not in table:
        table["patient"] = roles.patients_of(table.image, options.patient)
        number = sum(table.patient != "")
        told = f"The names of {number} of {len(table)} images tell the patient."
        notes += [told] * bool(number)
    columns = tuple(c.removeprefix(OWN) for c in table if c.startswith(OWN))
    return Dataset(escape_control_chars(name), table, columns, notes=tuple(notes), **more)


def named_patients(given: pd.DataFrame, column: str) -> pd.Series:
    named = patients.stated(given[column])
    return named.map(lambda name: name and f"{column} {tables.number_text(name)}")


def of_folder(source: Path, options: Options) -> Dataset:
    for name in ("label", "path", "images", "join", "ignore"):
        if getattr(options, name):
            raise UserError(f"--{name} is for tables; {escape_control_chars(source)} is a folder.")
    table, notes = folders.read_folder(source, options.classes)
    table.insert(0, "image", [relative(path, source) for path in table.path])
    if options.split or set(table.split) <= {""}:
        table = table.drop(columns="split")
    return completed(source.resolve().name, table, options, notes)


def of_table(source: Path, options: Options) -> Dataset:
    where = escape_control_chars(source)
    given, label, notes = labelled(source, options)
    folder = expand(options.images or source.parent)
    if not folder.is_dir():
        raise UserError(f"There is no folder {escape_control_chars(folder)}.")
    among = locate.index(folder)
    numbered = tables.numbered_anyhow(given)
    given, column, names, said = roles.named_files(given, options.path, among, where, label.name)
    notes.insert(0, f"Images are those of {said}, classes those of {label.name!r}.")
    shown, each = names.map(escape_control_chars), label.loc[given.index]
    table = pd.DataFrame({"image": shown, "path": names, "label": each}).reset_index(drop=True)
    given = given.reset_index(drop=True)
    patient = column_of(given, "patient", options.patient)
    split = column_of(given, "split", options.split)
    split = split or (None if options.split else split_column(given, {column, label.name}))
    if patient:
        table["patient"] = named_patients(given, patient)
        nobody = int((table.patient == "").sum())
        none = f"; {nobody} rows name none" if nobody else ""
        notes.append(f"Patients are those of the column {patient!r}{none}.")
    if split:
        table["split"] = roles.splits_of(given[split], where)
        if blank := int(tables.is_blank(given[split]).sum()):
            notes.append(f"{blank} rows name no split: they count as train.")
    rest = given.drop(columns=list({column, label.name, patient, split} - {None}))
    counters = [c for c in rest if c in numbered
                or (plain(c) in NAMES["counter"] and tables.numbers_rows(rest[c]))]  # fmt: skip
    notes += [f"The column {name!r} numbers the rows: left out." for name in counters]
    table = pd.concat([table, rest.drop(columns=counters).add_prefix(OWN)], axis=1)
    table = wanted(table, options.classes, notes)
    labels.refuse_unclear(table.label, label.name)
    table["label"] = settled(table, given, label.name, notes)
    table = one_row_per_image(table[table.label != ""], where, notes)
    table, missing = located(table, among, where, notes)
    table = one_row_per_image(table, where, notes)
    return completed(
        source.resolve().stem, table, options, notes, missing=missing, named_in=patient or ""
    )


def labelled(source: Path, options: Options):
    """The table with those that are joined, the label of each row, named as its column, and notes."""
    given, notes = combined(source, options)
    ignored = [n if n in given else column_of(given, "label", n) for n in options.ignore]
    if None in ignored:
        name = options.ignore[ignored.index(None)]
        like = did_you_mean(name, given)
        raise UserError(f"There is no column {name!r} to ignore.{like}")
    rest = given.drop(columns=ignored)
    try:
        label, more = labels.labels_of(rest, options.label, escape_control_chars(source))
    except UserError as error:
        if tables.NO_HEADER not in notes:
            raise
        first = ", ".join(f"{name} = {value}" for name, value in given.iloc[0].items())
        raise UserError(f"{error} The table has no header; its first row is {first}.") from None
    return rest, label, [*notes, *more]


def combined(source: Path, options: Options):
    """The table and those that are joined to it, and notes.

    Tables of the same columns are parts of one, and what their names say of the split is a column.
    """
    folder = expand(options.images or source.parent)
    paths = [source, *(expand(name) for name in options.join)]
    read = [tables.read_table(path, folder) for path in paths]
    given, notes, groups = None, read[0][1], {}
    for path, (rows, _) in zip(paths, read, strict=True):
        groups.setdefault(tuple(map(plain, rows)), []).append((path, rows))
    for group in groups.values():
        files, parts = zip(*group, strict=True)
        parts = [part.set_axis(list(parts[0]), axis=1) for part in parts]
        said = [word_of_split(path.stem) for path in files]
        if len(set(said)) > 1 and all(said) and "split" not in tables.by_plain(parts[0]):
            parts = [part.assign(split=word) for part, word in zip(parts, said, strict=True)]
        if len(group) > 1:
            names = ", ".join(escape_control_chars(path.name) for path in files)
            notes.append(f"Parts of one table: {names}.")
        whole, told = pd.concat(parts, ignore_index=True), []
        if given is not None:
            whole, told = tables.join(given, whole, str(files[0]))
        given, notes = whole, notes + told
    return given, notes


def word_of_split(name: str) -> str:
    words = re.findall("[a-z]+", name.lower())
    return next((SPLIT_OF[word] for word in words if word in SPLIT_OF), "")


def settled(table: pd.DataFrame, given: pd.DataFrame, column: str, notes: list[str]) -> pd.Series:
    """The labels where rows of an image differ: a finding is there once one row of several names it;
    readers are many (the majority; no label where they are even). Others are refused later."""
    label, groups = table.label, table.groupby("image").label
    differ = groups.transform("nunique") > 1
    words = set(label)
    finding = next((w for w in words if f"no {w}" in words and plain(w) != plain(column)), None)
    reader = column_of(given, "reader")
    if not differ.any() or not (finding or (reader and len(words - {""}) == 2)):
        return label
    number = table.image[differ].nunique()
    if finding:
        notes.append(f"Rows of {number} images differ: {finding} is there once one row names it.")
        return label.mask(differ, finding)
    most = groups.transform(lambda part: "" if len(best := part.mode()) > 1 else best.iloc[0])
    said = f"Readers ({reader}) differ on {number} images"
    notes.append(f"{said}: the majority counts, even votes do not.")
    return label.mask(differ, most)


def split_column(given: pd.DataFrame, used: set) -> str | None:
    """The column, if there is one, that holds nothing but names of splits."""
    for column in given.columns.difference(list(used), sort=False):
        words = set(given[column].str.lower())
        if words <= set(SPLIT_OF) and len({SPLIT_OF[word] for word in words}) > 1:
            return column
    return None


def wanted(table: pd.DataFrame, classes: tuple[str, ...], notes: list[str]) -> pd.DataFrame:
    """The rows that have a label, of the classes that count."""
    if blank := int((table.label == "").sum()):
        notes.append(f"{blank} rows have no label, left out.")
        table = table[table.label != ""]
    if classes:
        folders.refuse_unknown(classes, list(table.label.unique()))
        others = ~table.label.isin(classes)
        notes.append(f"{int(others.sum())} rows of other classes, left out.")
        table = table[~others]
    return table


def located(table: pd.DataFrame, among: locate.Index, where: str, notes: list[str]):
    """The rows whose file is there, with its path; the names of the others.

    `a.png` and `./a.png` are one image, of the name that stands first.
    """
    table = table.assign(path=locate.locate(list(table.path), among))
    missing = tuple(table.image[table.path.isna()])
    if len(missing) == len(table):
        first = missing[0][:300] if missing else ""
        there = "there once" if locate.stands_for(first, among) else "there"
        raise UserError(
            f"None of the {len(missing)} files that {where} names is {there}; the first is {first}. They "
            f"are looked for in {escape_control_chars(among.folder)}: --images FOLDER says where else."
        )
    table = table[table.path.notna()].reset_index(drop=True)
    place = locate.places(table.path)
    table["image"] = table.image.groupby(place, sort=False).transform("first")
    if several := [name for name in missing if locate.stands_for(name, among) > 1]:
        said = f"{len(several)} names are those of several files each, left out"
        notes.append(f"{said}: {several[0]} ...")
    here = [path for path in among.paths if not folders.is_mask(path.relative_to(among.folder))]
    if unnamed := len({*locate.places(here)} - {*place}):
        notes.append(f"{unnamed} images of the folder stand in no row, left out.")
    return table, missing


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
