"""What a run that was killed left behind, put away before the next: processes, half-written files."""

import os
import shutil
import time
from pathlib import Path

import psutil

STALE = 600  # seconds; what other runs write into a folder that they share takes less
MARK = "DEEPCOVID_RUN"  # in the environment of all that works for a run: its folder


def tidy(folder: Path, shared: Path) -> list[str]:
    """Put a run's folder in order; a sentence for each thing that was done.

    Nobody else may be at work in `folder`; `shared` holds what several runs keep, also now.
    """
    told = []
    if ended := end_leftovers(folder):
        told.append(f"Ended what a killed run had left at work: {', '.join(map(str, ended))}.")
    halves = [*parts(folder, 0), *parts(shared, STALE)]
    for path in halves:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if halves:
        told.append(f"Removed {len(halves)} half-written files of a run that was stopped.")
    for path in [*folder.glob("logs/*.txt"), *folder.glob("notebooks/*.ipynb.txt")]:
        path.unlink()  # what failed steps and notebooks had to say
    return told


def end_leftovers(folder: Path) -> list[int]:
    """End processes of an earlier run of this folder: kernels outlive who started them."""
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(folder) and process.pid != os.getpid():
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


def kept(output: str, *others: str) -> str:
    """`output`, once it is forgotten where one of the others that its step made is gone.

    These are no outputs of Snakemake's: it would delete what a failed job has made of them, as a
    checkpoint that is trained but not yet scored. Paths are relative to the run's folder.
    """
    if not all(map(os.path.isfile, others)):
        Path(output).unlink(missing_ok=True)
    return output
