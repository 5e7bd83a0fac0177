"""The same in, the same out: one thing of the surroundings is changed at a time.

    python -m benchmarks.robustness.same

Scores and metrics of a training on images must be the same bytes whatever the order of files on
disk, locale, time zone, hash seed and path of the checkout. Where the number of
threads changes sums it is told by how much.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.robustness import figures, tiny
from deepcovid.runs import ROOT

# what the bytes may not depend on: other environment, settings, place of the code, order of files
AROUND = {
    "locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "time zone": {"TZ": "Pacific/Kiritimati"},
    "PYTHONHASHSEED": {"PYTHONHASHSEED": "12345"},
}
COMPUTE = "from benchmarks.robustness import tiny; import json, sys; tiny.compute('demo', json.loads(sys.argv[1]))"
REVERSED = """
import os, pathlib
for name in ("glob", "rglob", "iterdir"):
    plain = getattr(pathlib.Path, name)
    setattr(pathlib.Path, name, lambda *a, plain=plain, **k: iter(list(plain(*a, **k))[::-1]))
"""


def process(
    room: Path, runs: Path, code: str = "", root: Path = ROOT, more=None, **settings
) -> Path:
    """Compute in a process of its own; the run's folder."""
    environment = tiny.around(runs, PYTHONPATH=str(root), **(more or {}))
    subprocess.run(
        [sys.executable, "-c", code + COMPUTE, json.dumps(tiny.overrides(room, **settings))],
        env=environment, cwd=root, check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return runs / "demo"


def elsewhere(room: Path) -> Path:
    """A copy of the code in a folder with another name."""
    root = room / "another check-out ä"
    for name in ("deepcovid", "imageaudit", "benchmarks", "profiles"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def all_at_once(room: Path) -> Path:
    """Everything changed together: one process, for a test."""
    more = {key: value for each in AROUND.values() for key, value in each.items()}
    return process(room, room / "changed", REVERSED, elsewhere(room), more)


def threads(room: Path, plain: Path) -> dict:
    """What two threads change in the scores, and that they change it the same way each time."""
    two = {"OMP_NUM_THREADS": "2"}
    folders = [process(room, room / f"two {i}", more=two) for i in range(2)]
    scores = [
        pd.read_csv(f / "squeezenet" / "seed0" / "scores.csv").score for f in (plain, *folders)
    ]
    return {
        "largest difference of a score between one thread and two": float(
            np.abs(scores[0] - scores[1]).max()
        ),
        "the same bytes with two threads each time": tiny.made(folders[0]) == tiny.made(folders[1]),
    }


def run() -> dict:
    with tempfile.TemporaryDirectory() as place:
        room = tiny.draw(Path(place))
        plain = process(room, room / "plain")
        expected = tiny.made(plain)
        made = {"again": process(room, room / "again")}
        for name, more in AROUND.items():
            made[name] = process(room, room / name, more=more)
        made["order of files"] = process(room, room / "order", REVERSED)
        made["path of the checkout"] = process(room, room / "path", root=elsewhere(room))
        if hasattr(os, "sched_setaffinity"):
            made["cores"] = process(
                room, room / "cores", "import os; os.sched_setaffinity(0, [0]); "
            )
        same = {name: tiny.made(folder) == expected for name, folder in made.items()}
        return {"the same bytes": same, "threads": threads(room, plain)}


if __name__ == "__main__":
    found = run()
    figures.keep("same", found)
    print(json.dumps(found, indent=1))
