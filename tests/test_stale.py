"""What changed runs again, with all that depends on it and nothing else, and the run says why.

Snakemake plans on a copy of the project whose outputs are marked as made: nothing is computed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from conftest import SHARED

from deepcovid import imports
from deepcovid.data import phantom
from deepcovid.runs import ROOT, state

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast

# what a run makes beside the outputs of its rules
BESIDE = [f"squeezenet/seed0/{name}" for name in ("checkpoint.pt", "training.json", "history.csv")]
BESIDE += ["heatmaps.json", "fair_test/swap.csv"]
BESIDE += [f"notebooks/{name}.ipynb" for name in
           ("00_overview", "06_failed_reproduction", "07_shortcuts", "08_fair_test")]  # fmt: skip
SCORED = {"evaluation", "heatmaps", "failure", "shortcuts", "fair_test", "pages"}
TRAINED = SCORED | {"training"}
ALL = TRAINED | {"dataset", "augmentation"}
# a process that has Snakemake loaded, and a fork of it for each plan
PLANNER = """
import contextlib, json, os, sys
import snakemake.cli, snakemake.dag, snakemake.workflow, snakemake.scheduling.greedy
from deepcovid import profiles
for line in sys.stdin:
    if not (child := os.fork()):
        target = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, 1), os.dup2(target, 2)
        try:
            snakemake.cli.main(json.loads(line))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    print("planned", flush=True)
