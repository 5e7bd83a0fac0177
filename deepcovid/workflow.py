"""Make what a profile asks for: look at what it hangs on, then let Snakemake run the notebooks."""

import ast
import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from deepcovid import imports, profiles, repair
from deepcovid.profiles import PATHS, PROFILES, WORDS, Profile
from deepcovid.runs import NOTICE, PACKAGES, ROOT, UserError, digest, read_json, state, write_json

# what a reader of Snakemake's log wants to see: which notebook starts, how much is done
DIGEST = re.compile(r"[0-9a-f]{16}")  # of `state`
PROGRESS = re.compile(
    r"Job \d+: (?P<message>.*)|(?P<steps>\d+ of \d+ steps .*done|Nothing to be done)"
    r"|Reason: (?P<reason>.*)"
)
CHECKED = ".checked.json"  # in a run's folder: what its images and weights were when last looked at
LOOKED_AT = (*PATHS, "models", "augment_positives")


# what stops a run without a fault of its own, by what is said of it; torch does not say more of a
# file that it cannot write
HINTS = {
    re.compile(
        "No space left on device|Disk quota exceeded|File too large|inline_container|iostream error"
    ): "\nThe disk is full, or a limit reached: make room, and give the same command again; it goes "
    "on from here.",
    re.compile("Read-only file system|Permission denied"): "\nA file or folder cannot be written: "
    "name another place for runs (--runs FOLDER), or allow it.",
    re.compile(
        "DeadKernelError|Kernel died|MemoryError|[Cc]an(no|')t allocate memory|OutOfMemoryError"
        "|worker .* is killed|exited unexpectedly"
    ): "\nA process was ended, mostly because memory ran out: take fewer cores (--cores 1), "
    "-p workers 0, a smaller -p batch_size or -p image_size. The same command goes on from here.",
}

CLUSTERS = PROFILES / "cluster"  # a folder for each kind, with Snakemake's options in config.yaml

# what a step makes beside the output that Snakemake knows: where one is gone, the step runs again
EACH = ("checkpoint.pt", "training.json", "history.csv")
PLOTS = ("roc", "precision_recall", "scores", "confusion", "calibration")


def run(
    name: str, overrides: dict, cores: int | None, extra: list[str], cluster: str | None = None,
    goal="all", made="index.html",
) -> int:  # fmt: skip
    """Make a goal of a profile, by default all its notebooks, with Snakemake; its exit status.

    `cores` are all of this machine, if None; on a `cluster` its settings say how many a job has.
    `extra` are further options for Snakemake, `made` is the file that ends it, relative to the
    run's folder. Raises UserError for what cannot work.
    """
    where = ["--workflow-profile", settings_of(cluster)] if cluster else []
    cores = cores or (None if cluster else usable_cores())
    profile = profiles.load(name, overrides)
    if profile.folder.is_dir():
        with alone(profile):
            for told in repair.mend(profile.folder, profile.folder.parent / "features"):
                print(f"Mended: {told}.", flush=True)
    preflight(profile)
    folder, log = make_folder(profile), profile.folder / "snakemake.log"
    profiles.keep(name)
    forget_parts(profile)
    end = (folder / made).resolve()
    before = {path: changed(path) for path in (end, *folder.glob("notebooks/*.ipynb"))}
    status = snakemake(folder / ".lock", log, [
        "--snakefile", ROOT / "Snakefile", "--directory", folder,
        *(["--cores", str(cores)] if cores else []),
        # Snakemake's own lock would stay after a killed run
        "--nolock", "--rerun-incomplete", goal, *where, *extra,
        "--config", f"profile={profile.name}", f"overrides={json.dumps(overrides)}",
        *([f"cores={cores}"] if cores else []),
    ])  # fmt: skip
    if status:
        if not (folder / "manifest.csv").is_file():  # what was made of another is no result
            for stale in ("metrics.csv", "index.html"):
                (folder / stale).unlink(missing_ok=True)
        executed = sorted(folder.glob("notebooks/*.ipynb"))
        fresh = [path for path in executed if changed(path) != before.get(path)]
        print(*reasons(fresh, log), f"The whole log: {log}", sep="\n", file=sys.stderr)
    elif extra and changed(end) == before[end]:
        print(f"\nSnakemake has done what '{' '.join(extra)}' asks, which did not make {end}.")
    else:
        numbers = f"\n      Numbers: {folder / 'metrics.csv'}" * (goal == "all")
        print(f"\nDone. Read {end}{numbers}\n{NOTICE}")
    return status


def settings_of(cluster: str) -> Path:
    """The folder of a cluster's settings: one in profiles/cluster by its name, or any by its path."""
    for folder in (CLUSTERS / cluster, Path(cluster).absolute()):
        if (folder / "config.yaml").is_file():
            return folder
    known = ", ".join(sorted(path.parent.name for path in CLUSTERS.glob("*/config.yaml")))
    raise UserError(
        f"There is no cluster '{cluster}': say {known}, or a folder with a config.yaml."
    )


