"""The part of a run that may be published: numbers, never a radiograph, never weights."""

import shutil
from collections.abc import Iterable
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


def publish(
    run: Run, target: Path | None = None, replace: bool = False, whole: bool = True
) -> Path:
    """Copy a finished run's tables to `target`, and return that folder.

    A run of a study that is not `whole` went as far as its scores. Without a target it is
    `results/<profile>/`, the study's own findings: there only a run on the whole release goes, as
    `verify` finds it. What the run did not make is not in the target afterwards. Scores are published
    for the validation and test images, by file name. Raises UserError for an unfinished run, other
    data, or a target that is there already, unless `replace` says to replace it.
    """
    profile = run.profile
    if not whole:
        for training in profile.trainings:
            run.model(*training)  # raises UserError where it is of other settings
        provenance.record(profile)
    refuse_unfinished(run)
    target = target or results_folder(run)
    if target.exists() and any(target.iterdir()) and not replace:
        raise UserError(
            f"{target} holds published findings. To replace them: ./run_all.sh publish "
            f"{profile.name} --replace; to write elsewhere: --to FOLDER."
        )
    with atomic_folder(target, replace) as made:
        copy(of_run(run, whole), run.folder, made)
        for training in profile.trainings:
            scores = run.scores(*training)
            path = run.model_folder(*training).relative_to(run.folder) / "scores.csv"
            write_csv(made / path, scores[scores.split != "train"])
    return target


def of_run(run: Run, whole: bool) -> set[Path]:
    """What the run itself made that may be published, and nothing that was in its folder before."""
    profile = run.profile
    patterns = [*(TABLES if whole else SCORED + EXTERNAL)]
    for model, seed in profile.trainings:
        patterns += [f"{model}/{name}".format(seed=seed) for name in MODEL]
    if whole and profile.collection:
        patterns += [name.format(seed=profile.seeds[0]) for name in FAIR_TEST]
    found = {path for pattern in patterns for path in run.folder.glob(pattern)}
    private = PRIVATE + EXTERNAL * (not profile.external)
    return found - {run.folder / name for name in private}


def copy(paths: Iterable[Path], source: Path, target: Path) -> None:
    for path in paths:
        copied = target / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)


def publish_study(study: str, overrides: dict, target: Path | None = None, replace=False) -> Path:
    """Publish each run of a study, what was asked of it, and what compares them.

    To `results/`, or below another target; see `publish`. What `results/` holds beside runs stays.
    """
    for part, made in profiles.chosen_runs(study, overrides).items():
        if part != "ablation":
            run = Run.open(f"{study}/{part}", overrides)
            publish(run, target and target / part, replace, "results" in made)
    folder = profiles.RUNS / study
    copy(folder.glob("*.csv"), folder, target or RESULTS)  # what compares runs
    return target or RESULTS


def refuse_unfinished(run: Run) -> None:
    """Raise UserError unless the folder holds a finished run of just these settings."""
    path, name = run.folder / "run.json", run.profile.name
    if not path.is_file():
        raise UserError(
            f"There is no finished run in {run.folder}: ./run_all.sh {name.partition('/')[0]}"
        )
    made = read_json(path)["profile"]
    wanted = provenance.settings(run.profile)
    if other := [f"{key} {made.get(key)}" for key in wanted if wanted[key] != made.get(key)]:
        raise UserError(
            f"The run in {run.folder} has other settings: {'; '.join(other)}. To publish it, give "
            "them with -p as it was run."
        )


def results_folder(run: Run) -> Path:
    """A run's place in results/; UserError unless its images are those of the whole release."""
    if run.profile.drawn or not pack.is_whole(pack.verify(run.data)):
        raise UserError(
            f"results/ holds findings on COVID-Xray-5k, and {run.data} is not that release "
            f"(./run_all.sh verify -p data {run.data}). To publish your own run elsewhere: "
            f"./run_all.sh publish {run.profile.name} --to FOLDER."
        )
    return RESULTS / run.profile.name.rpartition("/")[2]
