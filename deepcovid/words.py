"""What was typed after `run_all.sh`: commands, profiles, settings and options, told apart.

Needs nothing but Python, so that `--help` works before anything is installed.
"""

import argparse
import shlex
from pathlib import Path

from deepcovid.runs import NOTICE, ROOT, UserError, near_miss

PROFILES = ROOT / "profiles"
COMMANDS = {}  # name: the function and what it takes
EPILOG = """
examples:
  ./run_all.sh
  ./run_all.sh paper -p data ~/covid-xray-5k -p models squeezenet -p weights ~/weights
  ./run_all.sh paper -p seeds 0,1,2 --cores 8
  ./run_all.sh paper -p seeds 0,1,2 --cluster slurm
  ./run_all.sh robust -p data ~/covid-xray-5k -p external ~/other-hospital
  ./run_all.sh my/own.yaml

On the first call the pinned dependencies are installed into .venv, unless an environment that has
them is active. A second call does only what is missing or out of date. A run writes to
runs/PROFILE; open runs/PROFILE/index.html. The settings that -p takes are explained in
profiles/paper.yaml."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong by a UserError, as all of the program does."""

    def error(self, message):
        raise UserError(f"{message}. Type: {self.usage or self.format_usage()}")


def argument(*names, **settings):
    return names, settings


def command(*arguments):
    """Make a function a command of its name; the first line of its docstring is its help."""

    def add(function):
        COMMANDS[function.__name__] = function, arguments
        return function

    return add


def setting(text: str) -> tuple[str, str]:
    name, _, value = text.partition("\0")
    return name, value


def cores(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"is '{text}', but must be a whole number from 1")
    return int(text)


SETTINGS = argument(
    "-p",
    action="append",
    default=[],
    type=setting,
    dest="overrides",
    metavar="NAME VALUE",
    help="override a setting of the profile; repeatable",
)
RUNS = argument("--runs", metavar="FOLDER", help="where runs are written (default: runs/)")
HOW = (
    argument("--cores", type=cores, help="CPU cores (default: all)"),
    argument(
        "--cluster",
        metavar="NAME",
        help="run each step as a job of a cluster: slurm, or a folder like profiles/cluster/slurm",
    ),
    argument(
        "--snakemake",
        type=shlex.split,
        default=[],
        metavar="OPTIONS",
        help="further options for Snakemake, e.g. '--dry-run'",
    ),
)
PROFILE = argument("profile", metavar="PROFILE", help="a profile's name, or a YAML file")


def about(profile: Path) -> str:
    """What a profile is: its first comment line."""
    return profile.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def parser(run, *files: str) -> Parser:
    """The parser of all commands and profiles, and of profile files that are elsewhere.

    `run` is the function that runs a profile.
    """
    profiles = {path.stem: about(path) for path in sorted(PROFILES.glob("*.yaml"))}
    commands = {name: function.__doc__ for name, (function, _) in COMMANDS.items()}
    lists = ["\n".join(f"  {k:14}{v}" for k, v in told.items()) for told in (profiles, commands)]
    result = Parser(
        prog="./run_all.sh",
        usage="./run_all.sh [PROFILE or COMMAND] [-p NAME VALUE] [OPTIONS]",
        description=f"Run the deepcovid study, notebook by notebook. {NOTICE}\n\n"
        f"profiles, of which demo is run if none is named:\n{lists[0]}\n\n"
        f"commands:\n{lists[1]}\n\n./run_all.sh NAME --help tells what a profile or command takes.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = result.add_subparsers(dest="command", help=argparse.SUPPRESS)
    for name, (function, arguments) in COMMANDS.items():
        add(parts, name, commands[name], function, arguments)
    for name in (*profiles, *files):
        add(parts, name, profiles.get(name, f"The profile in {name}."), run, HOW)
    return result


def add(parts, name: str, text: str, function, arguments) -> None:
    taken = [told for names, told in arguments if not names[0].startswith("-")]
    words = [f"[{t['metavar']}]" if t.get("nargs") else t["metavar"] for t in taken]
    usage = " ".join(["./run_all.sh", name, *words, "[-p NAME VALUE] [OPTIONS]"])
    part = parts.add_parser(name, usage=usage, description=text, allow_abbrev=False)
    for names, told in (*arguments, SETTINGS, RUNS):
        part.add_argument(*names, **told)
    part.set_defaults(function=function)


def tidied(words: list[str]) -> list[str]:
    """The command first, and each option in one word with its values, which may begin with `-`."""
    told = [a for _, arguments in COMMANDS.values() for a in (*arguments, RUNS)]
    takes_one = {name for names, how in told for name in names if "action" not in how}
    result, command, words = [], None, list(words)
    while words:
        word = words.pop(0)
        if word == "-p":
            name, value = (*words[:2], "", "")[:2]
            if not value or "=" in name:
                name, _, other = name.partition("=")
                raise UserError(f"Say -p {name or 'NAME'} {other or 'VALUE'}")
            result.append(f"-p{name}\0{value}")
            words = words[2:]
        elif word.startswith("-") and word in takes_one:
            if not words:
                raise UserError(f"Say {word} with its value")
            result.append(f"{word}={words.pop(0)}")
        elif command is None and not word.startswith("-"):
            command = word
        else:
            result.append(word)
    if command is None and {"-h", "--help"} & {*result}:
        return ["--help"]
    return [command or "demo", *result]


def parse(words: list[str], run) -> argparse.Namespace:
    """What was typed: `command`, its `function`, `overrides` (pairs of text), and its own arguments.

    Raises UserError that says what to type instead.
    """
    words = tidied(words)
    known = [*COMMANDS, *(path.stem for path in PROFILES.glob("*.yaml"))]
    own = [words[0]] if words[0].endswith((".yaml", ".yml")) else []
    if words[0] not in (*known, *own, "--help"):
        name, equals, value = words[0].partition("=")
        if equals:
            raise UserError(f"Say -p {name} {value}")
        meant = near_miss(name, known) or f" There are: {', '.join(known)}, and files NAME.yaml."
        raise UserError(
            f"There is no command and no profile '{name}'.{meant} (./run_all.sh --help)"
        )
    args, rest = parser(run, *own).parse_known_args(words)
    if rest:
        refuse(rest[0], args)
    return args


def refuse(word: str, args: argparse.Namespace) -> None:
    """Raise UserError for a word that the command does not take."""
    name, equals, value = word.partition("=")
    if word.startswith("-"):
        known = [f"--{key}" for key in (*vars(args), "help")]
        told = f"{args.command} takes no option {name}.{near_miss(name, known)}"
    elif equals:
        told = f"Say -p {name} {value}"
    else:
        told = f"'{word}' is one argument too many."
        last, before = [("", ""), *args.overrides][-1]
        if last in ("models", "seeds", "preparation"):
            told += f" Several values are one word, with commas: -p {last} {before},{word}"
    raise UserError(f"{told} (./run_all.sh {args.command} --help)")
