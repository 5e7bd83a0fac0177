"""Make what a profile asks for: refuse what cannot work, then let Snakemake run its steps and notebooks."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from deepcovid import profiles, repair
from deepcovid.profiles import PATHS, PROFILES, WORDS, Profile
from deepcovid.runs import NOTICE, ROOT, UserError, escape_control_chars

CLUSTERS = PROFILES / "cluster"  # a folder for each kind, with Snakemake's options in config.yaml
STEP_SAYS = "deepcovid: "  # what a step begins its error with
DIED = (" (it was ended, mostly because memory ran out: take fewer --cores, or a smaller -p "
        "batch_size)")  # fmt: skip


def run(
    name: str, overrides: dict, cores: int | None, extra: list[str], cluster: str | None = None,
    goals=("all",), made="index.html",
) -> int:  # fmt: skip
    """Make goals of a profile, by default all of it, with Snakemake; its exit status.

    `cores` are all of this machine, if None; on a `cluster` its settings say how many a job has.
    `extra` are further options for Snakemake, `made` is the file that ends it, relative to the
    run's folder. Raises UserError for what cannot work.
    """
    if profiles.runs_of(name):
        return run_study(name, overrides, cores, extra, cluster)
    profile = profiles.load(name, overrides)
    check_inputs(profile)
    profiles.keep(name)
    status = make(profile, goals, overrides, cores, extra, cluster)
    if not status:
        say_done(profile.folder, extra, made)
    return status


def run_study(study: str, overrides: dict, cores, extra: list[str], cluster) -> int:
    """Make the runs of a study, one after the other, then what compares them; the first bad status."""
    runs = profiles.chosen_runs(study, overrides)
    if "paper" not in runs:
        raise UserError(f"{study} trains no {overrides['models']}: choose of its runs' models.")
    loaded = {run: profiles.load(f"{study}/{run}", overrides) for run in runs}
    folder = profiles.RUNS / study
    for profile in loaded.values():
        if not Path(profile.data).is_relative_to(folder):  # else a run before it makes the data
            check_inputs(profile)
    for i, (run, profile) in enumerate(loaded.items(), 1):
        print(f"\n{study}: run {i} of {len(runs)}, {run}", flush=True)
        goals = [goal.strip() for goal in runs[run].split(",")]
        if status := make(profile, goals, overrides, cores, extra, cluster):
            return status
    if extra and not all((profile.folder / "metrics.csv").is_file() for profile in loaded.values()):
        return 0  # as with --dry-run
    status = make(loaded["paper"], ["all"], overrides, cores, extra, cluster, study)
    if not status:
        say_done(folder, extra)
    return status


def make(
    profile: Profile, goals, overrides: dict, cores, extra: list[str], cluster, study=""
) -> int:
    """Make files of a run, or of a study (then `profile` is of its first run); Snakemake's exit status."""
    where = ["--workflow-profile", settings_of(cluster)] if cluster else []
    cores = cores or (None if cluster else usable_cores())
    folder = profiles.RUNS / (study or profile.name)
    with run_lock(folder, study or profile.name):
        if profile.drawn:  # before any step is asked what it depends on
            from deepcovid.data import miniature

            miniature.run(profile)
        for told in repair.tidy(folder, profile.features):
            print(told, flush=True)
        status = snakemake(folder, [
            "--snakefile", ROOT / ("study.smk" if study else "Snakefile"), "--directory", folder,
            "--quiet", "host", *(["--cores", str(cores)] if cores else []),
            # its own lock would stay after a killed run; of --keep-incomplete a failed job's
            # outputs would count as made
            "--nolock", "--rerun-incomplete", *forced(folder), *goals, *where, *extra,
            "--config", f"profile={study or profile.name}", f"overrides={json.dumps(overrides)}",
            *([f"cores={cores}"] if cores else []),
        ])  # fmt: skip
    if status:
        print(*failures(folder), sep="\n", file=sys.stderr)
    return status


