"""The command line behind `run_all.sh`: the parser that knows all commands and profiles.

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
profiles/paper.yaml. ./run_all.sh NAME --help explains a profile or command.
"""

# What is heavy, or may not be installed yet, is imported where it is used: `--help` needs Python only.

import argparse
import os
import sys
from pathlib import Path

from deepcovid import runs
from deepcovid.runs import NOTICE, ROOT, UserError
from imageaudit.cli import OPTIONS, SOURCE, status

PROFILES = ROOT / "profiles"
COMMANDS = {}  # a name: what it says of itself, its function, and the arguments that it takes


def argument(*names: str, **settings) -> tuple:
    """An argument of a command, as argparse's `add_argument` takes it."""
    return names, settings


OVERRIDES = argument(
    "-p", nargs=2, action="append", default=[], dest="overrides", metavar=("SETTING", "VALUE"),
    help="override a setting of the profile; repeatable",
)  # fmt: skip
WORK = (  # arguments of what Snakemake makes
    argument("--cores", type=int, metavar="N", help="CPU cores (default: all)"),
    argument("--cluster", metavar="NAME",
             help="run each step as a job of a cluster: slurm, or a folder like profiles/cluster/slurm"),
    argument("--snakemake", nargs=argparse.REMAINDER, default=[], metavar="OPTIONS",
             help="all that follows is for Snakemake: --snakemake --dry-run"),
)  # fmt: skip


def command(*arguments):
    """Make a function a command of its name."""

    def add(function):
        COMMANDS[function.__name__] = function.__doc__, function, arguments
        return function

    return add


def run_profile(args, goal="all") -> int:
    from deepcovid import workflow

    given = args.overrides, args.cores, args.snakemake, args.cluster
    return workflow.run(args.command, *given, goal)


@command(
    argument("what", nargs="?", metavar="WHAT", help="all, or an origin of docs/data.md; or another "
             "address of the release's archive, or a local file")
)  # fmt: skip
def obtain(args) -> None:
    """Download the images: the release's archive, or the originals of all or one of the origins."""
    from deepcovid.data import originals

    folder, names = data_folder(args), originals.origins().index
    if args.what == "all" or args.what in names:
        print(originals.obtain(folder, *(names if args.what == "all" else [args.what])))
    else:
        print("Unpacked to", originals.obtain_release(folder, args.what or originals.ADDRESS))


@command(argument("originals", type=Path, metavar="ORIGINALS", help="a folder of `obtain all`"))
def pack(args) -> None:
    """Make the files that the study used of the originals in a folder, to that of -p data FOLDER."""
    from deepcovid.data import pack

    print(pack.report(pack.pack(args.originals, data_folder(args))))


@command()
def verify(args) -> int:
    """Compare the images in -p data FOLDER, COVID-Xray-5k or all, with those that the study used."""
    from deepcovid.data import pack

    print(pack.report(found := pack.verify(data_folder(args))))
    return int(not pack.is_whole(found))


@command(*WORK)
def ablation(args) -> int:
    """Train the cells of notebook 06's ablation, each once, in parallel jobs; to runs/released/."""
    from deepcovid.failure import design

    args.overrides.setdefault("models", sorted({cell["backbone"] for cell in design.plan()}))
    # the recipes that the ablation varies differ from the released one
    args.command = "released"
    return run_profile(args, goal="ablation.csv")


@command(
    argument("profile", nargs="?", default="real", metavar="PROFILE", help="default: real"),
    argument("--to", type=Path, metavar="FOLDER", help="write there, not to results/PROFILE"),
    argument("--replace", action="store_true", help="replace what is there"),
)  # fmt: skip
def publish(args) -> None:
    """Copy a run's, or a study's, tables (no radiograph, no weights) to results/."""
    from deepcovid.report import provenance

    made = provenance.publish(args.profile, args.overrides, args.to, args.replace)
    print("Published to", made)


@command(
    argument("source", metavar=SOURCE[0], help=SOURCE[1]),
    *(argument(name, metavar=value, help=text) for name, (value, text) in OPTIONS.items()),
)
def audit(args) -> int:
    """Does a dataset of any images give its classes away? Ends with status 3 where it does."""
    from deepcovid import audit

    options = [name[2:].replace("-", "_") for name in OPTIONS]
    print(found := audit(args.source, **{name: getattr(args, name) for name in options}))
    return found.status


@command(argument("names", nargs="*", metavar="NOTEBOOK", help="its name (default: all)"))
def notebooks(args) -> None:
    """Execute the committed notebooks in place, after a change; draws the plots in results/ anew."""
    from deepcovid.report import notebooks

    notebooks.refresh(*args.names)


@command(argument("folder", nargs="?", type=Path, metavar="FOLDER", help="default: runs/site"))
def site(args) -> None:
    """Build the study's site, findings first, from the committed notebooks and results."""
    from deepcovid.report import site

    print("Read", site.build(args.folder))


@command(argument("pdf", nargs="?", type=Path, metavar="PDF", help="default: article/article.pdf"))
def article(args) -> None:
    """Typeset the study as an article, a PDF whose numbers are read from results/."""
    from deepcovid.report import site

    print("Read", site.article(args.pdf))


@command(
    argument("--port", type=int, help="default: one that is free"),
    argument("--no-browser", action="store_true", help="only say where it is"),
)
def lab(args) -> None:
    """Open JupyterLab at the overview, on this machine only; says where."""
    words = ["--ip=127.0.0.1", f"--ServerApp.root_dir={ROOT}", "--LabApp.news_url=None",
             "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
             "--LabApp.default_url=/lab/tree/notebooks/00_overview.ipynb",
             *["--allow-root"] * (os.geteuid() == 0), *["--no-browser"] * args.no_browser,
             *[f"--port={args.port}"] * bool(args.port)]  # fmt: skip
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *words])


def data_folder(args) -> Path:
    if "data" not in args.overrides:
        raise UserError(f"Say which folder: ./run_all.sh {args.command} -p data FOLDER")
    return Path(args.overrides["data"])


class Parser(argparse.ArgumentParser):
    """Says what is wrong by a UserError, as all of the program does."""

    def error(self, message):
        raise UserError(f"{message} ({self.prog} --help)")


def parser() -> Parser:
    """The parser of all commands and profiles."""
    top = Parser(
        prog="./run_all.sh",
        usage="./run_all.sh [NAME] [-p SETTING VALUE] [OPTIONS]",
        description=f"Run the deepcovid study, notebook by notebook. {NOTICE}",
        epilog=__doc__.partition("\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    title = "profiles and commands"
    names = top.add_subparsers(dest="command", metavar="NAME", prog=top.prog, title=title)

    found = {}
    for path in sorted(PROFILES.glob("*.yaml")):  # its first comment line says what it is
        text = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        found[path.stem] = text, run_profile, WORK
    for name, (text, function, arguments) in (found | COMMANDS).items():
        made = names.add_parser(name, help=text, description=text, allow_abbrev=False)
        made.set_defaults(function=function)
        for flags, settings in (OVERRIDES, *arguments):
            made.add_argument(*flags, **settings)
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
