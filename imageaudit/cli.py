"""The command `imageaudit`: does a dataset of any images give its classes away?"""

import argparse
import errno
import sys

from imageaudit import NOTICE
from imageaudit.errors import UserError, escape_control_chars
from imageaudit.io import listed

# a full disk, a limit, a folder that cannot be written, a file where a folder should be: no fault of the program
PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM,
         errno.EISDIR, errno.ENOTDIR, errno.EEXIST)  # fmt: skip
# of this command, and of any that calls it: what the value is, and help
OPTIONS = {row["option"]: (row["value"], row["help"]) for row in listed("options.csv")}
SOURCE = ("FOLDER|TABLE", "a folder per class, or a table with a row per image")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="imageaudit",
        description=f"Does a dataset of any images give its classes away? {NOTICE}",
        epilog="Ends with status 0 (no alarm), 3 (alarm) or 2 (cannot be audited: it says why).",
    )
    parser.add_argument("source", metavar=SOURCE[0], help=SOURCE[1])
    for name, (value, words) in OPTIONS.items():
        parser.add_argument(name, metavar=value, help=words)

    def work():
        from imageaudit.api import audit

        print(found := audit(**vars(parser.parse_args(arguments))))
        return found.status

    return status("imageaudit", work)


def status(program: str, work) -> int:
    """What `work()` returns, or 2 where a user or the machine has to mend something: it is told."""
    try:
        return work() or 0
    except UserError as error:
        told = str(error)
    except OSError as error:
        if error.errno not in PLACE:
            raise
        where = f": {error.filename}" if error.filename else ""
        told = f"{error.strerror}{where}. The same command goes on from here, once that is mended."
    # no terminal codes of a name or a file
    print(f"{program}:", "\n".join(map(escape_control_chars, told.split("\n"))), file=sys.stderr)
    return 2
