"""Files are written whole or not at all; tables, JSON, and digests of what a result was made from."""

import ast
import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from deepcovid.errors import UserError, escape_control_chars


@contextmanager
def atomic_write(path: Path):
    """Yield a temporary path beside `path`, which it replaces only once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix=path.suffix)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write `text` so that a reader sees the old file or the new one, never a half."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, data) -> Path:
    return write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path):
    """What a JSON file holds; UserError where it holds none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # also wrong encodings
        raise UserError(
            f"{path} is no whole JSON file ({escape_control_chars(error)}): remove it, and run what made it again."
        ) from None


def write_csv(path: Path, table, **how) -> Path:
    """Write a pandas table without its index, `how` as `to_csv` takes it."""
    with atomic_write(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n", **how)
    return path


def read_table(path: Path, required=(), **how):
    """A CSV file as pandas' table, `how` as `pandas.read_csv` takes it.

    UserError where it is none, or lacks one of the `required` columns.
    """
    import pandas as pd  # the command line asks for help without it

    try:
        table = pd.read_csv(path, **how)
    except UnicodeDecodeError:
        raise UserError(f"{path} cannot be read as a table: it is not in UTF-8.") from None
    except (ValueError, OSError, OverflowError) as error:
        reason = escape_control_chars(" ".join(str(error).split()))
        raise UserError(f"{path} cannot be read as a table: {reason}.") from None
    if missing := [name for name in required if name not in table]:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}.")
    return table


def digest(data) -> str:
    """Sixteen hex digits that stand for JSON-able `data`."""
    text = json.dumps(data, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def code_digest(*modules) -> str:
    """Stands for the code of `modules`; comments and layout do not count."""
    return digest([ast.dump(ast.parse(Path(m.__file__).read_text("utf-8"))) for m in modules])


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_fresh(path: Path, made_from: str) -> bool:
    """Is `path` there, and was it made from what `made_from` stands for?"""
    stamp = path.with_name(path.name + ".made-from")
    return path.exists() and stamp.exists() and stamp.read_text() == made_from


def write_stamp(path: Path, made_from: str) -> None:
    write_text(path.with_name(path.name + ".made-from"), made_from)
