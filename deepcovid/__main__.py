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
from imageaudit.cli import PLACE

PROFILES = ROOT / "profiles"
EPILOG = """
examples:
  ./run_all.sh
  ./run_all.sh paper -p data ~/covid-xray-5k -p models squeezenet -p weights ~/weights
  ./run_all.sh paper -p seeds 0,1,2 --cores 8
  ./run_all.sh paper -p seeds 0,1,2 --cluster slurm
  ./run_all.sh robust -p data ~/covid-xray-5k -p external ~/other-hospital
  ./run_all.sh real -p data ~/covid-xray-5k -p external ~/other-hospital -p weights ~/weights
  ./run_all.sh my/own.yaml

Without a name it is demo. On the first call the pinned dependencies are installed into .venv, unless
an environment that has them is active. A second call does only what is missing or out of date. A run
writes to runs/PROFILE; open runs/PROFILE/index.html. The settings that -p takes are explained in
profiles/paper.yaml. ./run_all.sh NAME --help explains a profile or command."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong by a UserError, as all of the program does."""

    def __init__(self, **settings):
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message):
        raise UserError(f"{message} ({self.prog} --help)")


OVERRIDES = argument(
    "-p", nargs=2, action="append", default=[], dest="overrides", metavar=("SETTING", "VALUE"),
    help="override a setting of the profile; repeatable",
)  # fmt: skip


def parser(*files: str) -> Parser:
    """The parser of all commands and profiles, and of profile files that are elsewhere."""
    top = Parser(
        prog="./run_all.sh",
        usage="./run_all.sh [NAME] [-p SETTING VALUE] [OPTIONS]",
        description=f"Run the deepcovid study, notebook by notebook. {NOTICE}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = top.add_subparsers(
        dest="command", metavar="NAME", prog=top.prog, title="profiles and commands"
    )

    def add(name, text, function, arguments):
        made = names.add_parser(name, help=text, description=text)
        made.set_defaults(function=function)
        for flags, settings in (OVERRIDES, *arguments):
            made.add_argument(*flags, **settings)

    profiles = {name: f"The profile in {name}." for name in files}
    for path in sorted(PROFILES.glob("*.yaml")):  # its first comment line says what it is
        profiles[path.stem] = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
    for name, text in profiles.items():
        add(name, text, run_profile, WORK)
    for name, (function, arguments) in COMMANDS.items():
        add(name, function.__doc__, function, arguments)
    return top


def parse(words: list[str]) -> argparse.Namespace:
    """What was typed: `command`, its `function`, `overrides` (pairs of text), and its own arguments.

    Raises UserError that says what to type instead.
    """
    words = list(words)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words.insert(0, "demo")
    while "--snakemake" in words[:-1]:  # its value begins with `-` itself
        at = words.index("--snakemake")
        words[at : at + 2] = [f"--snakemake={words[at + 1]}"]
    return parser(*words[: words[0].endswith((".yaml", ".yml"))]).parse_args(words)


def main(words: list[str] | None = None) -> int:
    try:
        args = parse(sys.argv[1:] if words is None else words)
        if not os.access(Path.home(), os.W_OK):  # in a container: caches and Jupyter need a place
            os.environ["HOME"] = str(runs.RUNS / ".home")
        from deepcovid import profiles

        args.overrides = profiles.check(dict(args.overrides), "-p", Path.cwd())
        return args.function(args) or 0
    except UserError as error:
        # no terminal codes of a name or a file
        print(
            "deepcovid:",
            "\n".join(map(runs.escape_control_chars, str(error).split("\n"))),
            file=sys.stderr,
        )
        return 2
    except OSError as error:
        if error.errno not in PLACE:
            raise
        where = f": {runs.escape_control_chars(error.filename)}" if error.filename else ""
        print(f"deepcovid: {error.strerror}{where}. The same command goes on from here, once "
              "that is mended.", file=sys.stderr)  # fmt: skip
        return 2
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
