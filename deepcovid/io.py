"""Files are written whole or not at all; tables, JSON, and digests of what a result was made from."""

import ast
import json
import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from imageaudit.errors import UserError, escape_control_chars
from imageaudit.io import atomic_write, digest, file_digest, write_json, write_text


def rounded(data):
    """`data` as JSON has it: no NaN, no numpy, floats to 4 places."""
    if hasattr(data, "tolist"):  # NumPy's, which the command line does without
        data = data.tolist()
    if isinstance(data, dict):
        return {str(key): rounded(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [rounded(value) for value in data]
    if isinstance(data, float):
        return round(data, 4) if math.isfinite(data) else None
    return data


def read_json(path: Path):
    """What a JSON file holds; UserError where it holds none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # also wrong encodings
        raise UserError(
            f"{path} is no whole JSON file ({escape_control_chars(error)}): remove it, and run what "
            "made it again."
        ) from None


def refuse_existing(folder: Path) -> None:
    """Raise UserError unless `folder` is absent or empty."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"{folder} is there already: remove it or name another folder.")


@contextmanager
def atomic_folder(folder: Path, replace: bool = False) -> Iterator[Path]:
    """A temporary folder on the disk of `folder`, which it becomes once all went well.

    Raises UserError where there is already something in `folder`, unless to `replace` it.
    """
    if not replace:
        refuse_existing(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
    try:
        yield partial
        partial.chmod(0o755)  # a temporary folder is its owner's alone
        if folder.is_dir():  # not every system moves onto an empty folder
            shutil.rmtree(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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
    except (ValueError, OSError, OverflowError) as error:
        reason = escape_control_chars(" ".join(str(error).split()))
        raise UserError(f"{path} cannot be read as a table: {reason}.") from None
    if missing := [name for name in required if name not in table]:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}.")
    return table


def code_digest(*modules) -> str:
    """Stands for the code of `modules`, or of their files; comments and layout do not count."""
    files = [Path(getattr(module, "__file__", module)) for module in modules]
    return digest([_code(file, file.stat().st_mtime_ns) for file in files])


@cache
def _code(file: Path, changed: int) -> str:
    return digest(ast.dump(ast.parse(file.read_text("utf-8"))))


def is_fresh(path: Path, made_from: str) -> bool:
    """Is `path` there, and was it made from what `made_from` stands for?"""
    stamp = path.with_name(path.name + ".made-from")
    return path.exists() and stamp.exists() and stamp.read_text() == made_from


def write_stamp(path: Path, made_from: str) -> None:
    write_text(path.with_name(path.name + ".made-from"), made_from)


def cached_table(path: Path, made_from: str, make, **how):
    """A table that is there and fresh, or else made by `make()`, and written, `how` as `write_csv`."""
    if not is_fresh(path, made_from):
        path.with_name(path.name + ".made-from").unlink(
            missing_ok=True
        )  # no half-written pair counts
        write_csv(path, make(), **how)
        write_stamp(path, made_from)
    return read_table(path)


def lock(path: Path):
    """Holds what `path` stands for against other processes; a killed one lets go of it."""
    from filelock import FileLock  # `--help` does without

    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(f".{path.name}.lock"))
