"""Which images there are, and what is said of them: from a folder or a table, one table."""

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from imageaudit import images, labels, locate, patients
from imageaudit.errors import UserError, did_you_mean, escape_control_chars
from imageaudit.folders import (
    SPLIT_OF,
    is_mask,
    read_folder,
    refuse_unknown,
    relative,
    split_in,
    tables_in,
)
from imageaudit.roles import (
    READERS,
    path_column,
    patients_of,
    role,
    splits_by_pattern,
    splits_of,
)
from imageaudit.tables import (
    COUNTERS,
    by_plain,
    is_blank,
    join,
    number_text,
    numbers_rows,
    plain,
    read_table,
)

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
    columns: tuple[str, ...]
    missing: tuple[str, ...]  # named in the table, and not there
    notes: tuple[str, ...]  # what was understood, and what left out
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
        raise UserError(
            f"{escape_control_chars(source)} holds images {alone}: two are needed. A folder has one "
            "subfolder per class, or train and test above these; a table has a column 'label'."
            + (tables_in(source) if source.is_dir() else "")
            + "".join(f" {note}" for note in found.notes[:5])
        )
    return found


def existing(source: Path | str) -> Path:
    source = Path(source).expanduser()
    try:
        there = source.exists()
    except (OSError, ValueError):  # too long, or no path at all
        there = False
    if not there:
        raise UserError(f"There is no {escape_control_chars(source)[:300]}.")
    return source


def read_any(source: Path | str) -> Dataset:
    """The images of a folder, at any depth, or of a table, and their patients; labels do not matter."""
    source, column = existing(source), ""
    if source.is_dir():
        found = [p for p in images.find(source) if not is_mask(p.relative_to(source))]
        table = pd.DataFrame({"image": [relative(p, source) for p in found], "path": found})
        table["patient"], _ = patients_of(table.image, None)
    else:
        where, among = escape_control_chars(source), locate.index(source.parent)
        given = read_table(source).rows
        path = path_column(given, None, among, where, "")
        if path == locate.FILES:
            given = locate.by_folder(given, among)[0].reset_index(drop=True)
        table = pd.DataFrame({"image": given[path].str.replace("\\", "/")})
        column = role(given, "patient", None) or ""
        table["patient"] = named_patients(given, column) if column else ""
        table = table.drop_duplicates("image").assign(path=lambda t: t.image)
        table, _ = located(table, among, where, [])
        if not column:
            table["patient"], _ = patients_of(table.image, None)
    if table.empty:
        raise UserError(f"There is no image in {escape_control_chars(source)}.")
    return Dataset(
        escape_control_chars(source.name), table.assign(label="", split=""), (), (), (), column
    )


def named_patients(given: pd.DataFrame, column: str) -> pd.Series:
    named = patients.stated(given[column].mask(is_blank(given[column]), ""))
    return named.map(lambda name: name and f"{column} {number_text(name)}")


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
    if column == locate.FILES:
        given, folder_column = locate.by_folder(given, among)
        label, given = label.loc[given.index].reset_index(drop=True), given.reset_index(drop=True)
        notes.append(f"A row stands for all images of the folder that {folder_column!r} names.")
    table = pd.DataFrame({"label": label, "path": locate.with_folders(given, column, among)})
    table.insert(0, "image", table.path.map(escape_control_chars))
    patient, split = (role(given, name, getattr(options, name)) for name in ("patient", "split"))
    split = split or (None if options.split else split_column(given, {column, label_column}))
    if patient:
        table["patient"] = named_patients(given, patient)
        nobody = int((table.patient == "").sum())
        notes.append(
            f"Patients are those of the column {patient!r}"
            + (f"; {nobody} rows name none." if nobody else ".")
        )
    if split:
        table["split"] = splits_of(given[split], where)
        if blank := int((given[split] == "").sum()):
            notes.append(f"{blank} rows name no split: they count as train.")
    used = {column, label_column, patient, split}
    table = pd.concat([table, given[[c for c in given if c not in used]].add_prefix(OWN)], axis=1)
    table = wanted(table, options.classes, notes)
    labels.refuse_unclear(table.label, label_column)
    table["label"] = settled(table, given, label_column, notes)
    table = one_row_per_image(table[table.label != ""], where, notes)
    table, missing = located(table, among, where, notes)
    if not patient:
        table["patient"], note = patients_of(table.image, options.patient)
        notes.append(note)
    if not split:
        found = [split_in(name.split("/")[:-1]) for name in table.image]
        table["split"] = found if all(found) and len(set(found)) > 1 else ""
        if options.split:
            table["split"] = splits_by_pattern(table.image, options.split)
    for name in [c for c in table if c.startswith(OWN)]:
        if plain(name.removeprefix(OWN)) in COUNTERS and numbers_rows(
            given[name.removeprefix(OWN)]
        ):
            table = table.drop(columns=name)
            notes.append(f"The column {name.removeprefix(OWN)!r} numbers the rows: left out.")
    columns = [c.removeprefix(OWN) for c in table if c.startswith(OWN)]
    order = ["image", "path", "label", "split", "patient", *(OWN + c for c in columns)]
    notes.insert(
        0, f"Images are those of the column {column!r}, classes those of {label_column!r}."
    )
    found = finished(source.resolve().stem, table[order], tuple(columns), missing, notes)
    return found._replace(named_in=patient or "")


