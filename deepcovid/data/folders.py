"""A data folder: `train|test / covid|non`, and how one is made whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepcovid.runs import UserError, escape_control_chars

SPLITS, CLASSES = ("train", "test"), ("covid", "non")


def refuse_existing(folder: Path) -> None:
    """Raise UserError unless `folder` is absent or empty."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(
            f"{escape_control_chars(folder)} is there already: remove it or name another folder."
        )


@contextmanager
def made_whole(folder: Path, replace: bool = False) -> Iterator[Path]:
    """A temporary folder on the disk of `folder`, which it becomes once all went well.

    Raises UserError where there is already something in `folder`, unless to `replace` it.
    """
    if not replace:
        refuse_existing(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
    try:
        yield room
        room.chmod(0o755)  # a temporary folder is its owner's alone
        if folder.is_dir():  # not every system moves onto an empty folder
            shutil.rmtree(folder)
        room.rename(folder)
    finally:
        shutil.rmtree(room, ignore_errors=True)
