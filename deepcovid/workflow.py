"""Make what a profile asks for: refuse what cannot work, then let Snakemake run its steps and notebooks."""

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from deepcovid import profiles
from deepcovid.profiles import PATHS, PROFILES, WORDS, Profile
from deepcovid.runs import NOTICE, ROOT, UserError, escape_control_chars

MARK = "DEEPCOVID_RUN"  # in the environment of all that works for a run: its folder
STALE = 600  # seconds; what other runs write into a folder that they share takes less
DIED = " (it was ended from outside; if memory ran out, take fewer --cores or a smaller batch_size)"


def run(name: str, overrides: dict, cores, extra: list[str], cluster=None, goal="all") -> int:
    """Make the goal of a profile, by default all of it, with Snakemake; its exit status.

    `cores` are all of this machine, if None; on a `cluster`, a name or a folder, its settings say how
    many a job has. `extra` are further options for Snakemake, which then says itself what came of
    them. Raises UserError for what cannot work.
    """
    cores = cores or (None if cluster else usable_cores())
    options = ["--workflow-profile", settings_of(cluster)] if cluster else []
    options += ["--cores", cores] if cores else []
    # YAML knows no halves of a character, as JSON in ASCII has for some
    options += [*extra, "--config", f"overrides={json.dumps(overrides, ensure_ascii=False)}"]
    options += [f"cores={cores}"] if cores else []
    if profiles.runs_of(name):
        status = run_study(name, overrides, options)
    else:
        profile = profiles.load(name, overrides)
        check_inputs(profile)
        with run_lock(profile.folder, name):
            status = make(profile, [goal], options)
    if not status and not extra:
        made = profiles.RUNS / name / ("index.html" if goal == "all" else goal)
        print(f"\nDone. Read {made}\n{NOTICE}")
    return status


def run_study(study: str, overrides: dict, options: list) -> int:
    """Make the runs of a study, one after the other, then what compares them; the first bad status."""
    runs = profiles.chosen_runs(study, overrides)
    if "paper" not in runs:
        named = overrides.get("models", "network")
        raise UserError(f"{study} trains no {named} in a run `paper`, which each study has.")
    loaded = {run: profiles.load(f"{study}/{run}", overrides) for run in runs}
    for profile in loaded.values():
        if not Path(profile.data).is_relative_to(profiles.RUNS / study):  # made by a run before it
            check_inputs(profile)
    with run_lock(profiles.RUNS / study, study):  # also between its runs
        for i, (run, profile) in enumerate(loaded.items(), 1):
            print(f"\n{study}: run {i} of {len(runs)}, {run}", flush=True)
            if status := make(profile, profiles.goals(runs[run]), options):
                return status
        if not all((profiles.RUNS / study / file).is_file() for file in profiles.shown(runs)):
            return 0  # as with --dry-run
        return make(loaded["paper"], ["all"], options, study)


def make(profile: Profile, goals: list[str], options: list, study="") -> int:
    """Make files of a run, or of a study (then `profile` is of its first run); Snakemake's exit status.

    The caller holds its lock, `run_lock`.
    """
    name = study or profile.name
    folder = profiles.RUNS / name
    dry = any(re.match(r"-[a-z]*n|--dry-?run", str(option)) for option in options)
    folder.mkdir(parents=True, exist_ok=True)
    if profile.drawn:  # before any step is asked what it depends on
        from deepcovid.data import miniature

        miniature.run(profile)
    for told in [] if dry else tidy(folder, profile.features):
        print(told, flush=True)
    status = snakemake(folder, [
        "--snakefile", ROOT / ("study.smk" if study else "Snakefile"), "--directory", folder,
        # its own lock would stay after a killed run; of --keep-incomplete a failed job's
        # outputs would count as made
        "--quiet", "host", "--nolock", "--rerun-incomplete", *forced(folder), *goals,
        *options, f"profile={name}",
    ])  # fmt: skip
    if status and not dry:
        print(*failures(folder), sep="\n", file=sys.stderr)
    return status