def usable_cores() -> int:
    """The cores that this process may use; macOS does not tell, there it is all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def forget_parts(profile: Profile) -> None:
    """Remove the known output of each step of which another file is gone, so that it runs again."""
    models = [f"{model}/seed{seed}" for model in profile.models for seed in profile.seeds]
    together = {f"{model}/scores.csv": [f"{model}/{name}" for name in EACH] for model in models}
    together |= {
        "metrics.csv": [
            *(f"{model}/metrics.json" for model in models),
            *(f"figures/{name}.svg" for name in PLOTS),
        ],
        "heatmaps.done": ["heatmaps.json", "figures/perturbation.svg"],
        "failure.done": ["notebooks/06_failed_reproduction.ipynb"],
        "shortcuts.csv": ["figures/shortcuts.svg", "notebooks/07_shortcuts.ipynb"],
        "fair_test.done": ["notebooks/08_fair_test.ipynb"] + ["fair_test/swap.csv"] * bool(profile.collection),
        "overview.done": ["notebooks/00_overview.ipynb"],
    }  # fmt: skip
    for output, others in together.items():
        if not all((profile.folder / name).is_file() for name in others):
            (profile.folder / output).unlink(missing_ok=True)


def preflight(profile: Profile) -> None:
    """Refuse what cannot work before anything of an earlier run is touched.

    What was found whole is not read again while its files, the settings and the code are the same.
    Raises UserError that says what is missing or cannot be read.
    """
    if profile.device == "cuda":  # a GPU may be gone since the last look
        from deepcovid.models import networks

        networks.device_of(profile.device)
    kept = profile.folder / CHECKED
    before = read_json(kept) if kept.is_file() else {}
    if before and before["state"] == state_of(profile, before["weights"]):
        return
    weights = look(profile)
    make_folder(profile)
    write_json(kept, {"state": state_of(profile, weights), "weights": weights})


def state_of(profile: Profile, weights: list[str]) -> str:
    """Stands for all that `look` hangs on: settings, files (by size and time), code, libraries."""
    settings = [getattr(profile, key) for key in LOOKED_AT]
    places = [place for key in PATHS if (place := getattr(profile, key)) not in WORDS]
    code = imports.files("data.manifest", "models.networks")
    return digest([settings, state(*places, *weights, *code), [version(p) for p in PACKAGES]])


def look(profile: Profile) -> list[str]:
    """Read or draw every image and build every model once; give the files of weights.

    Raises UserError that says what is missing or cannot be read.
    """
    from deepcovid.data import external, manifest, miniature
    from deepcovid.fair_test import collection
    from deepcovid.models import networks

    if profile.drawn:  # before any step is asked what it depends on
        with alone(profile):
            miniature.run(profile)
    else:
        manifest.refuse_unreadable(profile.data_folder)
        if profile.augment_positives == "release":
            manifest.refuse_without_copies(profile.data_folder)
    if profile.external:
        external.table(Path(profile.external))
    if profile.collection:
        folder = Path(profile.collection)
        manifest.refuse_unreadable(folder, {"": collection.outer(folder).path})
    if profile.severity and not Path(profile.severity).is_file():
        raise UserError(f"There is no file {profile.severity}: -p severity FILE, or none.")
    for name in profile.models:
        networks.build(name, profile.weights)
    paths = [networks.find_weights(profile.weights, name)[0] for name in profile.models]
    return [str(path) for path in paths if path]


def make_folder(profile: Profile) -> Path:
    """The folder of a run that nobody else makes at this moment; UserError where there is none."""
    with alone(profile):
        return profile.folder


@contextmanager
def alone(profile: Profile) -> Iterator[None]:
    """In the folder of a run, which is made where need be, while nobody else works there.

    Raises UserError where somebody does, and where the folder cannot be written.
    """
    lock = FileLock(profile.folder / ".lock", blocking=False)
    try:
        profile.folder.mkdir(parents=True, exist_ok=True)
        held = lock.acquire()
    except Timeout:
        raise UserError(f"Another run of profile {profile.name} is under way.") from None
    except OSError as error:
        raise UserError(
            f"{profile.folder} cannot be written ({error.strerror}). Name another place for runs: "
            "--runs FOLDER, or DEEPCOVID_RUNS=FOLDER in the environment."
        ) from None
    with held:
        yield


def snakemake(lock: Path, log: Path, options: list) -> int:
    """Run Snakemake in a process of its own, which holds the lock; its exit status.

    All that it says goes to `log`, which notebook begins and how many are done to the screen.
    """
    ours = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with (
        log.open("w", buffering=1, encoding="utf-8") as file,
        subprocess.Popen(
            [sys.executable, "-m", "deepcovid.workflow", lock, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            # the code of this checkout, whatever lies in the caller's folder
            env=os.environ
            | {
                "PYTHONPATH": ours,
                "PYTHONSAFEPATH": "1",
                repair.MARK: str(log.parent),
            },
        ) as process,
    ):
        try:
            for line in process.stdout:
                with suppress(OSError):  # a full disk stops the steps, which say so
                    file.write(line)
                if (shown := PROGRESS.match(line)) and (told := progress(**shown.groupdict())):
                    print(told, flush=True)
        except KeyboardInterrupt:  # Snakemake ends its jobs now, and keeps the lock meanwhile
            file.write(process.communicate()[0])
            raise
    return process.returncode


def progress(message: str | None, steps: str | None, reason: str | None) -> str:
    """What of Snakemake's log is shown: a step that begins, why it does again, how much is done."""
    told = why(reason) if reason else ""
    return message or (told and f"  again: {told}") or ((steps or "") and f"  {steps}")


