"""The command line behind `run_all.sh`.

What is heavy, or may not be installed yet, is imported where it is used: `--help` needs Python only.
"""

import argparse
import fcntl
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from deepcovid.runs import NOTICE, ROOT, UserError

# what a reader of Snakemake's log wants to see: which notebook starts, how much is done
PROGRESS = re.compile(
    r"Job \d+: (?P<message>.*)|(?P<steps>\d+ of \d+ steps .*done|Nothing to be done)"
)

EPILOG = """
profiles:
  demo       drawn radiographs, no download, minutes on a CPU (the default)
  paper      COVID-Xray-5k by the paper's recipe
  released   COVID-Xray-5k by the recipe of the authors' released script
  failed     the earlier attempt that called every image Non-COVID
  control    the paper's recipe on random, untrained backbones
  robust     made to hold in another hospital: -p external FOLDER says whether it does
  robust_whole  the same with the whole network trained

other commands:
  ./run_all.sh obtain [ARCHIVE] -p data FOLDER
                                 download the released archive (or take another address, or a
                                 local file) and unpack it
  ./run_all.sh build COVID_CHESTXRAY CHEXPERT -p data FOLDER
                                 build the release's lists from a covid-chestxray-dataset checkout
                                 and a CheXpert-v1.0-small folder
  ./run_all.sh verify -p data FOLDER
                                 compare a copy of COVID-Xray-5k with the release, image by image
  ./run_all.sh ablation -p data FOLDER
                                 train the cells of notebook 06's ablation, each once, in parts that
                                 Snakemake spreads over cores or a cluster; to runs/ablation/
  ./run_all.sh notebooks         execute the committed notebooks in place, after a change
  ./run_all.sh publish PROFILE   copy a run's tables and plots (no radiograph, no weights) to results/

examples:
  ./run_all.sh
  ./run_all.sh paper -p data ~/covid-xray-5k -p models squeezenet -p weights ~/weights
  ./run_all.sh paper -p seeds 0,1,2 --cores 8
  ./run_all.sh robust -p data ~/covid-xray-5k -p external ~/other-hospital

On the first call the pinned dependencies are installed into .venv, unless an environment that has
the package is active. A second call does only what is missing or out of date. A run writes to
runs/PROFILE; open runs/PROFILE/index.html. The settings that -p takes are explained in
profiles/paper.yaml. """


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="./run_all.sh",
        description=f"Run the deepcovid study, notebook by notebook. {NOTICE}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("command", nargs="?", default="demo", metavar="PROFILE")
    result.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    result.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        dest="overrides",
        help="override a setting of the profile; repeatable",
    )
    result.add_argument(
        "--cores",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="CPU cores to use (default: all)",
    )
    result.add_argument(
        "--snakemake",
        default="",
        metavar="OPTIONS",
        help="further options for Snakemake, e.g. '--executor slurm --jobs 8'",
    )
    return result


def preflight(profile) -> None:
    """Refuse what cannot work before anything of an earlier run is touched."""
    from deepcovid import external, manifest, models

    models.device_of(profile.device)
    if profile.data != "phantom":
        manifest.refuse_unreadable(profile.data_folder)
        if profile.augment_positives == "release":
            manifest.refuse_without_copies(profile.data_folder)
    if profile.external:
        external.table(Path(profile.external))
    for name in profile.models:
        models.build(name, profile.weights)


def run(profile, overrides: dict, cores: int, extra: list[str], goal: str = "all") -> int:
    """Make a goal of a profile, by default all its notebooks, with Snakemake; its exit status."""
    preflight(profile)
    profile.folder.mkdir(parents=True, exist_ok=True)
    lock = (profile.folder / ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"Another run of profile {profile.name} is under way.") from None
    # our lock ends with the process, even a killed one; Snakemake's own would stay
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        ROOT / "Snakefile",
        "--directory",
        profile.folder,
        "--cores",
        str(cores),
        "--nolock",
        "--rerun-incomplete",
        goal,
        *extra,
        "--config",
        f"profile={profile.name}",
        f"overrides={json.dumps(overrides)}",
    ]
    log = profile.folder / "snakemake.log"
    with (
        log.open("w") as file,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=[lock.fileno()],
        ) as snakemake,
    ):
        for line in snakemake.stdout:
            file.write(line)
            if shown := PROGRESS.match(line):
                print(shown["message"] or f"  {shown['steps']}", flush=True)
    if snakemake.returncode:
        reasons = list(failures(profile.folder / "notebooks")) or log.read_text().splitlines()[-15:]
        print(*reasons, f"The whole log: {log}", sep="\n", file=sys.stderr)
    elif goal == "all":
        print(
            f"\nDone. Read {profile.folder / 'index.html'}\n"
            f"      Numbers: {profile.folder / 'metrics.csv'}\n{NOTICE}"
        )
    else:
        print(f"\nDone. The table: {profile.folder.with_name(goal) / goal}.csv\n{NOTICE}")
    return snakemake.returncode


def failures(folder: Path):
    """Name and reason of each executed notebook that ended in an error."""
    import nbformat

    for path in sorted(folder.glob("*.ipynb")):
        if not path.stat().st_size:  # it was never begun
            continue
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                if output.output_type == "error":
                    yield f"\n{path.stem} stopped: {output.evalue or output.ename}\n  see {path}"


def folder_of(overrides: dict, command: str) -> Path:
    if "data" not in overrides:
        raise UserError(f"Say which folder: ./run_all.sh {command} -p data FOLDER")
    return Path(overrides["data"])


def command(name: str, arguments: list[str], overrides: dict) -> int | None:
    """Run what is no profile; its exit status, or None where `name` is no such command."""
    from deepcovid import profiles, report, sources

    most = {"publish": 1, "notebooks": 1, "obtain": 1, "build": 2}.get(name, 0)
    if len(arguments) > most:
        raise UserError(f"'{arguments[most]}' is one argument too many; see ./run_all.sh --help")
    if name == "publish":
        if not arguments:
            raise UserError("Say which profile's run to publish: ./run_all.sh publish PROFILE")
        print("Published to", report.publish(profiles.load(arguments[0], overrides)))
    elif name == "notebooks":
        report.refresh(*arguments)
    elif name == "obtain":
        folder = folder_of(overrides, name)
        address = arguments[0] if arguments else sources.ADDRESS
        archive = sources.download(address, folder.with_name(folder.name + ".zip"))
        print("Unpacked to", sources.unpack(archive, folder))
    elif name == "build":
        if len(arguments) < 2:
            raise UserError(
                "Say where both sources are: ./run_all.sh build COVID_CHESTXRAY CHEXPERT -p data FOLDER"
            )
        print(sources.build(*map(Path, arguments), folder_of(overrides, name)))
    elif name == "verify":
        found = sources.verify(folder_of(overrides, name))
        print(found)
        return int(bool(found.missing or found.changed))
    else:
        return None
    return 0


def main(arguments: list[str] | None = None) -> int:
    args = parser().parse_intermixed_args(arguments)
    from deepcovid import profiles

    try:
        overrides = profiles.check(dict(args.overrides), "-p", Path.cwd())
        status = command(args.command, args.arguments, overrides)
        if status is not None:
            return status
        goal = "ablation" if args.command == "ablation" else "all"
        # the recipes that the ablation varies differ from the released one
        profile = profiles.load("released" if goal == "ablation" else args.command, overrides)
        return run(profile, overrides, args.cores, args.snakemake.split(), goal)
    except UserError as error:
        print(f"deepcovid: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
