"""What a run leaves to others: `run.json`, its models' cards, and what of it may be published.

That are numbers, never a radiograph, never weights.
"""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import jinja2
import pandas as pd

from deepcovid import __version__, io, profiles
from deepcovid.data import manifest, pack
from deepcovid.io import atomic_folder, digest, read_json, read_table, write_csv, write_json
from deepcovid.metrics.intervals import format_ci_from_row
from deepcovid.models.run import Run
from deepcovid.profiles import PATHS, Profile
from deepcovid.runs import NOTICE, RESULTS, ROOT, UserError, write_text

PACKAGES = ("torch", "torchvision", "numpy", "pandas", "pillow", "scikit-learn", "scipy")
EXTERNAL = ("external.json", "external.csv", "mitigation.csv")
# what is published of a run that went as far as its scores, if it is there
SCORED = ("run.json", "metrics.csv", "operating_points.csv", "subgroups.csv", "radiographs.csv",
          "{model}/card.md", "{model}/seed{seed}/training.json", "{model}/seed{seed}/history.csv",
          "{model}/seed{seed}/cv_scores.csv", *EXTERNAL)  # fmt: skip
WHOLE = (*SCORED, "*.csv", "*.json")  # of a whole run
FAIR_TEST = ("fair_test/*.csv", "fair_test/{model}/seed{first}/collection.csv")
PRIVATE = ("manifest.csv", "training.csv", "lungs.csv")
# the template of a name beside this module
template = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
).get_template  # fmt: skip


def provenance(run: Run) -> dict:
    """Settings, data, trainings and versions of a run. Folders are given by name, not place."""
    notes = [read_json(run.model_folder(*each) / "training.json") for each in run.profile.trainings]
    return {
        "notice": NOTICE,
        "profile": settings(run.profile),
        "data": {
            "images": len(run.manifest),
            "fingerprint": digest(sorted(run.manifest.sha1)),
            "by_split": manifest.counts(run.manifest).to_dict("index"),
        },
        "trainings": [{k: v for k, v in t.items() if k != "made_from"} for t in notes],
        "environment": environment(),
    }


