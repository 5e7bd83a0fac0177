"""What makes each file of a run: `python -m deepcovid.steps demo metrics.csv`.

A step writes its files whole or not at all, and does nothing where they are there and fresh.
"""

import argparse
import inspect
import json
from fnmatch import fnmatch
from importlib import import_module

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
    "shortcuts.csv": "shortcuts.measure:run",
    "external.json external.csv": "shortcuts.external:run",
    "lung_share.csv": "shortcuts.examples:write_lung_share",
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


def make(file: str, run) -> None:
    """Make a file of an opened run, and those that its step makes with it."""
    for place in maker(file):
        module, _, name = place.partition(":")
        function = getattr(import_module(f"deepcovid.{module}"), name)
        takes = inspect.signature(function).parameters
        trained = run.profile.trainings if "seed" in takes else [()]
        for each in trained:
            function(run.profile if "profile" in takes else run, *each)


def main(arguments: list[str] | None = None) -> int:
    """Make files of a run: `python -m deepcovid.steps demo metrics.csv shortcuts.csv`."""
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
            make(file, run)

    return status("deepcovid", work)


if __name__ == "__main__":
    raise SystemExit(main())
