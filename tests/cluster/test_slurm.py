"""A run past one machine: Snakemake's jobs on a real Slurm, where it is installed."""

import getpass
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import user_error

from deepcovid import __main__ as cli
from deepcovid import workflow
from deepcovid.runs import ROOT

sys.path.insert(0, str(Path(__file__).parent))
import one_node

absent = one_node.missing()
needs_slurm = pytest.mark.skipif(
    bool(absent), reason=f"needs Slurm (Debian: slurm-wlm, munge): no {', '.join(absent)}"
)
SOON = ("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1")
PATIENCE = 1800  # seconds; no test of speed: only that nothing hangs


def test_a_cluster_is_named_by_its_settings_and_a_wrong_name_is_refused(tmp_path):
    slurm = workflow.settings_of("slurm")
    assert slurm == ROOT / "profiles" / "cluster" / "slurm"
    shutil.copytree(slurm, tmp_path / "ours")
    assert workflow.settings_of(str(tmp_path / "ours")) == tmp_path / "ours"
    with user_error("There is no cluster 'slrum': say slurm, or a folder"):
        workflow.settings_of("slrum")
    assert cli.parse(["ablation", "--cluster", "slurm"]).cluster == "slurm"


def test_a_cluster_profile_names_rules_that_are_there_and_says_that_killed_jobs_run_again():
    given = yaml.safe_load((workflow.settings_of("slurm") / "config.yaml").read_text())
    rules = set(re.findall(r"^rule (\w+):", (ROOT / "Snakefile").read_text(), re.MULTILINE))
    assert set(given["set-threads"]) <= rules
    assert given["executor"] == "slurm" and given["retries"] >= 1
    for rule in given["set-threads"]:  # what takes cores says how much memory and time
        body = (
            (ROOT / "Snakefile").read_text().partition(f"rule {rule}:")[2].partition("\nrule ")[0]
        )
        assert re.search(r"resources: mem_mb=\d+, runtime=\d+", body), rule


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with one_node.one_node(tmp_path_factory.mktemp("slurm"), cores=8) as environment:
        yield environment


@contextmanager
def started(slurm, runs, *words):
    """A run on the cluster, under way; it ends with the block, however that ends."""
    command = [sys.executable, "-m", "deepcovid", *map(str, words)]
    given = {"DEEPCOVID_RUNS": str(runs), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(
        command, env=slurm | given, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield run
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()


def ask(slurm, *command) -> str:
    return subprocess.run(command, env=slurm, capture_output=True, text=True, check=True).stdout


def jobs(slurm, step: str) -> dict[str, str]:
    """What Slurm says of each job of a step, finished ones too, by the job's number."""
    told = re.split(r"\n\s*\n", ask(slurm, "scontrol", "show", "job", "--oneliner").strip())
    lines = [line for block in told for line in block.splitlines() if f"rule_{step}" in line]
    return {re.search(r"JobId=(\d+)", line)[1]: line for line in lines}


def killed(slurm, step: str, seconds: int = PATIENCE) -> str:
    """Kill the processes of the first job of a step that runs, as a node's trouble would."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for number, line in jobs(slurm, step).items():
            if "JobState=RUNNING" in line:
                ask(slurm, "scancel", "--signal=KILL", "--full", number)
                return number
        time.sleep(0.3)
    raise AssertionError(f"no job of {step} ran")


@needs_slurm
@pytest.mark.slow
def test_three_seeds_are_three_jobs_and_one_that_is_killed_is_run_again(slurm, data, tmp_path):
    settings = {"data": data, "models": "squeezenet", "epochs": 4, "seeds": "0,1,2"}
    words = [word for item in settings.items() for word in ("-p", *item)]
    words += ["--cluster", "slurm", "--snakemake", "--until", "training", *SOON]
    words += ["--set-resources", "training:gpu=1", "--set-threads", "training=2"]
    with started(slurm, tmp_path, "demo", *words) as run:
        victim = killed(slurm, "training")
        told = run.communicate(timeout=PATIENCE)[0]
    assert run.returncode == 0, told
    model = tmp_path / "demo" / "squeezenet"
    assert all(len(pd.read_csv(model / f"seed{k}" / "scores.csv")) for k in range(3))
    made = jobs(slurm, "training")
    ended = {number: re.search(r"JobState=(\w+)", line)[1] for number, line in made.items()}
    assert ended.pop(victim) in ("FAILED", "CANCELLED")
    assert list(ended.values()) == ["COMPLETED"] * 3
    for line in made.values():  # each with its own cores, memory, time and GPU
        assert "NumCPUs=2" in line and "MinMemoryNode=6000M" in line, line
        assert "TimeLimit=02:00:00" in line and "TresPerJob=gres:gpu:1" in line, line
    assert f"UserId={getpass.getuser()}" in line


@needs_slurm
@pytest.mark.slow
def test_the_ablation_runs_on_a_cluster(slurm, data, tmp_path):
    few = shutil.copytree(data, tmp_path / "few")
    for folder in few.glob("*/*"):
        for image in sorted(folder.iterdir())[5:]:
            image.unlink()
    settings = {"data": few, "weights": "random", "augment_positives": 2, "image_size": 32,
                "models": "squeezenet", "seeds": "0,1"}  # fmt: skip
    words = [word for item in settings.items() for word in ("-p", *item)]
    words += ["--cluster", "slurm", "--snakemake", *SOON]
    with started(slurm, tmp_path, "ablation", *words) as run:
        told = run.communicate(timeout=PATIENCE)[0]
    assert run.returncode == 0, told
    table = pd.read_csv(tmp_path / "released" / "ablation.csv")
    assert set(table.backbone) == {"squeezenet"} and len(jobs(slurm, "ablation_cells")) == 2
