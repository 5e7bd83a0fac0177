"""Which images there are, and what is said of them: from a folder or a table, one table.

A folder has one subfolder per class, or `train|validation|test` above these. A table is a CSV file
with a row per image: its path, its label, and whatever else is known.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from imageaudit import images, patients
from imageaudit.errors import UserError, did_you_mean, escape_control_chars

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
SPLIT_OF = {word: split for split, words in SPLITS.items() for word in words}
# how the columns of a table may be called; case, blanks and punctuation do not count
NAMES = {
    "path": ("path", "image", "imagepath", "file", "filename", "filepath", "name", "imageindex"),
    "label": ("label", "class", "target", "diagnosis", "finding", "findinglabels"),
    "patient": ("patient", "patientid", "subject", "subjectid", "case"),
    "split": ("split", "set", "subset", "partition"),
}
LEAST = 2  # classes
OWN = "column "  # before the names of the user's own columns, which may be called like ours


class Dataset(NamedTuple):
    """What is there. `table` has a row per image: `image` (as it is shown), `path`, `label`,
    `split` (`train`, `validation`, `test`, or `` for all), `patient` (`` where nothing says) and the
    `columns` of the user's table, their names after OWN, all text."""

    name: str
    table: pd.DataFrame
    columns: tuple[str, ...]
    missing: tuple[str, ...]  # named in the table, and not there
    notes: tuple[str, ...]  # what was left out


def read(
    source: Path | str, classes: tuple[str, ...] = (), ignore: tuple[str, ...] = ()
) -> Dataset:
    """The dataset in a folder or a CSV table.

    `classes` are those that count (default: all), `ignore` the columns of the table that do not.
    Raises UserError for what is no dataset of at least two classes, saying what one looks like.
    """
    source = Path(source).expanduser()
    if not source.exists():
        raise UserError(f"There is no {escape_control_chars(source)}.")
    found = of_folder(source, classes) if source.is_dir() else of_table(source, classes, ignore)
    there = list(found.table.label.unique())
    if len(there) < LEAST:
        told = f"of one class only, {there[0]!r}" if there else "of no class"
        raise UserError(
            f"{escape_control_chars(source)} holds images {told}: two are needed. A folder has one subfolder per "
            "class, or train and test above these; a table has a column 'label'."
        )
    return found


def of_folder(source: Path, classes: tuple[str, ...]) -> Dataset:
    rooms = {"": source}
    splits = {p: SPLIT_OF[p.name.lower()] for p in folders(source) if p.name.lower() in SPLIT_OF}
    notes = []
    if splits:
        rooms = {split: folder for folder, split in splits.items()}
        others = [p.name for p in folders(source) if p not in splits]
        if others:
            notes.append(f"Beside {', '.join(sorted(rooms))}, left out: {', '.join(others)}.")
    rows, names = [], {}
    for split, room in rooms.items():
        for folder in folders(room):
            name = names.setdefault(folder.name.lower(), folder.name)
            if classes and name not in classes:
                notes.append(f"Not asked for, left out: {relative(folder, source)}.")
            elif "mask" in name.lower():
                notes.append(f"Masks are no images, left out: {relative(folder, source)}.")
            else:
                rows += [(path, name, split) for path in images.find(folder)]
        loose = [p for p in images.find(room) if p.parent == room]
        if loose:
            notes.append(f"{len(loose)} images lie in no class, left out: {loose[0].name} ...")
    refuse_unknown(classes, list(names.values()))
    table = pd.DataFrame(rows, columns=["path", "label", "split"])
    table.insert(0, "image", [relative(path, source) for path in table.path])
    table["patient"] = [patients.by_name(name) for name in table.image]
    return Dataset(source.resolve().name, table, (), (), tuple(notes))


