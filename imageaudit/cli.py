"""The command `imageaudit`: does a dataset of any images give its classes away?"""

import argparse
import errno
import sys

from imageaudit import NOTICE
from imageaudit.errors import UserError, escape_control_chars
from imageaudit.io import listed

# a full disk, a limit, a folder that cannot be written: no fault of the program
PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
# of this command, and of any that calls it: what the value is, and help
OPTIONS = {row["option"]: (row["value"], row["help"]) for row in listed("options.csv")}
SOURCE = ("FOLDER|TABLE", "a folder per class, or a table with a row per image")


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="imageaudit",
        description=f"Does a dataset of any images give its classes away? {NOTICE}",
        epilog="Ends with status 0 (no alarm), 3 (alarm) or 2 (cannot be audited: it says why).",
    )
    result.add_argument("source", metavar=SOURCE[0], help=SOURCE[1])
    for name, (value, words) in OPTIONS.items():
        result.add_argument(name, metavar=value, help=words)
    return result


def main(arguments: list[str] | None = None) -> int:
    given = vars(parser().parse_args(arguments))
    try:
        from imageaudit.api import audit

        print(found := audit(**given))
        return found.status
    except UserError as error:
        lines = map(escape_control_chars, str(error).split("\n"))
        print("imageaudit: " + "\n".join(lines), file=sys.stderr)
    except OSError as error:
        if error.errno not in PLACE:
            raise
        where = f": {escape_control_chars(error.filename)}" if error.filename else ""
        print(f"imageaudit: {error.strerror}{where}. The same command goes on from here, once that "
              "is mended.", file=sys.stderr)  # fmt: skip
    return 2
