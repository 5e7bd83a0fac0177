"""What a user waits for: start-up, a run again with nothing to do, images to scores, the audit."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.measure import Asked, Kept, peak, spread, turns
from benchmarks.speed import sample
from deepcovid import profiles, runs

PROGRAM = [sys.executable, "-m", "deepcovid"]
SCORES = """
import json, sys, time
from benchmarks.measure import memory_mb
start = time.perf_counter()
from deepcovid import profiles
from deepcovid.data import augmentation, manifest
from deepcovid.models import scoring, training
from deepcovid.models.run import Run
name, data, weights = sys.argv[1:]
given = {"models": name, "data": data, "weights": weights, "augment_positives": 1}
profile = profiles.load("paper", given)
manifest.run(profile), augmentation.run(profile)
opened = Run(profile)
training.run(opened, name, 0)
scoring.run(opened, name, 0)
print(json.dumps({"seconds": round(time.perf_counter() - start, 2), "peak_mb": memory_mb(),
                  "images": len(opened.originals())}))
"""
AUDIT = """
import json, sys, time
from benchmarks.measure import memory_mb
from deepcovid import profiles
from deepcovid.data import audit, manifest
profile = profiles.load("paper", {"data": sys.argv[1]})
table = manifest.run(profile)
start = time.perf_counter()
audit.run(profile)
print(json.dumps({"seconds": round(time.perf_counter() - start, 2), "peak_mb": memory_mb(),
                  "images": len(table)}))
