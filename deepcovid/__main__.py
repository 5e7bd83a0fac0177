"""The command line behind `run_all.sh`: the parser that knows all commands and profiles.

What is heavy, or may not be installed yet, is imported where it is used: `--help` needs Python only.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path

from deepcovid import commands, runs
from deepcovid.runs import NOTICE, ROOT, UserError, did_you_mean
from imageaudit.cli import OPTIONS, PLACE, SOURCE

PROFILES = ROOT / "profiles"
RENAMED = {"outside": "external", "fair_folder": "fair-data"}  # commands
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


def cores(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1")
    return int(text)


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
    shared, work = settings_options(), workflow_options()

    def add(function, *options, name="", text=""):
        text = text or function.__doc__
        name = name or function.__name__
        made = names.add_parser(name, help=text, description=text, parents=[shared, *options])
        made.set_defaults(function=function)
        return made.add_argument

    for path in sorted(PROFILES.glob("*.yaml")):  # its first comment line says what it is
        text = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        add(commands.run_profile, work, name=path.stem, text=text)
    for name in files:
        add(commands.run_profile, work, name=name, text=f"The profile in {name}.")
    add_data_commands(add)
    add_run_commands(add, work)
    return top


def settings_options() -> Parser:
    result = Parser(add_help=False)
    result.add_argument(
        "-p", nargs=2, action="append", default=[], dest="overrides", metavar=("SETTING", "VALUE"),
        help="override a setting of the profile; repeatable",
    )  # fmt: skip
    result.add_argument("--runs", metavar="FOLDER", help="where runs are written (default: runs/)")
    return result


def workflow_options() -> Parser:
    result = Parser(add_help=False)
    result.add_argument("--cores", type=cores, metavar="N", help="CPU cores (default: all)")
    result.add_argument(
        "--cluster", metavar="NAME",
        help="run each step as a job of a cluster: slurm, or a folder like profiles/cluster/slurm",
    )  # fmt: skip
    result.add_argument(
        "--snakemake", type=shlex.split, default=[], metavar="OPTIONS",
        help="further options for Snakemake, e.g. '--dry-run'",
    )  # fmt: skip
    return result


def add_data_commands(add) -> None:
    """The commands that bring images, or look at them."""
    add(commands.obtain)("what", nargs="?", metavar="WHAT", help="all, or an origin of docs/data.md; or another "
                "address of the release's archive, or a local file")  # fmt: skip
    add(commands.pack)("originals", type=Path, metavar="ORIGINALS", help="a folder of `obtain all`")
    add(commands.verify)
    argument = add(commands.audit)
    argument("source", metavar=SOURCE[0], help=SOURCE[1])
    for name, (value, text) in OPTIONS.items():
        argument(name, metavar=value, help=text)


def add_run_commands(add, work: Parser) -> None:
    """The commands that make something of runs or of what is committed."""
    profile = Parser(add_help=False)
    profile.add_argument("profile", metavar="PROFILE", help="a profile's name, or a YAML file")
    add(commands.ablation, work)
    add(commands.external, profile)
    argument = add(commands.fair_data, profile, name="fair-data")
    argument("folder", type=Path, metavar="FOLDER", help="the data folder that is made")
    argument(
        "--collection-only", action="store_true", help="without the run's own Non-COVID images"
    )
    argument = add(commands.publish)
    argument("profile", nargs="?", default="real", metavar="PROFILE", help="default: real")
    argument("--to", type=Path, metavar="FOLDER", help="write there, not to results/PROFILE")
    argument("--replace", action="store_true", help="replace what is there")
    argument("--only", choices=["models", "fair_test"],
             help="models: of a run as far as notebook 04; fair_test: notebook 08's, to results/PROFILE/fair_test")  # fmt: skip
    add(commands.redraw)
    add(commands.notebooks)("names", nargs="*", metavar="NOTEBOOK", help="its name (default: all)")
    add(commands.site)("folder", nargs="?", type=Path, metavar="FOLDER", help="default: runs/site")
    add(commands.article)(
        "pdf", nargs="?", type=Path, metavar="PDF", help="default: article/article.pdf"
    )
    argument = add(commands.lab)
    argument("--port", type=int, help="default: one that is free")
    argument("--no-browser", action="store_true", help="only say where it is")


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
    own = words[:1] if words[0].endswith((".yaml", ".yml")) else []
    made = parser(*own)
    known = made._subparsers._group_actions[0].choices
    if words[0] in RENAMED:
        raise UserError(f"The command {words[0]} is called {RENAMED[words[0]]} now.")
    if words[0] not in (*known, "-h", "--help"):
        meant = (
            did_you_mean(words[0], known) or f" There are: {', '.join(known)}, and files NAME.yaml."
        )
        raise UserError(f"There is no profile and no command '{words[0]}'.{meant}")
    args, rest = made.parse_known_args(words)
    if rest:
        refuse(rest[0], args)
    return args


def refuse(word: str, args: argparse.Namespace) -> None:
    """Raise UserError for a word that the command does not take."""
    hint = " A profile or command comes first."
    if word.startswith("-"):
        hint = did_you_mean(word, [f"--{name}" for name in vars(args)])
    elif args.overrides:
        name, value = args.overrides[-1]
        hint = f" Several values are one word, with commas: -p {name} {value},{word}"
    raise UserError(f"{args.command} takes no '{word}'.{hint} (./run_all.sh {args.command} --help)")


def main(words: list[str] | None = None) -> int:
    try:
        args = parse(sys.argv[1:] if words is None else words)
        if args.runs:
            runs.RUNS = Path(args.runs).absolute()
            os.environ["DEEPCOVID_RUNS"] = str(runs.RUNS)  # for the processes that do the work
        if not os.access(Path.home(), os.W_OK):  # in a container: caches and Jupyter need a place
            os.environ["HOME"] = str(runs.RUNS / ".home")
        from deepcovid import profiles

        args.overrides = profiles.check(dict(args.overrides), "-p", Path.cwd())
        return args.function(args) or 0
    except UserError as error:
        lines = map(
            runs.escape_control_chars, str(error).split("\n")
        )  # no terminal codes of a name or a file
        print("deepcovid: " + "\n".join(lines), file=sys.stderr)
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
