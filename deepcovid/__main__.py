"""The command line behind `run_all.sh`: one function per command, its help where it stands.

What is heavy, or may not be installed yet, is imported where it is used: `--help` needs Python only.
"""

import argparse
import errno
import os
import sys
from pathlib import Path

from deepcovid import runs, words
from deepcovid.runs import UserError
from deepcovid.words import HOW, PROFILE, argument, command

# a full disk, a limit, a folder that cannot be written: no fault of the program
PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


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
    return workflow.run(
        "released", args.overrides, args.cores, args.snakemake, args.cluster, **goal
    )


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
    argument("folder", type=Path, metavar="FOLDER", help="the data folder that is made"),
    argument("--alone", action="store_true", help="without the run's own Non-COVID images"),
)
def fair_folder(args) -> None:
    """Make a data folder of a run's collection, whose source does not tell the class; see `fair`."""
    from deepcovid.fair_test import folder
    from deepcovid.models.opened import Run

    opened = Run.open(args.profile, args.overrides)
    made = folder.write(opened, args.folder, not args.alone)
    print(f"Train on it: ./run_all.sh fair -p data {made}")


@command(
    PROFILE,
    argument("--to", type=Path, metavar="FOLDER", help="write there, not to results/PROFILE"),
    argument("--replace", action="store_true", help="replace what is there"),
    argument(
        "--only",
        choices=["models", "fair_test"],
        help="models: of a run as far as notebook 04; fair_test: notebook 08's, to results/fair_test",
    ),
)
def publish(args) -> None:
    """Copy a run's tables and plots (no radiograph, no weights) to results/."""
    from deepcovid.models.opened import Run
    from deepcovid.report import publish

    opened = Run.open(args.profile, args.overrides)
    parts = {"models": publish.publish_models, "fair_test": publish.publish_fair_test}
    do = parts.get(args.only, publish.publish)
    print("Published to", do(opened, args.to, args.replace))


@command()
def redraw(args) -> None:
    """Draw the plots in results/ anew from the tables beside them."""
    from deepcovid.report import drawn

    print(*drawn.redraw_all(), sep="\n")


@command(
    argument("source", metavar="FOLDER|TABLE.csv", help="a folder per class, or a row per image"),
    argument("--out", metavar="FOLDER", help="where the page goes (default: in runs/audit/)"),
    argument("--classes", metavar="A,B", help="the classes that count (default: all)"),
    argument("--ignore", metavar="A,B", help="columns of the table that do not count"),
    argument("--fail-on", metavar="A,B", help="the findings that are an alarm (docs/audit.md)"),
)
def audit(args) -> int:
    """Does a dataset of any images give its classes away? Ends with status 3 where it does."""
    from deepcovid.report.audit import audit

    print(found := audit(args.source, args.out, args.classes, args.ignore, args.fail_on))
    return found.status


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

    return workflow.run(args.command, args.overrides, args.cores, args.snakemake, args.cluster)


def data_folder(args) -> Path:
    if "data" not in args.overrides:
        raise UserError(f"Say which folder: ./run_all.sh {args.command} -p data FOLDER")
    return Path(args.overrides["data"])


def parse(typed: list[str]) -> argparse.Namespace:
    """What was typed; see `words.parse`."""
    return words.parse(typed, run)


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
