"""A run is killed, again and again, and ends as if it had been left alone.

    python -m benchmarks.robustness.kills [--kills 20] [--seed 0] [--until evaluation]

SIGKILL to the whole process group at random moments: of `./run_all.sh demo` on a few images, and of
a training on images. After each kill the same command goes on; scores.csv and metrics.csv must be
those of a run that nobody disturbed, byte for byte. `--until` says how far the run goes.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from benchmarks.robustness import figures, tiny
from deepcovid.runs import ROOT


def notebooks(folder: Path, settings: dict, until: str = "") -> list[str]:
    """The command that runs `demo` on a folder's images."""
    given = [word for key, value in settings.items() for word in ("-p", key, str(value))]
    far = ["--snakemake", f"--until={until}"] if until else []
    return [sys.executable, "-m", "deepcovid", "demo", *given, "--cores", "1", *far]


def started(command: list[str] | dict, runs: Path, log: Path) -> tuple:
    """Start a command, or a computation (`tiny.apart`), in a process group of its own.

    Its id, what asks for its exit status, and the file with what it wrote.
    """
    if isinstance(command, dict):
        process, log = tiny.apart(runs, "demo", command)
        return process.pid, lambda: process.exitcode, log
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=tiny.around(runs), stdout=file,
                                   stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
    return process.pid, process.poll, log


def one(command: list[str] | dict, runs: Path, log: Path, seconds: float | None) -> bool:
    """Run a command; kill its process group after some seconds. Did it end by itself?

    RuntimeError with what it wrote where it failed.
    """
    (child, status, log), end = started(command, runs, log), time.monotonic() + (seconds or 1e9)
    while (ended := status()) is None:
        if time.monotonic() > end:
            with suppress(ProcessLookupError):  # it has no group yet
                os.killpg(child, signal.SIGKILL)
        time.sleep(0.01)
    if ended == -signal.SIGKILL and time.monotonic() > end:
        return False
    if ended:
        raise RuntimeError(f"exit status {ended}: {log.read_text()[-3000:]}")
    return True


def survive(command: list[str] | dict, room: Path, wanted: int, rng: random.Random) -> dict:
    """Kill a command `wanted` times in all, in as many runs as that takes; what came of it.

    A kill falls anywhere between start and end of a run that nobody disturbs.
    """
    began = time.monotonic()
    (room / "log").touch()  # of a computation there is none
    one(command, room / "whole", room / "log", None)
    whole = time.monotonic() - began
    expected = tiny.made(room / "whole" / "demo")
    assert "metrics.csv" in expected, (room / "log").read_text()
    kills, runs, same, mended, moments, went_on = 0, 0, 0, Counter(), [], 0
    while kills < wanted:
        shutil.rmtree(room / "killed", ignore_errors=True)
        ended = False
        while not ended:
            delay = rng.uniform(0, whole) if kills < wanted else None
            went_on += bool([*room.glob("killed/demo/*/seed*/resume.pt")])
            ended = one(command, room / "killed", room / "log", delay)
            found = re.findall(
                r"^((?:Ended|Removed) .*)\.$", (room / "log").read_text(), re.MULTILINE
            )
            mended.update(re.sub(r"\S*/\S*|\d+(, \d+)*", "...", line) for line in found)
            if not ended:
                kills += 1
                moments.append(round(delay / whole, 2))
        runs += 1
        same += tiny.made(room / "killed" / "demo") == expected
    return {"kills": kills, "runs": runs, "the same bytes": same, "mended": dict(mended),
            "trainings taken up again": went_on, "killed after this share of a run": sorted(moments)}  # fmt: skip


def run(kills: int, seed: int, until: str, only: str) -> dict:
    found = figures.kept().get("kills", {}) if only else {}
    with tempfile.TemporaryDirectory() as place:
        room = tiny.draw(Path(place))
        settings = tiny.overrides(room)
        first = tiny.FORKS.Process(target=int)  # what libraries take to load is no part of a run
        first.start(), first.join()
        commands = {
            "a training on images": settings,
            "the notebooks": notebooks(room, settings, until),
        }
        for name, command in commands.items():
            if only and only not in name:
                continue
            (room / name).mkdir()
            found[name] = survive(command, room / name, kills, random.Random(seed))
            print(name, json.dumps(found[name]), flush=True)
    return found | {"seed": seed, "notebooks until": until or "the end"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until", default="", help="a rule of the Snakefile (default: all)")
    parser.add_argument(
        "--only", default="", choices=["training", "notebooks"], help="one of the two"
    )
    args = parser.parse_args()
    figures.keep("kills", run(args.kills, args.seed, args.until, args.only))
