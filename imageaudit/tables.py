"""Tables as people have them: any separator, with a header or without, joined by what they share."""

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from itertools import zip_longest
from pathlib import Path

import pandas as pd

from imageaudit import images
from imageaudit.errors import UserError, escape_control_chars
from imageaudit.io import listed

SEPARATORS = ",;\t|"
FILE = re.compile(r"\.(jpe?g|png|bmp|tiff?|gif|webp|dcm|dicom)$", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[-+]?(\d+|\d{1,3}(\.\d{3})+),\d+")
NUMBER = re.compile(r"[-+]?(\d+|\d{1,3}(\.\d{3})+)([.,]\d+)?")
# how columns and splits may be called, the likeliest first; case, blanks and punctuation do not count
NAMES = {row["role"]: row["names"].split() for row in listed("vocabulary.csv")}
COUNT = re.compile(r"0|[1-9]\d*")
INTEGER = re.compile(r"(-?)0*(\d+)(\.0+)?")
KINDS = {b"PK\x03\x04": "a workbook or an archive", b"\xd0\xcf\x11\xe0": "a workbook", b"PAR1": "Parquet",
         b"{": "JSON", b"[": "JSON"}  # fmt: skip
NO_HEADER = "The table has no header: its columns are 1, 2, ..."
BLANK = ("", "nan", "na", "n/a", "null", "<na>", "nat", "#n/a", "#nv", "#null!")


def plain(word: str) -> str:
    """A name as it is compared: case, blanks and punctuation do not count."""
    return re.sub(r"[\W_]", "", word.casefold())


def by_plain(table: pd.DataFrame) -> dict[str, str]:
    """The columns by their names as they are compared, the first of each."""
    return {plain(column): column for column in reversed(list(table))}


def column_of(table: pd.DataFrame, role: str, asked: str | None = None) -> str | None:
    """The column for a role: the one asked for, or one of its usual names; None where there is none."""
    columns = by_plain(table)
    names = [plain(asked)] if asked else NAMES[role]
    return next((columns[name] for name in names if name and name in columns), None)


def number_text(value: str) -> str:
    """`7` of `7`, `007` and `7.0`; other text as it is."""
    found = INTEGER.fullmatch(value)
    return found[1] + found[2] if found else value


def is_blank(values: pd.Series) -> pd.Series:
    return values.str.lower().isin(BLANK)


def read_table(source: Path, folder: Path | None = None) -> tuple[pd.DataFrame, list[str]]:
    """A table of any separator, in UTF-8 or UTF-16, all text, and notes. Raises UserError for what is none.

    Its columns have names of their own, `1`, `2`, ... where the file has none.
    The names of the files in `folder` (default: the table's own) tell the blanks of a name from those
    between columns.
    """
    where = escape_control_chars(source)
    lines = [line for line in re.split(r"\r\n|\r|\n", decode(source)) if line.strip()]
    if excel := re.fullmatch(r"\"?sep=(.)\"?", lines[0] if lines else "", re.IGNORECASE):
        lines = lines[1:]
    if not lines:
        raise UserError(f"{where} cannot be read as a table: it is empty.")
    first = next((i for i, line in enumerate(lines) if not line.startswith("#")), 0)
    count = Counter(lines[first])
    best = max(SEPARATORS, key=lambda sign: count[sign])
    remarks = [line for line in lines[:first] if line.count(best) < count[best]]
    lines = lines[len(remarks) :]
    mark = excel[1] if excel else best if count[best] else None
    if mark is None and len(lines[0].split()) > 1:
        rows = by_blanks(lines, folder or source.parent)
    else:
        rows = by_separator(lines, mark or ",", where)
    if not rows:
        raise UserError(f"{where} has no rows.")
    table, notes = pd.DataFrame(dict(enumerate(zip_longest(*rows, fillvalue="")))), []
    header = not any(FILE.search(cell) for cell in rows[0])
    if header:
        names, table = rows[0], table[1:].reset_index(drop=True)
    else:
        names = [str(place) for place in range(1, 1 + table.shape[1])]
        notes.append(NO_HEADER)
    if table.empty:
        raise UserError(f"{where} has no rows.")
    more = (table.iloc[:, len(names) :] != "").any(axis=1)
    if more.any():
        raise UserError(
            f"{where} cannot be read as a table: row {more.idxmax() + 1 + header} has more values than "
            f"the header has names ({len(names)})."
        )
    table, dropped = without_counters(table.iloc[:, : len(names)].set_axis(unique(names), axis=1))
    if mark not in (",", None):
        table = table.apply(decimal_points)
    return table, notes + dropped


def decode(source: Path) -> str:
    where = escape_control_chars(source)
    try:
        data = source.read_bytes()
        data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{where} cannot be read as a table: {reason}") from None
    kind = next((kind for start, kind in KINDS.items() if data.startswith(start)), "")
    if kind or images.begins_like_an_image(source):
        raise UserError(f"{where} is {kind or 'an image'} and no table: save its table as CSV.")
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{where} is not in UTF-8: save it as CSV in UTF-8.") from None


def by_separator(lines: list[str], mark: str, where: str) -> list[list[str]]:
    text = io.StringIO("\n".join(lines))
    try:
        rows = list(csv.reader(text, delimiter=mark, skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise UserError(f"{where} cannot be read as a table: {error}") from None
    return [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]


def by_blanks(lines: list[str], folder: Path) -> list[list[str]]:
    """Rows of words; a file's name may hold blanks, which the files or the longer rows tell."""
    names = {" ".join(path.name.split()): path.name for path in images.find(folder)}
    rows = [with_name(line.split(), names) for line in lines if line.strip()]
    width = min(map(len, rows))
    files = [i for row in rows if len(row) == width for i, c in enumerate(row) if FILE.search(c)]
    place = Counter(files).most_common(1)[0][0] if files else 0
    return [
        [*row[:place], " ".join(row[place : place + 1 + len(row) - width]),
         *row[place + 1 + len(row) - width :]] if len(row) > width else row
        for row in rows
    ]  # fmt: skip


def with_name(words: list[str], names: dict[str, str]) -> list[str]:
    """A row whose words up to one with a file's ending are one word, where a file is called so."""
    ends = [place for place, word in enumerate(words, 1) if FILE.search(word)]
    for first, end in [(i, j) for j in ends for i in range(j)]:  # the longest first
        folder, slash, name = " ".join(words[first:end]).rpartition("/")
        if name in names:
            *before, folder = folder.split() or [""]
            return [*words[:first], *before, folder + slash + names[name], *words[end:]]
    return words


def unique(names: list[str]) -> pd.Series:
    """A second column of the same name is called `name (2)`, one without a name `column 3`."""
    names = pd.Series(names, range(1, 1 + len(names)))
    nameless = (names == "") | names.str.lower().str.startswith("unnamed:")
    names = names.mask(nameless, "column " + names.index.astype(str))
    while (again := names.groupby(names).cumcount()).any():
        names = names.where(again == 0, names + " (" + (again + 1).astype(str) + ")")
    return names


def without_counters(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table without nameless columns that are empty or number the rows, and what was left out."""
    nameless = [name for place, name in enumerate(table, 1) if name == f"column {place}"]
    empty = [name for name in nameless if (table[name] == "").all()]
    counters = [name for name in nameless if numbers_rows(table[name])]
    said = "without a name, numbers the rows: left out."
    return table.drop(columns=empty + counters), [f"{c.capitalize()}, {said}" for c in counters]


def numbers_rows(values: pd.Series) -> bool:
    steps = pd.to_numeric(values, errors="coerce").diff().iloc[1:]
    return len(values) > 1 and bool((steps == 1).all())


def numbered_anyhow(table: pd.DataFrame) -> list[str]:
    """Nameless columns that number the rows in any order and with gaps, as pandas' index does; they may
    be the names of files as well."""
    nameless = [name for name in table if re.fullmatch(r"column \d+", name)]
    return [c for c in nameless if table[c].is_unique and table[c].str.fullmatch(COUNT).all()]


def decimal_points(values: pd.Series) -> pd.Series:
    """`3,5` becomes `3.5` where all values are numbers."""
    stated = values[~is_blank(values)]
    if stated.str.fullmatch(DECIMAL_COMMA).any() and stated.str.fullmatch(NUMBER).all():
        return values.str.replace(r"\.(?=\d{3}(\D|$))", "", regex=True).str.replace(",", ".")
    return values


def join(table: pd.DataFrame, other: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[str]]:
    """The table with the columns of another, by the columns that both have, and notes.

    Without common names, by the two columns whose values agree most, with or without the ending of a
    file, or where a part of a path is the other's value. A row for which the other has several becomes as many. Raises
    UserError where nothing is common, or both have several rows of one value.
    """
    where = escape_control_chars(name)
    names = by_plain(other)
    keys = [(column, names[plain(column)]) for column in table if plain(column) in names]
    keys = [(a, b) for a, b in keys if set(key_of(table[a])) & set(key_of(other[b]))]
    left = [key_of(table[a]) for a, _ in keys]
    if not keys:
        tried = {(a, b): known_part(table[a], set(key_of(other[b])))
                 for a in table for b in other if other[b].nunique() > 1}  # fmt: skip
        pair = max(tried, key=lambda pair: (tried[pair] != "").sum(), default=None)
        if pair is None or tried[pair][tried[pair] != ""].nunique() < min(2, len(table)):
            raise UserError(f"{where} and the table have no column in common to be joined by.")
        keys, left = [pair], [tried[pair]]
    left, right = one_key(left), one_key([key_of(other[b]) for _, b in keys])
    taken = {plain(column) for column in table}
    more = other[[c for c in other if plain(c) not in taken and c not in {b for _, b in keys}]]
    more = more.assign(**{"": right})[right != ""].drop_duplicates()
    several = {*left[left.duplicated()]} & {*more[""][more[""].duplicated()]}
    if several:
        raise UserError(f"{where} says different things of {escape_control_chars(min(several))}.")
    found = int(left.isin(more[""]).sum())
    joined = table.assign(**{"": left}).merge(more, on="", how="left").fillna("").drop(columns="")
    by = " and ".join(a for a, _ in keys)
    return joined, [f"{where} is joined by {by}: {found} of {len(table)} rows."]


def one_key(columns: list[pd.Series]) -> pd.Series:
    """Of several columns of keys one; `` where all are blank, which is like nothing."""
    parts = pd.concat(columns, axis=1)
    parts = parts.mask(parts.isin(BLANK), "")
    return parts.agg(", ".join, axis=1).where((parts != "").any(axis=1), "")


def known_part(values: pd.Series, known: set[str]) -> pd.Series:
    """What of each value is known: the whole, or the first part, `sub-01` of `sub-01/sub-01_2.png`; else ``."""
    parts = zip(key_of(values), values.str.lower().str.split(r"[/\\_]"), strict=True)
    found = [
        next((w for w in (key, *map(number_text, words)) if w in known), "") for key, words in parts
    ]
    return pd.Series(found, values.index)


def key_of(values: pd.Series) -> pd.Series:
    """Values as they are compared: `7` and `007.0` are one, `a/b.png` is `b`."""
    last = values.str.replace("\\", "/").str.rpartition("/")[2].str.replace(FILE, "", regex=True)
    return last.str.lower().map(number_text)