def of_table(source: Path, classes: tuple[str, ...], ignore: tuple[str, ...]) -> Dataset:
    given = read_csv(source)
    named = {}
    for role, names in NAMES.items():
        found = [c for name in names for c in given if plain(c) == name and c not in ignore]
        if found:
            named[role] = found[0]
    for role in ("path", "label"):
        if role not in named:
            raise UserError(
                f"{escape_control_chars(source)} has no column '{role}'. Its columns are: {', '.join(given)}."
            )
    for column in ignore:
        if column not in given:
            raise UserError(
                f"There is no column {column!r} to ignore.{did_you_mean(column, given)}"
            )
    rest = [c for c in given if c not in named.values() and c not in ignore]
    table, notes = pd.DataFrame({role: given[column] for role, column in named.items()}), []
    table = table.assign(**{OWN + column: given[column] for column in rest})
    table.insert(0, "image", table.path.str.replace("\\", "/"))
    if len(twice := table.image[table.image.duplicated()].unique()):
        raise UserError(
            f"{escape_control_chars(source)} lists more than once: {', '.join(map(escape_control_chars, twice[:5]))}"
        )
    if (empty := table.label == "").any():
        notes.append(f"{int(empty.sum())} rows have no label, left out.")
        table = table[~empty]
    if classes:
        refuse_unknown(classes, list(table.label.unique()))
        notes.append(f"{int((~table.label.isin(classes)).sum())} rows of other classes, left out.")
        table = table[table.label.isin(classes)]
    table = table.assign(path=located(list(table.image), source))
    missing = tuple(table.image[table.path.isna()])
    if len(missing) == len(table) and missing:
        raise UserError(
            f"None of the {len(missing)} files that {escape_control_chars(source)} names is there; the first is "
            f"{escape_control_chars(missing[0])}. Paths are taken from the table's folder."
        )
    table = table[table.path.notna()].reset_index(drop=True)
    if "patient" in table:
        table["patient"] = [p and f"{named['patient']} {p}" for p in table.patient]
    else:
        table["patient"] = [patients.by_name(name) for name in table.image]
    table["split"] = [split_of(v, source) for v in table.split] if "split" in table else ""
    columns = ["image", "path", "label", "split", "patient", *(OWN + column for column in rest)]
    return Dataset(source.resolve().stem, table[columns], tuple(rest), missing, tuple(notes))


def refuse_unknown(classes: tuple[str, ...], there: list[str]) -> None:
    for name in classes:
        if name not in there:
            raise UserError(f"There is no class {name!r}.{did_you_mean(name, there)}")


def read_csv(source: Path) -> pd.DataFrame:
    """A table as text, with commas or semicolons."""
    try:
        for mark in (",", ";"):
            table = pd.read_csv(source, sep=mark, dtype=str, keep_default_na=False,
                                encoding="utf-8-sig")  # fmt: skip
            if len(table.columns) > 1:
                break
    except UnicodeDecodeError:
        raise UserError(
            f"{escape_control_chars(source)} is not in UTF-8: save it as CSV in UTF-8."
        ) from None
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{escape_control_chars(source)} cannot be read as a table: {escape_control_chars(reason)}"
        ) from None
    table.columns = [str(column).strip() for column in table.columns]
    if len(table) == 0:
        raise UserError(f"{escape_control_chars(source)} has no rows.")
    return table.apply(lambda column: column.str.strip())


def located(names: list[str], source: Path) -> list[Path | None]:
    """The file that each name of a table means: below the table's folder, or by its name alone."""
    folder, found, known = source.parent, [], None
    for name in names:
        path = folder / Path(name).expanduser()
        if not path.is_file() and known is None:
            known = {}
            for other in images.find(folder):
                for word in {*other.name, other.name.removesuffix(".jpg")}:
                    known.setdefault(word, []).append(other)
        if not path.is_file():
            others = known.get(name.rpartition("/")[2], [])
            path = others[0] if len(others) == 1 else None
        found.append(path)
    return found


def folders(of: Path) -> list[Path]:
    return sorted(p for p in of.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))


def relative(path: Path, source: Path) -> str:
    return path.relative_to(source).as_posix()


def plain(word: str) -> str:
    return re.sub(r"[^a-z]", "", word.lower())


def split_of(word: str, source: Path) -> str:
    if word and word.lower() not in SPLIT_OF:
        raise UserError(
            f"{escape_control_chars(source)}: a split is train, validation or test, not {word!r}."
        )
    return SPLIT_OF.get(word.lower(), "train")