def labelled(source: Path, options: Options):
    """The table with those that are joined, the label of each row, its column, and notes."""
    given, notes, header = combined(source, options)
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
    return rest, label, column, [*notes, *more]


def combined(source: Path, options: Options):
    """The table and those that are joined to it, notes, and whether it has a header.

    Tables of the same columns are parts of one, and what their names say of the split is a column.
    """
    folder = Path(options.images).expanduser() if options.images else source.parent
    read = [(name, read_table(Path(name).expanduser(), folder)) for name in (source, *options.join)]
    notes, groups = [*read[0][1].notes], {}
    for name, one in read:
        groups.setdefault(tuple(map(plain, one.rows)), []).append((name, one))
    whole = []
    for group in groups.values():
        said = [next((SPLIT_OF[w] for w in re.findall("[a-z]+", Path(name).stem.lower()) if w in SPLIT_OF), "")
                for name, _ in group]  # fmt: skip
        parts = [one.rows.set_axis(list(group[0][1].rows), axis=1) for _, one in group]
        if len(set(said)) > 1 and all(said) and "split" not in by_plain(parts[0]):
            parts = [part.assign(split=word) for part, word in zip(parts, said, strict=True)]
        if len(group) > 1:
            files = ", ".join(escape_control_chars(Path(name).name) for name, _ in group)
            notes.append(f"Parts of one table: {files}.")
        whole.append((str(group[0][0]), pd.concat(parts, ignore_index=True)))
    given = whole[0][1]
    for name, other in whole[1:]:
        given, note = join(given, other, name)
        notes.append(note)
    return given, notes, read[0][1].header


def settled(table: pd.DataFrame, given: pd.DataFrame, column: str, notes: list[str]) -> pd.Series:
    """The labels where rows of an image differ: a finding is there once one row of several names it;
    readers are many (the majority; no label where they are even). Others are refused later."""
    label, groups = table.label, table.groupby("image").label
    differ = groups.transform("nunique") > 1
    words = set(label)
    finding = next((w for w in words if f"no {w}" in words and plain(w) != plain(column)), None)
    reader = next((c for c in given if plain(c) in READERS), None)
    if not differ.any() or not (finding or (reader and len(words - {""}) == 2)):
        return label
    number = table.image[differ].nunique()
    if finding:
        notes.append(f"Rows of {number} images differ: {finding} is there once one row names it.")
        return label.mask(differ, finding)
    most = groups.transform(lambda part: "" if len(best := part.mode()) > 1 else best.iloc[0])
    notes.append(
        f"Readers ({reader}) differ on {number} images: the majority counts, even votes do not."
    )
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
        there = "there once" if locate.stands_for(first, among) else "there"
        raise UserError(
            f"None of the {len(missing)} files that {where} names is {there}; the first is {first}. They "
            f"are looked for in {escape_control_chars(among.folder)}: --images FOLDER says where else."
        )
    table = table[table.path.notna()].reset_index(drop=True)
    if several := [name for name in missing if locate.stands_for(name, among) > 1]:
        notes.append(
            f"{len(several)} names are those of several files each, left out: {several[0]} ..."
        )
    if unnamed := len(among.paths) - table.path.nunique():
        notes.append(f"{unnamed} images of the folder stand in no row, left out.")
    return table, missing


def finished(name: str, table, columns, missing, notes: list[str]) -> Dataset:
    return Dataset(escape_control_chars(name), table, columns, missing,
                   tuple(filter(None, notes)))  # fmt: skip


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
