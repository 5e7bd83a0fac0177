"""The command line behind `run_all.sh`: the parser that knows all commands and profiles.

What is heavy, or may not be installed yet, is imported where it is used: `--help` needs Python only.
"""

import argparse
import os
import sys
from pathlib import Path

from deepcovid import runs
from deepcovid.commands import COMMANDS, WORK, argument, run_profile
from deepcovid.runs import NOTICE, ROOT, UserError
from imageaudit.cli import status

PROFILES = ROOT / "profiles"
EPILOG = """
examples:
  ./run_all.sh
  ./run_all.sh paper -p data ~/covid-xray-5k -p models squeezenet -p weights ~/weights
  ./run_all.sh paper -p seeds 0,1,2 --cores 8
  ./run_all.sh paper -p seeds 0,1,2 --cluster slurm
  ./run_all.sh robust -p data ~/covid-xray-5k -p external ~/other-hospital
  ./run_all.sh real -p data ~/covid-xray-5k -p external ~/other-hospital -p weights ~/weights

Without a name it is demo. On the first call the pinned dependencies are installed into .venv, unless
an environment that has them is active. A second call does only what is missing or out of date. A run
writes to runs/PROFILE; open runs/PROFILE/index.html. The settings that -p takes are explained in
profiles/paper.yaml. ./run_all.sh NAME --help explains a profile or command."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong by a UserError, as all of the program does."""

    def error(self, message):
        raise UserError(f"{message} ({self.prog} --help)")


OVERRIDES = argument(
    "-p", nargs=2, action="append", default=[], dest="overrides", metavar=("SETTING", "VALUE"),
    help="override a setting of the profile; repeatable",
)  # fmt: skip


def parser() -> Parser:
    """The parser of all commands and profiles."""
    top = Parser(
        prog="./run_all.sh",
        usage="./run_all.sh [NAME] [-p SETTING VALUE] [OPTIONS]",
        description=f"Run the deepcovid study, notebook by notebook. {NOTICE}",
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = top.add_subparsers(
        dest="command", metavar="NAME", prog=top.prog, title="profiles and commands"
    )

    def add(name, text, function, arguments):
        made = names.add_parser(name, help=text, description=text, allow_abbrev=False)
        made.set_defaults(function=function)
        for flags, settings in (OVERRIDES, *arguments):
            made.add_argument(*flags, **settings)

    for path in sorted(PROFILES.glob("*.yaml")):  # its first comment line says what it is
        text = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        add(path.stem, text, run_profile, WORK)
    for name, (function, arguments) in COMMANDS.items():
        add(name, function.__doc__, function, arguments)
    return top


def parse(words: list[str]) -> argparse.Namespace:
    """What was typed: `command`, its `function`, `overrides` (pairs of text), and its own arguments.

    Raises UserError that says what to type instead.
    """
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words = ["demo", *words]
    return parser().parse_args(words)


def main(words: list[str] | None = None) -> int:
    def work():
        args = parse(sys.argv[1:] if words is None else words)
        if not os.access(Path.home(), os.W_OK):  # in a container: caches and Jupyter need a place
            os.environ["HOME"] = str(runs.RUNS / ".home")
        from deepcovid import profiles

        args.overrides = profiles.check(dict(args.overrides), "-p", Path.cwd())
        return args.function(args)

    try:
        return status("deepcovid", work)
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