def settings_of(cluster: str) -> Path:
    """The folder of a cluster's settings: one in profiles/cluster by its name, or any by its path."""
    for folder in (PROFILES / "cluster" / cluster, Path(cluster).absolute()):
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
    if not profile.drawn:
        from deepcovid.data import manifest

        manifest.class_folders(profile.data_folder)
        if profile.augment_positives == "release":
            manifest.refuse_without_copies(profile.data_folder)
    for key in PATHS:
        path = Path(getattr(profile, key) or "none")
        drawn = profile.drawn and path.is_relative_to(profile.folder)  # it will be, with the images
        path = path / "metadata.csv" if key == "collection" and profile.collection else path
        if not (drawn or str(path) in WORDS or path.exists()):
            raise UserError(f"There is no {path}: -p {key} PATH.")
    for model in profile.models if profile.weights not in WORDS else ():
        profiles.weights_file(Path(profile.weights), model)


@contextmanager
def run_lock(folder: Path, name: str) -> Iterator[None]:
    """Work in the folder of a run or study, which is made where need be, while nobody else works there.

    The lock is this process's, in which Snakemake runs, and ends with it, however it ends.
    Raises UserError where somebody else has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(folder / ".lock", blocking=False).acquire()
    except Timeout:
        raise UserError(f"Another run of profile {name} is under way.") from None
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
    os.environ |= {"PYTHONSAFEPATH": "1", "DEEPCOVID_RUNS": str(profiles.RUNS), MARK: str(folder)}
    try:
        main([str(option) for option in options])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def tidy(folder: Path, shared: Path) -> list[str]:
    """Put a run's folder in order; a sentence for each thing that was done.

    Nobody else may be at work in `folder`; `shared` holds what several runs keep, also now.
    """
    told = []
    if ended := end_leftovers(folder):
        told.append(f"Ended what a killed run had left at work: {', '.join(map(str, ended))}.")
    before = time.time() - STALE
    halves = [*folder.rglob(".part-*")]
    for path in shared.rglob(".part-*"):
        with suppress(FileNotFoundError):  # another run has just finished it
            halves += [path] * (path.stat().st_mtime <= before)
    for path in halves:  # one that lies in another is gone with it
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if halves:
        told.append("Removed half-written files of a run that was stopped.")
    for path in [*folder.glob("logs/*.txt"), *folder.glob("notebooks/*.ipynb.txt")]:
        path.unlink()  # what failed steps and notebooks had to say
    return told


def end_leftovers(folder: Path) -> list[int]:
    """End processes of an earlier run of this folder: kernels outlive who started them."""
    left = [process for process in psutil.process_iter(["environ"]) if process.pid != os.getpid()
            and (process.info["environ"] or {}).get(MARK) == str(folder)]  # fmt: skip
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=10)
    return [process.pid for process in left]


def remade(dag, output: str, *others: str) -> list[str]:
    """Has Snakemake make `output` again where one of the others that its step made is gone; no input.

    The others are no outputs of Snakemake's: it would delete what a failed job has made of them, as
    a checkpoint that is trained but not yet scored. Paths are relative to the run's folder.
    """
    if Path(output).is_file() and not all(map(os.path.isfile, others)):
        dag.forcefiles.add(output)
    return []


def failures(folder: Path) -> list[str]:
    """Why each step and notebook that failed did, as the log that it left says."""
    told = []
    for log in [*sorted(folder.glob("logs/*.txt")), *sorted(folder.glob("notebooks/*.ipynb.txt"))]:
        text = log.read_text(encoding="utf-8", errors="replace").strip()
        *before, why = re.split("UserError: |deepcovid: ", text)  # of a notebook, of a step
        if not before:
            why = text.rpartition("\n")[2]
            why += DIED * ("Kernel died" in why or "Traceback (" not in text)
        # Snakemake makes an empty one anew for a step that went well
        if text and why != "KeyboardInterrupt":
            see = log.with_suffix("") if log.parent.name == "notebooks" else log
            lines = "\n  ".join(map(escape_control_chars, why.splitlines()))
            told.append(f"\n{log.name.partition('.')[0]} stopped: {lines}\n  see {see}")
    return told