def say_done(folder: Path, extra: list[str], made: str = "index.html") -> None:
    """Say where to read what was made; what `extra` options of Snakemake's ask for, it says itself."""
    if not extra:
        numbers = f"\n      Numbers: {folder / 'metrics.csv'}"
        told = numbers * (folder / "metrics.csv").is_file()
        print(f"\nDone. Read {(folder / made).resolve()}{told}\n{NOTICE}")


def settings_of(cluster: str) -> Path:
    """The folder of a cluster's settings: one in profiles/cluster by its name, or any by its path."""
    for folder in (CLUSTERS / cluster, Path(cluster).absolute()):
        if (folder / "config.yaml").is_file():
            return folder
    raise UserError(f"There is no cluster '{cluster}': say slurm, or a folder with a config.yaml.")


def usable_cores() -> int:
    """The cores that this process may use; macOS does not tell, there it is all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_inputs(profile: Profile) -> None:
    """Refuse folders and files that are not there, before anything of an earlier run is touched.

    Images are not opened: the first step does that. Raises UserError.
    """
    places = {key: getattr(profile, key) for key in PATHS}
    if profile.collection:
        places["collection"] = str(Path(profile.collection, "metadata.csv"))
    if profile.drawn:  # what lies beside drawn images is drawn with them
        drawn = profile.data_folder.parent
        places = {k: v for k, v in places.items() if not (v and Path(v).is_relative_to(drawn))}
    else:
        from deepcovid.data import manifest

        manifest.class_folders(profile.data_folder)
        if profile.augment_positives == "release":
            manifest.refuse_without_copies(profile.data_folder)
    for key, path in places.items():
        if path not in (None, *WORDS) and not Path(path).exists():
            raise UserError(f"There is no {path}: -p {key} PATH.")


@contextmanager
def run_lock(folder: Path, name: str) -> Iterator[None]:
    """Work in the folder of a run, which is made where need be, while nobody else works there.

    The lock is this process's, in which Snakemake runs, and ends with it, however it ends.
    Raises UserError where somebody else has it, and where the folder cannot be written.
    """
    lock = FileLock(folder / ".lock", blocking=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = lock.acquire()
    except Timeout:
        raise UserError(f"Another run of profile {name} is under way.") from None
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}). Name another place for runs in the "
            "environment: DEEPCOVID_RUNS=FOLDER."
        ) from None
    with held:
        yield


def forced(folder: Path) -> list[str]:
    """All steps run again where Snakemake does not know of what they were made."""
    known = folder / ".snakemake" / "metadata"
    unknown = (folder / "manifest.csv").is_file() and not (known.is_dir() and any(known.iterdir()))
    return ["--forceall"] * unknown


def snakemake(folder: Path, options: list) -> int:
    """Run Snakemake in this process; its exit status. Its jobs run the code of this checkout."""
    from snakemake.cli import main

    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), before)))
    os.environ |= {
        "PYTHONSAFEPATH": "1",
        "DEEPCOVID_RUNS": str(profiles.RUNS),
        repair.MARK: str(folder),
    }
    try:
        main([str(option) for option in options])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def failures(folder: Path) -> list[str]:
    """Why each step and notebook that failed did, as the log that it left says."""
    told = []
    for log in [*sorted(folder.glob("logs/*.txt")), *sorted(folder.glob("notebooks/*.ipynb.txt"))]:
        why = reason(log.read_text(encoding="utf-8", errors="replace").strip())
        if why not in (
            "",
            "KeyboardInterrupt",
        ):  # Snakemake makes one anew for a step that went well
            see = log.with_suffix("") if log.parent.name == "notebooks" else log
            lines = "\n  ".join(map(escape_control_chars, why.splitlines()))
            told.append(f"\n{log.name.partition('.')[0]} stopped: {lines}\n  see {see}")
    return told


def reason(text: str) -> str:
    """Why a step or a notebook failed, of what it wrote: our own error, or the last line."""
    for ours in ("UserError: ", STEP_SAYS):
        if ours in text:
            return text.rpartition(ours)[2]
    last = text.rpartition("\n")[2]
    died = "Kernel died" in last or (text and "Traceback (" not in text)
    return last + DIED * bool(died)
