"""How something is measured: calls in turns in one process, and what is kept of them.

Machines are noisy, and other work slows them: so calls that are compared are made in turns, and a
ratio is of calls of the same round. What was measured stands in results/benchmarks/SECTION.json, a
row for each measurement; a row that is there is not measured again.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from deepcovid import runs, steps
from deepcovid.report import provenance

RESULTS = runs.RESULTS / "benchmarks"


@dataclass(frozen=True)
class Asked:
    """What the command line asked for."""

    data: Path
    weights: str  # as a profile's: random, imagenet, or a path
    models: tuple[str, ...]
    images: int  # of a sample
    rounds: int
    again: bool = False
    folder: Path = RESULTS
    finished: tuple[Path, ...] = ()  # folders of runs


def turns(calls: dict[str, Callable], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, a number a round; one round more, to warm up, does not count."""
    seconds = {call: [] for call in calls}
    for _ in range(rounds + 1):
        for call, function in calls.items():
            start = time.perf_counter()
            function()
            seconds[call].append(time.perf_counter() - start)
    return {call: took[1:] for call, took in seconds.items()}


def spread(values: list[float]) -> dict[str, float]:
    """Median and range, to four digits."""
    named = {"median": statistics.median(values), "low": min(values), "high": max(values)}
    return {name: float(f"{value:.4g}") for name, value in named.items()}


def ratio(above: list[float], below: list[float]) -> dict[str, float]:
    """The spread of the ratios of each round."""
    return spread([a / b for a, b in zip(above, below, strict=True)])


def machine() -> dict:
    """What a time depends on: processor, its vectors, cores, threads, versions, how memory is given."""
    cpu = platform.processor()
    for line in lines_of("/proc/cpuinfo"):
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": cpu, "cores": len(os.sched_getaffinity(0)), "memory_gb": round(memory, 1),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(), "malloc_tuned": "GLIBC_TUNABLES" in os.environ,
        "system": platform.system(), "python": platform.python_version(),
        **provenance.environment()["packages"],
    }  # fmt: skip


def lines_of(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).is_file() else []


def peak(code: str, *arguments, env: dict | None = None) -> dict:
    """What a Python program of its own prints as JSON, with its peak memory in MB."""
    told = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, cwd=runs.ROOT, env=os.environ | (env or {}),
    )  # fmt: skip
    if told.returncode:
        raise RuntimeError(told.stderr)
    return json.loads(told.stdout.strip().splitlines()[-1])


def memory_mb() -> int:
    """The most memory that this process has held; what its parent held is no part of it."""
    for line in lines_of("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 2**10)
    return round(steps.peak_mb(resource.getrusage(resource.RUSAGE_SELF)))


def each_network(asked: Asked, section: str, row: Callable[[Asked, str], dict]) -> None:
    """Measure a row of a section for each network that is asked for."""
    kept = Kept(asked, section)
    for name in asked.models:
        kept.add(name, partial(row, asked, name))


class Kept:
    """A section's file: rows by name, each with the load of the machine while it was measured."""

    def __init__(self, asked: Asked, section: str):
        self.path, self.again = asked.folder / f"{section}.json", asked.again
        self.made = runs.read_json(self.path) if self.path.is_file() else {"rows": {}}

    def add(self, name: str, measure: Callable[[], dict], now: bool = True) -> None:
        """Measure a row unless it is there, and write the file.

        `now=False`: it was measured before, so that the load of this moment says nothing of it.
        """
        if name in self.made["rows"] and not self.again:
            print(f"{name}: is there")
            return
        before = os.getloadavg()[0]
        row = measure()
        load = {"load_average": [round(before, 1), round(os.getloadavg()[0], 1)]}
        day = {"day": time.strftime("%Y-%m-%d")}
        self.made["rows"][name] = day | row | (load if now else {}) | {"machine": machine()}
        runs.write_json(self.path, self.made)
        print(name, json.dumps(row))
