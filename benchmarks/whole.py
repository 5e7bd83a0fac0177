"""What a user waits for: start-up, a run again with nothing to do, images to scores, the audit."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.measure import Asked, Kept, peak, spread, turns
from benchmarks.speed import sample
from deepcovid import runs

PROGRAM = [sys.executable, "-m", "deepcovid"]
SCORES = """
import json, sys, time
from benchmarks.measure import memory_mb
start = time.perf_counter()
from deepcovid import profiles
from deepcovid.data import augmentation, manifest
from deepcovid.models import scoring, training
from deepcovid.models.opened import Run
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
    """The whole `demo` and `paper`, and each step of theirs, where they have run."""
    kept = Kept(asked, "notebooks")
    for name in ("demo", "paper"):
        folder = runs.RUNS / name
        if (folder / "run.json").is_file():
            kept.add(name, lambda folder=folder: noted(folder), now=False)
        else:
            print(f"{name}: not run yet")


def noted(folder: Path) -> dict:
    """What the workflow noted of a run's steps: wall and processor seconds, peak memory of each.

    The whole is from the start of the first to the end of the last, so it is that of a run in one go.
    """
    made, steps, ends, starts = runs.read_json(folder / "run.json"), {}, [], []
    for path in sorted((folder / "benchmarks").glob("*.tsv")):
        row = pd.read_csv(path, sep="\t").iloc[-1]
        steps[path.stem] = {"seconds": float(row.s), "processor_seconds": float(row.cpu_time),
                            "peak_mb": round(float(row.max_rss))}  # fmt: skip
        ends.append(path.stat().st_mtime)
        starts.append(ends[-1] - row.s)
    return {"images": made["data"]["images"], "models": ", ".join(made["profile"]["models"]),
            "seconds": round(max(ends) - min(starts), 1), "steps": steps}  # fmt: skip


def elsewhere(asked: Asked, code: str, *names: str) -> dict:
    """A program on a sample of the images, with a runs folder of its own, so that nothing is kept."""
    with tempfile.TemporaryDirectory() as place:
        data = smaller(asked, Path(place) / "data")
        weights = [asked.weights] * bool(names)
        return peak(code, *names, data, *weights, env={"DEEPCOVID_RUNS": f"{place}/runs"})