def environment() -> dict:
    """What a run's numbers may depend on besides its profile: versions, machine, code."""
    return {
        "deepcovid": __version__,
        "git": git_revision(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def git_revision() -> str:
    """The commit of the code, with `+changes` where files differ from it; `unknown` without git."""
    words = ["describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes"]
    try:
        found = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.decode().strip()


def settings(profile: Profile) -> dict:
    """A profile's settings as `run.json` has them: lists, and folders by their names."""
    found = profile.settings()
    found |= {key: Path(found[key]).name for key in PATHS if found[key]}
    return {key: list(v) if isinstance(v, tuple) else v for key, v in found.items()}


def record(profile: Profile) -> None:
    """Write a run's `run.json` and, for each of its models, `card.md`."""
    run = Run(profile)
    write_json(run.folder / "run.json", provenance(run))
    made, metrics = read_json(run.folder / "run.json"), read_table(run.folder / "metrics.csv")
    path = run.folder / "external.json"
    external = read_json(path)["models"] if profile.external and path.is_file() else []
    mixed = sources_are_mixed(run.originals())
    for model in profile.models:
        write_text(run.folder / model / "card.md", card(model, made, metrics, external, mixed))


def card(model: str, made: dict, metrics: pd.DataFrame, external: list[dict], mixed: bool) -> str:
    """A model's card, from its run's `run.json`, `metrics.csv`, and rows of `external.json`.

    `mixed`: has each source images of both classes?
    """
    steps, profile = ", ".join(made["profile"]["preprocessing"]).replace("_", " "), made["profile"]
    return template("card.md").render(
        profile, model=model, run=profile["name"], notice=NOTICE, ci=format_ci_from_row, mixed=mixed,
        prepared="whole image" if steps == "none" else f"prepared ({steps})",
        training=next(t for t in made["trainings"] if t["model"] == model),
        fingerprint=made["data"]["fingerprint"],
        rows=metrics[metrics.model == model].to_dict("records"),
        judged=[row for row in external if row["model"] == model],
    )  # fmt: skip


def sources_are_mixed(table: pd.DataFrame) -> bool:
    """Has each source of a manifest's images both classes?"""
    return table.groupby("source").label.nunique().eq(2).all()


def publish(name: str, overrides: dict, target: Path | None = None, replace: bool = False) -> Path:
    """Copy a finished run's tables to `target`, or `results/NAME`, and return that folder.

    Of a study each run's, as far as it was asked for, and those that compare them, to folders in
    `target` or `results/`; what these hold beside runs stays. See `publish_run`.
    """
    parts = profiles.chosen_runs(name, overrides)
    if not parts:
        return publish_run(Run.open(name, overrides), target, replace)
    given = [(Run.open(f"{name}/{part}", overrides), target and target / part, replace, "results" in made)
             for part, made in parts.items() if part != "ablation"]  # fmt: skip
    for each in given:  # before anything is replaced
        refuse(*each)
    folder = profiles.RUNS / name
    if not target:
        paper = Run.open(f"{name}/paper", overrides)  # of which data in the study's folder was made
        own = [run for run, *_ in given if not run.data.is_relative_to(folder) or run.profile.drawn]
        refuse_other_data(paper, *own)
    for run, place, _, whole in given:
        copy_run(run, place, replace, whole)
    copy(folder.glob("*.csv"), folder, target or RESULTS)  # what compares runs
    return target or RESULTS


def publish_run(run: Run, target: Path | None, replace=False, whole=True) -> Path:
    """Copy one run's tables. A run of a study that is not `whole` went as far as its scores.

    To `results/`, the study's own findings, only a run on the whole release goes, as `verify` finds
    it. What the run did not make is not in the target afterwards. Scores are published for the
    validation and test images, by file name. Raises UserError for an unfinished run, other data, or
    a target that is there already, unless `replace` says to replace it.
    """
    refuse(run, target, replace, whole)
    if not target:
        refuse_other_data(run)
    return copy_run(run, target, replace, whole)


def refuse(run: Run, target: Path | None, replace: bool, whole: bool) -> None:
    """See `publish_run`; all but other data."""
    if not whole:
        for model, seed in run.profile.trainings:
            run.model(model, seed)  # raises UserError where it is of other settings
        record(run.profile)
    refuse_unfinished(run)
    if not replace:
        io.refuse_existing(target or published(run))


def refuse_other_data(*opened: Run) -> None:
    drawn = {run.data: run.profile.drawn for run in opened}
    for data in drawn:  # each is read once, whichever runs share it
        if drawn[data] or not pack.is_whole(pack.verify(data)):
            raise UserError(f"results/ holds findings on COVID-Xray-5k, and {data} is not that "
                            "release (see the command verify). Elsewhere: --to FOLDER.")  # fmt: skip


def published(run: Run) -> Path:
    return RESULTS / run.profile.name.rpartition("/")[2]


def copy_run(run: Run, target: Path | None, replace: bool, whole: bool) -> Path:
    target = target or published(run)
    with atomic_folder(target, replace) as made:
        copy(of_run(run, whole), run.folder, made)
        for model, seed in run.profile.trainings:
            scores = run.scores(model, seed)
            path = made / model / f"seed{seed}" / "scores.csv"
            write_csv(path, scores[scores.split != "train"])
    return target


def of_run(run: Run, whole: bool) -> set[Path]:
    """What the run itself made that may be published, and nothing that was in its folder before."""
    profile = run.profile
    patterns = WHOLE + FAIR_TEST * bool(profile.collection) if whole else SCORED
    names = {pattern.format(model=model, seed=seed, first=profile.seeds[0]) for pattern in patterns
             for model, seed in profile.trainings}  # fmt: skip
    private = PRIVATE + EXTERNAL * (not profile.external)
    found = {path for name in names for path in run.folder.glob(name)}
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
    made, wanted = read_json(path)["profile"], settings(run.profile)
    if other := [f"{key} {made.get(key)}" for key in wanted if wanted[key] != made.get(key)]:
        raise UserError(f"The run in {run.folder} has other settings: {'; '.join(other)}. To publish "
                        "it, give them with -p as it was run.")  # fmt: skip