"""


class Project:
    """A copy of the project and of all that a run can hang on, with a run that is done."""

    def __init__(self, room: Path):
        self.room, self.root = room, room / "checkout"
        for name in ("deepcovid", "notebooks", "profiles", "results", "docs"):
            shutil.copytree(
                ROOT / name, self.root / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        shutil.copy(ROOT / "Snakefile", self.root)
        for name in ("data", "other", "rest"):
            phantom.write(room / name, 0, dict.fromkeys(phantom.GROUPS, 2), 32)
        for name in ("brixia.csv", "weights.pth", "data/patients.csv"):
            (room / name).write_text("name,patient\n")
        self.settings = {
            "data": room / "data", "external": room / "other", "collection": room / "rest",
            "severity": room / "brixia.csv", "weights": room / "weights.pth",
            "models": "squeezenet", "epochs": 2,
        }  # fmt: skip
        self.folder = room / "runs" / "demo"
        self.folder.mkdir(parents=True)
        self.planner = subprocess.Popen(
            [sys.executable, "-c", PLANNER, room / "told"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, cwd=room,
            env=os.environ | {"PYTHONPATH": str(self.root), "DEEPCOVID_RUNS": str(room / "runs")},
        )  # fmt: skip

    def snakemake(self, *options, **settings) -> str:
        given = {key: str(value) for key, value in (self.settings | settings).items()}
        words = ["--snakefile", self.root / "Snakefile", "--directory", self.folder, "--cores", 1,
                 "--nolock", "all", *options, "--config", "profile=demo",
                 f"overrides={json.dumps(given)}"]  # fmt: skip
        self.planner.stdin.write(json.dumps(list(map(str, words))) + "\n")
        self.planner.stdin.flush()
        assert self.planner.stdout.readline() == "planned\n"
        return (self.room / "told").read_text()

    def made(self) -> None:
        """Every file that a whole run makes is there."""
        outputs = [line.split("\t")[0] for line in self.snakemake("--summary").splitlines()
                   if line.count("\t") > 3 and not line.startswith("output_file")]  # fmt: skip
        for name in (*outputs, *BESIDE):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).touch()

    def done(self) -> None:
        self.made()
        assert "steps (100%) done" in self.snakemake("--touch", "--forceall")

    def planned(self, **settings) -> tuple[set[str], str]:
        """The rules that would run, and all that Snakemake says of it."""
        text = self.snakemake("--dry-run", **settings)
        rules = re.findall(r"^Job \d+: (\w+(?:\.html)?):", text, re.MULTILINE)
        assert rules or "Nothing to be done" in text, text
        return {STEPS[rule] for rule in rules}, text


STEPS = {
    "01_dataset": "dataset", "02_augmentation": "augmentation", "03_training": "training",
    "04_evaluation": "evaluation", "05_heatmaps": "heatmaps", "06_failed_reproduction": "failure",
    "07_shortcuts": "shortcuts", "08_fair_test": "fair_test", "00_overview": "overview",
    "index.html": "pages",
}  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("project"))
    made.done()
    assert made.planned()[0] == set()
    yield made
    made.planner.stdin.close()
    made.planner.wait()


def image(project, name="data") -> Path:
    return sorted((project.room / name / "train" / "covid").iterdir())[0]


def replaced(path: Path) -> None:
    """Other bytes, the same name, size and time of change."""
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def added(project) -> None:
    shutil.copy(image(project), image(project).with_name("new.png"))


def mask(project, kind) -> Path:
    return next((project.room / "data" / kind / "train" / "covid").iterdir())


CHANGES = {
    "an image added": (added, ALL, "images or their tables"),
    "an image removed": (lambda p: image(p).unlink(), ALL, "images or their tables"),
    "an image replaced": (lambda p: replaced(image(p)), ALL, "images or their tables"),
    "a table": (lambda p: replaced(p.room / "data" / "patients.csv"), ALL, "images or their"),
    "an image elsewhere": (lambda p: replaced(image(p, "other")), ALL, "external images"),
    "a fair image": (lambda p: replaced(image(p, "rest")), {"fair_test", "pages"}, "collection"),
    "a lung mask": (lambda p: replaced(mask(p, "lung-masks")), {"heatmaps", "shortcuts", "pages"},
                    "lung masks"),
    "a lesion mask": (lambda p: replaced(mask(p, "lesion-masks")), {"heatmaps", "pages"},
                      "lung or lesion masks"),
    "a table of severities": (lambda p: replaced(p.room / "brixia.csv"),
                              {"heatmaps", "fair_test", "pages"}, "severities"),
    "weights": (lambda p: replaced(p.room / "weights.pth"), TRAINED, "weights"),
    "a result": (lambda p: (p.root / "results" / "drift.csv").write_text("x"),
                 {"failure", "overview", "pages"}, "results/"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_files_runs_what_hangs_on_it(project, change):
    does, rules, told = CHANGES[change]
    does(project)
    found, said = project.planned()
    assert found == rules and told in said, said
    project.done()


CODE = {
    "metrics/tables.py": {"evaluation", "overview", "pages"},
    "models/training.py": TRAINED,
    "data/manifest.py": ALL,
    "data/figures.py": {"dataset", "augmentation", "overview"} | TRAINED,
    "report/about.py": {"pages"},
}


def test_changed_code_runs_the_steps_that_call_it(project):
    for name in ("metrics/tables.py", "models/training.py", "report/about.py"):
        path = project.root / "deepcovid" / name
        path.write_text(path.read_text() + "\nADDED = 1\n")
        found, said = project.planned()
        assert CODE[name] <= found, (name, found)
        assert f"Updated input files: {path}" in said, said
        module = name.removesuffix(".py").replace("/", ".")
        if "dataset" in found:
            assert module in imports.needed(
                "data.manifest", "data.audit", "data.figures", "data.tables"
            )
        assert ("training" in found) == (
            module in imports.needed("models.training", "models.scoring")
        )
        project.done()


def test_changed_settings_run_what_hangs_on_them(project):
    for settings, rules, told in (
        ({"epochs": 3}, TRAINED, "'epochs': 3"),
        ({"threshold": 0.5}, {"evaluation", "shortcuts", "fair_test", "pages"}, "'threshold': 0.5"),
        ({"validation_fraction": 0.3}, ALL, "'validation_fraction': 0.3"),
        ({"device": "cpu"}, set(), "Nothing to be done"),
        ({"preparation": "lungs"}, ALL - {"dataset", "failure"}, "'preparation': ('lungs',)"),
    ):
        found, said = project.planned(**settings)
        if rules >= TRAINED - {"failure"}:
            rules = rules | {"failure"}
        assert found == rules and told in said, (settings, found, said)


GONE = {
    "squeezenet/seed0/checkpoint.pt": "training",
    "squeezenet/seed0/metrics.json": "evaluation",
    "heatmaps.json": "heatmaps",
    "notebooks/06_failed_reproduction.ipynb": "failure",
}


@pytest.mark.parametrize("name", GONE)
def test_a_step_runs_again_where_a_file_that_it_made_is_gone(project, name):
    (project.folder / name).unlink()
    assert GONE[name] in project.planned()[0]
    project.done()


def test_notebooks_show_no_result_that_their_step_does_not_know_of():
    """Each file of results/ that a cell names stands in the rule of its notebook."""
    text = (ROOT / "Snakefile").read_text()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        rule = next(part for part in text.split("\nrule ") if f'"{path.stem}"' in part)
        for cell in nbformat.read(path, as_version=4).cells:
            for line in cell.source.splitlines() if cell.cell_type == "code" else ():
                if "RESULTS /" in line and 'shown("")' not in rule:
                    words = line.partition("RESULTS /")[2].split('"')[1::2]
                    assert any(word in rule for word in words), f"{path.stem}: {line}"


@pytest.mark.skipif(not (SHARED / "data" / "covid-xray-5k").is_dir(), reason="needs COVID-Xray-5k")
def test_looking_for_changes_in_5520_images_takes_no_time():
    folder, took = SHARED / "data" / "covid-xray-5k", []
    for _ in range(5):
        began = time.process_time()
        state(folder)
        took.append(time.process_time() - began)
    assert np.median(took) < 2