"""


def start(asked: Asked) -> None:
    """The help page, and `demo` once more where it has run: seconds."""
    kept = Kept(asked, "start")

    def timed(*words) -> dict:
        call = lambda: subprocess.run([*PROGRAM, *words], check=True, capture_output=True)  # noqa: E731
        return {"rounds": asked.rounds, "seconds": spread(turns({"": call}, asked.rounds)[""])}

    kept.add("help", lambda: timed("--help"))
    look = [*PROGRAM, "demo", "--snakemake=--dry-run"]
    if "Nothing to be done" in subprocess.run(look, capture_output=True, text=True).stdout:
        kept.add("demo again, nothing to do", lambda: timed("demo"))
    else:
        print("demo again: ./run_all.sh first")


def smaller(asked: Asked, folder: Path) -> Path:
    """A data folder of links to `asked.images` images, both classes in both splits."""
    chosen = sample(asked, asked.images) if asked.images else []
    chosen += [p for k in ("train", "test") for c in ("covid", "non")
               for p in sorted((asked.data / k / c).rglob("*.*"))[:12]]  # fmt: skip
    for path in dict.fromkeys(chosen or asked.data.rglob("*.*")):
        link = folder / path.relative_to(asked.data)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.resolve())
    return folder


def scores(asked: Asked) -> None:
    """From a sample of images to scores.csv, 100 epochs: seconds and peak memory, each network."""
    kept = Kept(asked, "scores")
    for name in asked.models:
        kept.add(
            f"{name}, sample of {asked.images}", lambda name=name: elsewhere(asked, SCORES, name)
        )


def audit(asked: Asked) -> None:
    """The audit of a sample of the dataset."""
    kept = Kept(asked, "audit")
    kept.add(f"sample of {asked.images}", lambda: elsewhere(asked, AUDIT))


def notebooks(asked: Asked) -> None:
    """Runs that were made (`demo` and `paper`, or --run FOLDER): each step and notebook."""
    kept = Kept(asked, "notebooks")
    for folder in asked.finished or (runs.RUNS / "demo", runs.RUNS / "paper"):
        if any(folder.glob("**/costs.csv")):
            kept.add(folder.name, lambda folder=folder: noted(folder), now=False)
        else:
            print(f"{folder.name}: not run yet")


def noted(folder: Path) -> dict:
    """What a run says of itself: wall and processor seconds and peak memory of each step, from
    `costs.csv`, and wall seconds of each notebook, as papermill noted them.

    Of a study, each run counts as one step; `lacks` names those that are not made, or not to their end.
    The whole is from the start of the first to the end of the last, so it is that of a run in one go.
    """
    tables = sorted(folder.rglob("costs.csv"))
    runs_of = [pd.read_csv(path).assign(run=path.parent.name) for path in tables]
    costs = pd.concat(runs_of).assign(end=lambda of: of.start + of.seconds)
    starts, ends, shown = [*costs.start], [*costs.end], {}
    steps = {
        name: {"seconds": round(float(rows.seconds.sum()), 1), "peak_mb": int(rows.peak_mb.max()),
               "processor_seconds": round(float(rows.processor_seconds.sum()), 1)}
        for name, rows in costs.groupby("step" if len(tables) == 1 else "run")
    }  # fmt: skip
    for path in sorted((folder / "notebooks").glob("*.ipynb")):
        of = runs.read_json(path)["metadata"].get("papermill", {})
        if of.get("duration") and not of.get("exception"):
            shown[path.stem] = round(of["duration"], 1)
            ends.append(pd.Timestamp(of["end_time"]).timestamp())
    trained = {path.parent.parent.name for path in folder.rglob("seed*/scores.csv")}
    found = {
        "images": len(pd.read_csv(min(folder.rglob("manifest.csv")), usecols=["image"])),
        "models": ", ".join(name for name in profiles.MODELS if name in trained),
        "seconds": round(max(ends) - min(starts), 1), "steps": steps,
    }  # fmt: skip
    made = profiles.chosen_runs(folder.name, {}) if folder.name in profiles.names() else {}
    lacks = [run for run in made
             if not all((folder / file).is_file() for file in profiles.shown({run: made[run]}))]  # fmt: skip
    found |= {"lacks": lacks} if lacks else {}
    day = time.strftime("%Y-%m-%d", time.gmtime(max(ends)))
    return found | ({"shown": shown} if shown else {}) | {"day": day}


def reruns(asked: Asked) -> None:
    """Each committed notebook by papermill, as it reads `results/`: seconds."""
    kept = Kept(asked, "reruns")
    for path in sorted((runs.ROOT / "notebooks").glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as place:
            words = [sys.executable, "-m", "deepcovid.papermill", path, Path(place, path.name),
                     "-k", "python3", "--cwd", path.parent, "--no-progress-bar"]  # fmt: skip
            kept.add(path.stem, lambda words=words: used(words))


COMMANDS = {"demo": ["./run_all.sh", "demo"], "ci": [".ci/run"]}


def commands(asked: Asked) -> None:
    """The demo from nothing, and `.ci/run`, each in a clean clone: long, so only where it is named."""
    kept = Kept(asked, "commands")
    for name, words in COMMANDS.items():
        with tempfile.TemporaryDirectory() as place:
            clone = ["git", "clone", "-q", runs.ROOT, place]
            subprocess.run(clone, check=True)
            env = os.environ | {"DEEPCOVID_RUNS": f"{place}/runs", "PYTHONPATH": place}
            kept.add(name, lambda words=words, place=place, env=env: used(words, place, env))


def used(words: list, folder: Path = runs.ROOT, env: dict | None = None) -> dict:
    """Wall and processor seconds of a command and all that it starts; RuntimeError where it fails."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(
        list(map(str, words)), cwd=folder, env=env, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        raise RuntimeError(ended.stderr[-2000:])
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(time.perf_counter() - start, 1), "processor_seconds": round(took, 1)}


def elsewhere(asked: Asked, code: str, *names: str) -> dict:
    """A program on a sample of the images, with a runs folder of its own, so that nothing is kept."""
    with tempfile.TemporaryDirectory() as place:
        data = smaller(asked, Path(place) / "data")
        weights = [asked.weights] * bool(names)
        return peak(code, *names, data, *weights, env={"DEEPCOVID_RUNS": f"{place}/runs"})
