"""What makes each file of a run: a function a file, which takes the opened run.

A step writes its files whole or not at all, and does nothing where they are there and fresh.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from fnmatch import fnmatch


def manifest(run) -> None:
    from deepcovid.data import manifest

    manifest.run(run.profile)


def audit(run) -> None:
    from deepcovid.data import audit

    audit.run(run.profile)


def training(run) -> None:
    from deepcovid.data import augmentation
    from deepcovid.models import preprocessing

    augmentation.run(run.profile)
    preprocessing.run(run.profile)  # once, before trainings share it


def models(run) -> None:
    from deepcovid.models import cross_validation, scoring, training

    for model in run.profile.models:
        for seed in run.profile.seeds:
            training.run(run, model, seed)
            scoring.run(run, model, seed)
            cross_validation.run(run, model, seed)


def metrics(run) -> None:
    from deepcovid.metrics.run import evaluate

    evaluate(run.folder, run.profile.models, run.profile.seeds, run.profile.threshold)


def subgroups(run) -> None:
    from deepcovid.data import audit
    from deepcovid.metrics import subgroups

    metrics(run)
    facts = audit.facts(run.manifest, run.data).set_index("image").view
    about = run.manifest[["image", "finding"]]
    subgroups.write(run.folder, about.assign(view=about.image.map(facts).fillna("")))


def heatmaps(run) -> None:
    from deepcovid.heatmaps import study

    study.run(run)


def radiographs(run) -> None:
    from deepcovid.heatmaps import radiographs

    radiographs.run(run)


def failure(run) -> None:
    from deepcovid.failure import ablation

    ablation.single_changes(run)


def cells(run) -> None:
    from deepcovid.failure import ablation

    ablation.run_cells(run)


def ablation(run) -> None:
    from deepcovid.failure import ablation

    ablation.run(run)


def shortcuts(run) -> None:
    from deepcovid.shortcuts import measure

    measure.run(run)


def lung_share(run) -> None:
    from deepcovid.shortcuts import examples

    examples.write_lung_share(run)


def external(run) -> None:
    from deepcovid.shortcuts import external

    if run.profile.external:
        external.run(run)


def mitigation(run) -> None:
    from deepcovid.shortcuts import mitigation

    mitigation.run(run)


def fair_test(run) -> None:
    from deepcovid.fair_test import study

    study.run(run)


def fair_data(run) -> None:
    from deepcovid.fair_test import folder

    target = run.folder / "fair_data"
    shutil.rmtree(target, ignore_errors=True)
    folder.write(run, target, others=False)


MAKES: dict[str, Callable] = {
    "manifest.csv": manifest,
    "audit.json": audit,
    "training.csv": training,
    "splits.csv": training,
    "leaks.csv": training,
    "*/seed*/history.csv": models,
    "*/seed*/scores.csv": models,
    "*/seed*/cv_scores.csv": models,
    "*/seed*/metrics.json": metrics,
    "metrics.csv": metrics,
    "operating_points.csv": metrics,
    "subgroups.csv": subgroups,
    "heatmaps.json": heatmaps,
    "maps.csv": heatmaps,
    "claims.csv": heatmaps,
    "zones.csv": heatmaps,
    "curves.csv": heatmaps,
    "map_calibration.csv": heatmaps,
    "radiographs.csv": radiographs,
    "failure.csv": failure,
    "cells": cells,
    "ablation*.csv": ablation,
    "shortcuts.csv": shortcuts,
    "external.*": external,
    "lung_share.csv": lung_share,
    "mitigation.csv": mitigation,
    "fair_test/*": fair_test,
    "fair_data/*": fair_data,
}


def maker(file: str) -> Callable | None:
    """What makes `file`, a path in a run's folder; None where no step does."""
    return next((make for pattern, make in MAKES.items() if fnmatch(file, pattern)), None)


def main(arguments: list[str] | None = None) -> int:
    """Make files of a run: `python -m deepcovid.steps demo metrics.csv shortcuts.csv`."""
    from deepcovid.models.run import Run
    from deepcovid.runs import UserError

    parser = argparse.ArgumentParser(prog="python -m deepcovid.steps", description=main.__doc__)
    parser.add_argument("run", help="the profile of the run")
    parser.add_argument("files", nargs="+", help="paths in the run's folder")
    parser.add_argument("--overrides", default="{}", type=json.loads, help="settings, as JSON")
    parser.add_argument("--only", nargs=2, metavar=("MODEL", "SEED"), help="of the run's trainings")
    args = parser.parse_args(arguments)
    try:
        one = dict(zip(("models", "seeds"), args.only or (), strict=False))
        run = Run.open(args.run, args.overrides | one)
        for file in args.files:
            if (make := maker(file)) is None:
                raise UserError(f"No step makes {file}. There are: {', '.join(MAKES)}.")
            make(run)
    except UserError as error:
        print(f"deepcovid: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
