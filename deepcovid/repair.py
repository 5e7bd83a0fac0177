"""What a run that was killed, or a full disk, left behind: noticed, mended before the next, and said."""

import json
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

STALE = 600  # seconds; what other runs write into a folder that they share takes less
MARK = "DEEPCOVID_RUN"  # in the environment of all that works for a run: its folder
# a run's steps; where Snakemake does not know of what they were made, they are made anew
STEPS = ("manifest.csv", "audit.json", "training.csv", "metrics.csv", "heatmaps.done", "failure.done",
         "shortcuts.csv", "external.json", "fair_test.done", "overview.done", "index.html")  # fmt: skip


def mend(folder: Path, shared: Path) -> list[str]:
    """Put a run's folder in order; a sentence for each thing that was mended.

    Nobody else may be at work in `folder`; `shared` holds what several runs keep, also now.
    """
    told = []
    if ended := end_leftovers(folder):
        told.append(
            f"ended what a killed run had left at work: process {', '.join(map(str, ended))}"
        )
    halves = [*parts(folder, 0), *parts(shared, STALE)]
    for path in halves:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if halves:
        told.append(f"removed {len(halves)} half-written files of a run that was stopped")
    for path in damaged(folder, shared):
        path.unlink(missing_ok=True)
        path.with_name(path.name + ".made-from").unlink(missing_ok=True)
        told.append(f"{path} was not whole: it is made anew")
    known = folder / ".snakemake" / "metadata"
    if (folder / "manifest.csv").is_file() and not (known.is_dir() and any(known.iterdir())):
        for path in (*(folder / step for step in STEPS), *folder.glob("*/seed*/scores.csv")):
            path.unlink(missing_ok=True)
        told.append(f"nothing tells of what {folder} was made: all steps run again")
    return told


def end_leftovers(folder: Path) -> list[int]:
    """End processes of an earlier run of this folder: kernels outlive who started them."""
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(folder):
                process.kill()
                left.append(process)
        except (psutil.Error, OSError):  # it is gone, or somebody else's
            continue
    psutil.wait_procs(left, timeout=10)
    return [process.pid for process in left]


def parts(folder: Path, age: float) -> list[Path]:
    """What was being written when its writer was killed, untouched for `age` seconds."""
    before = time.time() - age
    found = [path for path in folder.rglob(".part-*") if path.stat().st_mtime <= before]
    return [path for path in found if not any(other in path.parents for other in found)]


def damaged(folder: Path, shared: Path) -> list[Path]:
    """Kept files that no reader could take up again."""
    files = [*shared.rglob("*.npy")]
    for kind in WHOLE:
        files += folder.rglob(f"*{kind}")
    kept = (path for path in files if path.is_file() and not path.name.startswith(".part-"))
    return [path for path in kept if not whole(path)]


def whole(path: Path) -> bool:
    try:
        return WHOLE[path.suffix](path)
    except Exception:  # readers of broken files raise nearly anything
        return False


def is_array(path: Path) -> bool:
    """Is the file as long as its header says?"""
    np.load(path, mmap_mode="r")
    return True


def is_json(path: Path) -> bool:
    json.loads(path.read_text(encoding="utf-8"))
    return True


def has_text(path: Path) -> bool:
    return path.stat().st_size > 0


# a file of tensors is a zip file, whose table of contents stands at its end
WHOLE: dict[str, Callable[[Path], bool]] = {
    ".npy": is_array, ".pt": zipfile.is_zipfile, ".json": is_json, ".csv": has_text,
}  # fmt: skip
