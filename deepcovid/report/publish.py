"""The part of a run that may be published: numbers and plots, never a radiograph, never weights."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from deepcovid import profiles
from deepcovid.data import pack
from deepcovid.io import atomic_folder, read_json, write_csv, write_json
from deepcovid.models import weights
from deepcovid.models.run import Run
from deepcovid.profiles import PATHS, load
from deepcovid.report import cards, provenance
from deepcovid.report.redraw import redraw
from deepcovid.runs import RESULTS, UserError
from deepcovid.shortcuts import external

TABLES = (
    "metrics.csv",
    "operating_points.csv",
    "subgroups.csv",
    "run.json",
    "audit.json",
    "splits.csv",
    "leaks.csv",
    "shortcuts.csv",
    "lung_share.csv",
    "heatmaps.json",
    "maps.csv",
    "claims.csv",
    "zones.csv",
    "curves.csv",
    "map_calibration.csv",
    "radiographs.csv",
    "lungs.json",
)
ELSEWHERE = ("external.json", "external.csv", "mitigation.csv")  # of runs with an external folder
STUDY = (  # of a study of several runs
    "ablation.csv",
    "ablation_effects.csv",
    "auc_search.csv",
    "drift.csv",
)
EACH = ("metrics.json", "training.json", "history.csv", "cv_scores.csv")  # of each model and seed


def publish(run: Run, target: Path | None = None, replace: bool = False, only: str = "") -> Path:
    """Copy a finished run's tables to `target`, draw its plots there, and return that folder.

    `only` is `models` for a run that went as far as notebook 04, or `fair_test` for the tables of
    notebook 08. Without a target it is `results/<profile>/` (its `fair_test/`), the study's own
    findings: there only a run on the whole release goes, as `verify` finds it. What the run did not
    make is not in the target afterwards. Scores are published for the validation and test images,
    by file name. Raises UserError for an unfinished run, other data, or a target that is there
    already, unless `replace` says to replace it.
    """
    if not only:
        refuse_unfinished(run)
    target = target or results_folder(run, only)
    refuse_present(target, f"publish {run.profile.name}" + f" --only {only}" * bool(only), replace)
    with atomic_folder(target, replace) as made:
        if only == "models":
            copy_models(run, made)
        elif only == "fair_test":
            if not copy_fair_test(run, made):
                raise UserError(f"{run.folder} holds no fair test: run notebook 08_fair_test.")
            write_json(made / "run.json", provenance.provenance(run))
        else:
            cards_of = [f"{model}/card.md" for model in run.profile.models]
            copy(run, made, [*TABLES, *ELSEWHERE * bool(run.profile.external), *cards_of])
            copy_fair_test(run, made / "fair_test")
        redraw(made)
    return target


def publish_study(study: str, overrides: dict, target: Path | None = None, replace=False) -> Path:
    """Publish each run of a study, what was asked of it, and what compares them.

    To `results/`, or below another target; see `publish`. What `results/` holds beside runs stays.
    """
    target = target or RESULTS
    for part, made in profiles.chosen_runs(study, overrides).items():
        if part == "ablation":
            continue
        run = Run.open(f"{study}/{part}", overrides)
        whole = "results" in made
        own = None if target == RESULTS else target / part
        publish(run, own, replace, "" if whole else "models")
    for name in STUDY:
        path = profiles.RUNS / study / name
        if path.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)
    return target


def copy_models(run: Run, made: Path) -> None:
    """Copy metrics, scores and model cards; UserError where a model is not of these settings."""
    for model in run.profile.models:
        for seed in run.profile.seeds:
            run.model(model, seed)
    names = [
        "metrics.csv",
        "operating_points.csv",
        "subgroups.csv",
        "mitigation.csv",
        "radiographs.csv",
    ]
    path = external.result(run)
    copy(run, made, names)
    for one in (path, path.with_suffix(".csv")) if path else ():
        if one.is_file():
            shutil.copyfile(one, made / one.name)
    write_json(made / "run.json", found := provenance.provenance(run))
    cards.cards(run, found, made)


def copy_fair_test(run: Run, made: Path) -> bool:
    """Copy notebook 08's tables, and the first seed's scores of the collection, if they are there."""
    source, seed = run.folder / "fair_test", run.profile.seeds[0]
    if not run.profile.collection or not (source / "swap.csv").is_file():
        return False
    for path in [*source.glob("*.csv"), *source.glob(f"*/seed{seed}/collection.csv")]:
        copied = made / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)
    return True


def refuse_present(target: Path, command: str, replace: bool) -> None:
    if target.exists() and any(target.iterdir()) and not replace:
        raise UserError(
            f"{target} holds published findings. To replace them: ./run_all.sh {command} "
            "--replace; to write elsewhere: --to FOLDER."
        )


def refuse_unfinished(run: Run) -> None:
    """Raise UserError unless the folder holds a finished run of just these settings."""
    path, name = run.folder / "run.json", run.profile.name
    if not path.is_file():
        raise UserError(
            f"There is no finished run in {run.folder}: ./run_all.sh {name.partition('/')[0]}"
        )
    wanted = run.profile.settings()
    wanted |= {key: Path(wanted[key]).name for key in PATHS if wanted[key]}
    made = read_json(path)["profile"]
    other = [key for key, value in wanted.items() if plain(value) != made.get(key)]
    if other:
        settings = " ".join(f"-p {key} {told(made.get(key))}" for key in other)
        raise UserError(
            f"The run in {run.folder} has other settings. To publish it as it was run: "
            f"./run_all.sh publish {name} {settings}"
        )


def plain(value):
    return list(value) if isinstance(value, tuple) else value


def told(value) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def results_folder(run: Run, only: str) -> Path:
    """A run's place in results/; UserError unless its images are those of the whole release."""
    if run.profile.drawn or not pack.is_whole(pack.verify(run.data)):
        raise UserError(
            f"results/ holds findings on COVID-Xray-5k, and {run.data} is not that release "
            f"(./run_all.sh verify -p data {run.data}). To publish your own run elsewhere: "
            f"./run_all.sh publish {run.profile.name} --to FOLDER."
        )
    name = run.profile.name.rpartition("/")[2]
    return RESULTS / name / "fair_test" if only == "fair_test" else RESULTS / name


def copy(run: Run, target: Path, names: Iterable[str]) -> None:
    """Copy the named files that this run made, and no other that was in its folder before."""
    profile, names = run.profile, list(names)
    for model in profile.models:
        for seed in profile.seeds:
            names += [f"{model}/seed{seed}/{name}" for name in EACH]
            table = run.scores(model, seed)
            part = target / model / f"seed{seed}" / "scores.csv"
            write_csv(part, table[table.split != "train"])
    for name in names:
        if (run.folder / name).is_file():
            shutil.copyfile(run.folder / name, target / name)
    write_rows(run, pd.read_csv(run.folder / "metrics.csv"), target / "metrics.csv")


def write_rows(run: Run, table: pd.DataFrame, path: Path) -> None:
    """Write `metrics.csv` with a row, and the reason, for each of the profile's models not run."""
    lacking = [m for m in load(run.profile.name).models if m not in set(table.model)]
    why = [
        "not asked for" if weights.at_hand(run.profile.weights, m) else "weights not at hand"
        for m in lacking
    ]
    rows = pd.DataFrame({"model": lacking, "weights": [f"not run: {reason}" for reason in why]})
    whole = dict.fromkeys(("seed", "tp", "fn", "fp", "tn"), "Int64")  # else gaps make them 0.0
    table = pd.concat([table.astype(whole), rows]) if lacking else table
    write_csv(path, table)
