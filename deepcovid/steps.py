"""What makes each file of a run: `python -m deepcovid.steps demo metrics.csv`.

A step writes its files whole or not at all, and does nothing where they are there and fresh.
"""

import argparse
import gc
import inspect
import json
import resource
import sys
import time
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

from deepcovid.io import lock
from deepcovid.runs import UserError
from imageaudit.cli import status

# Files of a run, and the functions that make them, called in turn. A function takes the opened `run`
# or its `profile`; one that takes a `seed` too is called for each model and seed.
MAKES = {
    "manifest.csv": "data.manifest:run",
    "audit.json": "data.audit:run",
    # pictures are prepared once, before trainings share them
    "training.csv splits.csv leaks.csv": "data.augmentation:run models.preprocessing:of",
    "*/seed*/history.csv */seed*/scores.csv */seed*/cv_scores.csv":
        "models.training:run models.scoring:run models.scoring:cross_validate",
    "metrics.csv operating_points.csv subgroups.csv": "metrics.run:run",
    "heatmaps.json maps.csv claims.csv zones.csv curves.csv map_calibration.csv": "heatmaps.study:run",
    "radiographs.csv": "heatmaps.radiographs:run",
    "failure.csv": "failure.ablation:single_changes",
    "*/seed*/cells.done": "failure.ablation:run_cells",
    "ablation.csv ablation_effects.csv": "failure.ablation:run",
    "shortcuts.csv lung_share.csv": "shortcuts.measure:run shortcuts.examples:write_lung_share",
    "external.json external.csv": "shortcuts.external:run",
    "mitigation.csv": "shortcuts.mitigation:run",
    "fair_test/*": "fair_test.study:run",
    "fair_data/*": "fair_test.collection:fair_data",
}  # fmt: skip


def maker(file: str) -> tuple[str, ...]:
    """The functions that make `file`, a path in a run's folder; none where no step does."""
    for patterns, functions in MAKES.items():
        if any(fnmatch(file, pattern) for pattern in patterns.split()):
            return tuple(functions.split())
    return ()


def function(place: str):
    """The function at `module:name`."""
    module, _, name = place.partition(":")
    return getattr(import_module(f"deepcovid.{module}"), name)


def load(files: list[str]) -> None:
    """Import what makes the files. Python looks for garbage neither meanwhile, which takes a quarter of
    the time, nor among all that later."""
    gc.disable()
    try:
        for file in files:
            for place in maker(file):
                function(place)
        gc.freeze()
    finally:
        gc.enable()


def make(file: str, run) -> None:
    """Make a file of an opened run, and those that its step makes with it."""
    for work in map(function, maker(file)):
        takes = inspect.signature(work).parameters
        trained = run.profile.trainings if "seed" in takes else [()]
        for each in trained:
            work(run.profile if "profile" in takes else run, *each)


def peak_mb(used: resource.struct_rusage) -> float:
    """The peak memory of `getrusage` in MB: macOS counts bytes, others kB."""
    return used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def add_cost(table: Path, step: str, start: float) -> None:
    """Add a row to a table of what steps cost: wall and processor seconds, peak memory in MB.

    `start` is when the step began, in seconds since 1970. Processes that it started and waited for
    count; a step that goes on after it was stopped has several rows.
    """
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(one.ru_utime + one.ru_stime for one in used)
    peak = max(map(peak_mb, used))
    with lock(table):
        words = "" if table.is_file() else "step,start,seconds,processor_seconds,peak_mb\n"
        words += f"{step},{start:.1f},{time.time() - start:.1f},{processor:.1f},{peak:.0f}\n"
        with table.open("a", encoding="utf-8") as opened:
            opened.write(words)


def main(arguments: list[str] | None = None) -> int:
    """Make files of a run: `python -m deepcovid.steps demo metrics.csv shortcuts.csv`."""
    start = time.time()
    from deepcovid.models.run import Run

    parser = argparse.ArgumentParser(prog="python -m deepcovid.steps", description=main.__doc__)
    parser.add_argument("run", help="the profile of the run")
    parser.add_argument("files", nargs="+", help="paths in the run's folder")
    parser.add_argument("--overrides", default="{}", type=json.loads, help="settings, as JSON")
    parser.add_argument("--only", nargs=2, metavar=("MODEL", "SEED"), help="of the run's trainings")
    args = parser.parse_args(arguments)

    def work():
        one = dict(zip(("models", "seeds"), args.only or (), strict=False))
        run = Run.open(args.run, args.overrides | one)
        for file in args.files:
            if not maker(file):
                raise UserError(f"No step makes {file}. There are: {' '.join(MAKES)}.")
        try:
            load(args.files)
            for file in args.files:
                make(file, run)
        finally:
            add_cost(run.folder / "costs.csv", args.files[0], start)
            gc.unfreeze()  # else libraries that count what is left at the end tell of a leak

    return status("deepcovid", work)


if __name__ == "__main__":
    raise SystemExit(main())
