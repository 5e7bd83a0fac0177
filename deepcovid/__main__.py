"""The command line behind `run_all.sh`: one function per command, its help where it stands.

What is heavy, or may not be installed yet, is imported where it is used: `--help` needs Python only.
"""

import argparse
import errno
import os
import shlex
import sys
from pathlib import Path

from deepcovid import runs
from deepcovid.runs import NOTICE, ROOT, UserError, near_miss

PROFILES = ROOT / "profiles"
# a full disk, a limit, a folder that cannot be written: no fault of the program
PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
COMMANDS = {}  # name: the function and what it takes
EPILOG = """
examples:
  ./run_all.sh
  ./run_all.sh paper -p data ~/covid-xray-5k -p models squeezenet -p weights ~/weights
  ./run_all.sh paper -p seeds 0,1,2 --cores 8
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


def usable_cores() -> int:
    """The cores that this process may use; macOS does not tell, there it is all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
    argument("--cores", type=cores, default=usable_cores(), help="CPU cores (default: all)"),
    argument(
        "--snakemake",
        type=shlex.split,
        default=[],
        metavar="OPTIONS",
        help="further options for Snakemake, e.g. '--executor slurm --jobs 8'",
    ),
)
PROFILE = argument("profile", metavar="PROFILE", help="a profile's name, or a YAML file")


@command(argument("archive", nargs="?", metavar="ARCHIVE", help="another address, or a local file"))
def obtain(args) -> None:
    """Download the released archive and unpack it to the folder of -p data FOLDER."""
    from deepcovid.data import archive

    print("Unpacked to", archive.obtain(data_folder(args), args.archive or archive.ADDRESS))


@command(
    argument(
        "covid_chestxray",
        metavar="COVID_CHESTXRAY",
        help="a covid-chestxray-dataset checkout",
    ),
    argument("chexpert", metavar="CHEXPERT", help="a CheXpert-v1.0-small folder"),
)
def build(args) -> None:
    """Build the release's lists from its two raw sources, to the folder of -p data FOLDER."""
    from deepcovid.data import sources

    print(sources.build(Path(args.covid_chestxray), Path(args.chexpert), data_folder(args)))


@command()
def verify(args) -> int:
    """Compare the copy of COVID-Xray-5k in -p data FOLDER with the release, image by image."""
    from deepcovid.data import verify

    found = verify.verify(data_folder(args))
    print(found)
    return int(not found.sound)


@command(*HOW)
def ablation(args) -> int:
    """Train the cells of notebook 06's ablation, each once, in parallel parts; to runs/ablation/."""
    from deepcovid import workflow
    from deepcovid.failure import design

    args.overrides.setdefault("models", sorted({cell["backbone"] for cell in design.plan()}))
    # the recipes that the ablation varies differ from the released one
    goal = {"goal": "ablation", "made": "../ablation/ablation.csv"}
    return workflow.run("released", args.overrides, args.cores, args.snakemake, **goal)


@command(PROFILE)
def outside(args) -> None:
    """Judge the models of a finished run on the images in -p external FOLDER (covid|non)."""
    from deepcovid.models.opened import Run
    from deepcovid.shortcuts import external

    folder = args.overrides.pop("external", None)
    if folder is None:
        raise UserError(f"Say which folder: ./run_all.sh outside {args.profile} -p external FOLDER")
    opened = Run.open(args.profile, args.overrides)
    print("The results are in", external.outside(opened, Path(folder)))


@command(
    PROFILE,
    argument("--to", type=Path, metavar="FOLDER", help="write there, not to results/PROFILE"),
    argument("--replace", action="store_true", help="replace what is there"),
    argument(
        "--only", choices=["fair_test"], help="notebook 08's tables alone, to results/fair_test"
    ),
)
def publish(args) -> None:
    """Copy a run's tables and plots (no radiograph, no weights) to results/."""
    from deepcovid.models.opened import Run
    from deepcovid.report import publish

    opened = Run.open(args.profile, args.overrides)
    do = publish.publish_fair_test if args.only else publish.publish
    print("Published to", do(opened, args.to, args.replace))


@command()
def redraw(args) -> None:
    """Draw the plots in results/ anew from the tables beside them."""
    from deepcovid.report import drawn

    print(*drawn.redraw_all(), sep="\n")


@command(argument("names", nargs="*", metavar="NOTEBOOK", help="its name (default: all)"))
def notebooks(args) -> None:
    """Execute the committed notebooks in place, after a change."""
    from deepcovid.report import notebooks

    notebooks.refresh(*args.names)


@command(argument("folder", nargs="?", type=Path, metavar="FOLDER", help="default: runs/site"))
def site(args) -> None:
    """Build the study's site, findings first, from the committed notebooks and results."""
    from deepcovid.report import site

    print("Read", site.build(args.folder))


@command(
    argument("--port", type=int, help="default: one that is free"),
    argument("--no-browser", action="store_true", help="only say where it is"),
)
def lab(args) -> None:
    """Open JupyterLab at the overview, on this machine only; says where."""
    from deepcovid.report import lab

    lab.start(args.port, not args.no_browser)


def run(args) -> int:
    """Run a profile: all its notebooks."""
    from deepcovid import workflow

    return workflow.run(args.command, args.overrides, args.cores, args.snakemake)


def data_folder(args) -> Path:
    if "data" not in args.overrides:
        raise UserError(f"Say which folder: ./run_all.sh {args.command} -p data FOLDER")
    return Path(args.overrides["data"])


def about(profile: Path) -> str:
    """What a profile is: its first comment line."""
    return profile.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def parser(*files: str) -> Parser:
    """The parser of all commands and profiles, and of profile files that are elsewhere."""
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


def parse(words: list[str]) -> argparse.Namespace:
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
    args, rest = parser(*own).parse_known_args(words)
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


def main(arguments: list[str] | None = None) -> int:
    try:
        args = parse(sys.argv[1:] if arguments is None else arguments)
        if args.runs:
            runs.RUNS = Path(args.runs).absolute()
            os.environ["DEEPCOVID_RUNS"] = str(runs.RUNS)  # for the processes that do the work
        from deepcovid import profiles

        args.overrides = profiles.check(dict(args.overrides), "-p", Path.cwd())
        return args.function(args) or 0
    except UserError as error:
        lines = map(runs.shown, str(error).split("\n"))  # no terminal codes of a name or a file
        print("deepcovid: " + "\n".join(lines), file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in PLACE:
            raise
        where = f": {runs.shown(error.filename)}" if error.filename else ""
        print(f"deepcovid: {error.strerror}{where}. The same command goes on from here, once "
              "that is mended.", file=sys.stderr)  # fmt: skip
        return 2
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
