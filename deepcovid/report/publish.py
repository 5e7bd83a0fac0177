"""The part of a run that may be published: numbers, never a radiograph, never weights."""

import shutil
from collections.abc import Iterable
from itertools import product
from pathlib import Path

from deepcovid import profiles
from deepcovid.data import pack
from deepcovid.io import atomic_folder, read_json, write_csv
from deepcovid.models.run import Run
from deepcovid.report import provenance
from deepcovid.runs import RESULTS, UserError

# what is published, if it is there: of a run that went as far as its scores, of each of its models
SCORED = ("run.json", "metrics.csv", "operating_points.csv", "subgroups.csv", "radiographs.csv")
MODEL = ("card.md", "seed{seed}/training.json", "seed{seed}/history.csv",
         "seed{seed}/cv_scores.csv")  # fmt: skip
EXTERNAL = ("external.json", "external.csv", "mitigation.csv")
FAIR_TEST = ("fair_test/*.csv", "fair_test/*/seed{seed}/collection.csv")  # of the first seed
TABLES = ("*.csv", "*.json")  # of a whole run, but for these
PRIVATE = ("manifest.csv", "training.csv", "lungs.csv")


def publish(name: str, overrides: dict, target: Path | None = None, replace: bool = False) -> Path:
    """Copy a finished run's tables to `target`, or `results/NAME`, and return that folder.

    Of a study each run's, as far as it was asked for, and those that compare them, to folders in
    `target` or `results/`; what these hold beside runs stays. See `publish_run`.
    """
    parts = profiles.chosen_runs(name, overrides)
    if not parts:
        return publish_run(Run.open(name, overrides), target, replace)
    for part, made in parts.items():
        if part != "ablation":
            run = Run.open(f"{name}/{part}", overrides)
            publish_run(run, target and target / part, replace, "results" in made)
    folder = profiles.RUNS / name
    copy(folder.glob("*.csv"), folder, target or RESULTS)  # what compares runs
    return target or RESULTS


def publish_run(run: Run, target: Path | None, replace=False, whole=True) -> Path:
    """Copy one run's tables. A run of a study that is not `whole` went as far as its scores.

    To `results/`, the study's own findings, only a run on the whole release goes, as `verify` finds
    it. What the run did not make is not in the target afterwards. Scores are published for the
    validation and test images, by file name. Raises UserError for an unfinished run, other data, or
    a target that is there already, unless `replace` says to replace it.
    """
    trained = [*product(run.profile.models, run.profile.seeds)]
    if not whole:
        for model, seed in trained:
            run.model(model, seed)  # raises UserError where it is of other settings
        provenance.record(run.profile)
    refuse_unfinished(run)
    target = target or results_folder(run)
    with atomic_folder(target, replace) as made:
        copy(of_run(run, whole), run.folder, made)
        for model, seed in trained:
            scores = run.scores(model, seed)
            path = made / model / f"seed{seed}" / "scores.csv"
            write_csv(path, scores[scores.split != "train"])
    return target


def of_run(run: Run, whole: bool) -> set[Path]:
    """What the run itself made that may be published, and nothing that was in its folder before."""
    profile = run.profile
    patterns = [*(TABLES if whole else SCORED + EXTERNAL)]
    for model, seed in product(profile.models, profile.seeds):
        patterns += [f"{model}/{name}".format(seed=seed) for name in MODEL]
    if whole and profile.collection:
        patterns += [name.format(seed=profile.seeds[0]) for name in FAIR_TEST]
    private = PRIVATE + EXTERNAL * (not profile.external)
    found = {path for pattern in patterns for path in run.folder.glob(pattern)}
    return found - {run.folder / name for name in private}


def copy(paths: Iterable[Path], source: Path, target: Path) -> None:
    for path in paths:
        copied = target / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)


def refuse_unfinished(run: Run) -> None:
    """Raise UserError unless the folder holds a finished run of just these settings."""
    path, name = run.folder / "run.json", run.profile.name.partition("/")[0]
    if not path.is_file():
        raise UserError(f"There is no finished run in {run.folder}: ./run_all.sh {name}")
    made, wanted = read_json(path)["profile"], provenance.settings(run.profile)
    if other := [f"{key} {made.get(key)}" for key in wanted if wanted[key] != made.get(key)]:
        raise UserError(f"The run in {run.folder} has other settings: {'; '.join(other)}. To publish "
                        "it, give them with -p as it was run.")  # fmt: skip


def results_folder(run: Run) -> Path:
    """A run's place in results/; UserError unless its images are those of the whole release."""
    if run.profile.drawn or not pack.is_whole(pack.verify(run.data)):
        raise UserError(f"results/ holds findings on COVID-Xray-5k, and {run.data} is not that "
                        "release (see the command verify). Elsewhere: --to FOLDER.")  # fmt: skip
    return RESULTS / run.profile.name.rpartition("/")[2]