def why(reason: str) -> str:
    """Snakemake's reason for doing a step again, in words; `` where it follows from another step,
    or where the step was never done."""
    found = []
    if match := re.search(r"Updated input files: ([^;]+)", reason):
        found.append("changed: " + ", ".join(sorted(Path(n).name for n in match[1].split(", "))))
    if match := re.search(r"before: (.*) now: (.*?)\s*(?:;|$)", reason):
        before, now = map(named, match.groups())
        found += differences(before, now)
    for said, told in {
        "Code has changed": "the rule in the Snakefile changed",
        "Set of input files has changed": "it needs other files than before",
        "Software environment": "another software environment",
        "incomplete": "it was stopped on its way",
    }.items():
        if said in reason:
            found.append(told)
    return "; ".join(found)


def differences(before: dict, now: dict) -> list[str]:
    """In what the settings and files of a step differ from those of its last run."""
    found = []
    for key in {**before, **now}:
        old, new = before.get(key, "not set"), now.get(key, "not set")
        if old != new:
            files = DIGEST.fullmatch(str(new)) or DIGEST.fullmatch(str(old))
            found.append(f"other {key}" if files else f"{key} was {old}, is {new}")
    return found


def named(params: str) -> dict:
    """The settings, and what stands for files (`images: 0123456789abcdef`), of a rule's params."""
    try:
        values = ast.literal_eval(f"[{params}]")
    except (ValueError, SyntaxError):
        return {"settings": params}
    found = {}
    for value in values:
        found |= value if isinstance(value, dict) else dict([str(value).rpartition(": ")[::2]])
    return found


def reasons(notebooks: list[Path], log: Path) -> list[str]:
    """What stopped a run: the errors in its executed notebooks, else what a step refused or wrote
    before it failed, else the end of Snakemake's log."""
    import nbformat

    found = []
    for path in notebooks:
        try:
            cells = nbformat.read(path, as_version=4).cells
        except ValueError:  # it was never begun, or its writer was killed
            continue
        errors = [o for cell in cells for o in cell.get("outputs", []) if o.output_type == "error"]
        for e in errors:  # of what is no mistake of the user's, the kind is half of what it says
            kind = "" if e.ename == "UserError" and e.evalue else f"{e.ename}: "
            found.append(f"\n{path.stem} stopped: {kind}{e.evalue}\n  see {path}")
        begun = [timed for cell in cells if (timed := cell.metadata.get("execution"))]
        if begun and "shell.execute_reply" not in begun[-1]:
            died = "its Python died, most often because memory ran out"
            found.append(f"\n{path.stem} stopped: {died}\n  see {path}")
    text = log.read_text(encoding="utf-8")
    refused = re.findall(r"^deepcovid: (.+)|^UserError in file .*\n(.+)", text, re.MULTILINE)
    told = list(dict.fromkeys(one or other for one, other in refused))
    before, failed, _ = text.partition("\nRuleException:")
    wrote = re.split(r"^(?:Job \d+|Reason): .*\n", before, flags=re.MULTILINE)[-1].splitlines()
    found = found or told or (wrote if failed else text.splitlines())[-15:]
    return found + [hint for sign, hint in HINTS.items() if sign.search("\n".join([*found, text]))]


def changed(path: Path) -> int | None:
    """When a file was last written, in nanoseconds; None where there is none."""
    return path.stat().st_mtime_ns if path.is_file() else None


def locked(lock: str, *options: str) -> None:
    """Be Snakemake, under a lock that ends with this process, however it ends.

    The one who started it may be killed while it goes on: a lock of theirs would end too early.
    """
    try:
        with FileLock(lock, blocking=False):
            sys.argv = ["snakemake", *options]
            runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
    except Timeout:
        sys.exit("deepcovid: Another run of this profile is under way.")


if __name__ == "__main__":
    locked(*sys.argv[1:])
