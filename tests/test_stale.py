"""What changed runs again, with all that depends on it and nothing else, and the run says why.

Snakemake plans on a copy of the project whose outputs are marked as made: nothing is computed.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED

from deepcovid import profiles, steps
from deepcovid.data import phantom
from deepcovid.runs import ROOT, state, write_text

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast

SEED = "squeezenet/seed0"
# what a run makes beside the outputs of its rules
BESIDE = [f"{SEED}/{n}" for n in ("checkpoint.pt", "training.json", "history.csv", "seen.csv")]
NOTEBOOKS = [path.name for path in (ROOT / "notebooks").glob("*.ipynb")]
BESIDE += [f"notebooks/{name}" for name in NOTEBOOKS]
SHOWN = {"notebook", "pages", "record"}
TRAINED = SHOWN | {"training", "evaluation", "heatmaps", "external", "fair_test"}
ALL = TRAINED | {"dataset", "audit", "augmentation", "failure", "shortcuts"}
# a process that has Snakemake loaded, and a fork of it for each plan
PLANNER = """
import json, os, sys
import snakemake.cli, snakemake.dag, snakemake.workflow, snakemake.scheduling.greedy
from deepcovid import profiles
for line in sys.stdin:
    words = json.loads(line)
    if not (child := os.fork()):
        target = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, 1), os.dup2(target, 2)
        try:
            snakemake.cli.main(words)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    print("planned", flush=True)
"""


class Project:
    """A copy of the project and of all that a run can depend on, with a run that is done."""

    def __init__(self, room: Path):
        self.room, self.root = room, room / "checkout"
        for name in ("deepcovid", "imageaudit", "notebooks", "profiles", "docs", "scripts"):
            shutil.copytree(
                ROOT / name, self.root / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        for name in ("Snakefile", "study.smk", "notebooks.smk"):
            shutil.copy(ROOT / name, self.root)
        for name in ("data", "other", "rest"):
            phantom.write(room / name, 0, dict.fromkeys(phantom.GROUPS, 2), 32)
        for name in ("brixia.csv", "weights.pth"):
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

    def snakemake(self, *options, goal="all", of="demo", **settings) -> str:
        given = {key: str(value) for key, value in (self.settings | settings).items()}
        file = self.root / ("Snakefile" if of == "demo" else "study.smk")
        words = ["--snakefile", file, "--directory", self.folder.parent / of, "--cores", 1,
                 "--nolock", goal, *options, "--config", f"profile={of}",
                 f"overrides={json.dumps(given)}"]  # fmt: skip
        self.planner.stdin.write(json.dumps(list(map(str, words))) + "\n")
        self.planner.stdin.flush()
        assert self.planner.stdout.readline() == "planned\n"
        return (self.room / "told").read_text()

    @cached_property
    def outputs(self) -> list[str]:
        summary = (line.split("\t") for line in self.snakemake("--summary").splitlines())
        return [row[0] for row in summary if len(row) > 4 and row[0] != "output_file"]

    def make(self) -> None:
        """Every file that a whole run makes is there."""
        for name in (*self.outputs, *BESIDE):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).touch()
        self.done()

    def done(self) -> None:
        assert "steps (100%) done" in self.snakemake("--touch", "--forceall")

    def planned(self, **settings) -> tuple[dict[str, int], str]:
        """How many jobs of each rule would run, and all that Snakemake says of it."""
        text = self.snakemake("--dry-run", **settings)
        stats = text.rpartition("Job stats:")[2].partition("total")[0]
        jobs = {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE)}
        assert jobs or "Nothing to be done" in text, text
        jobs.pop("all", None)
        return jobs, text


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("a user's project"))
    made.make()
    found, said = made.planned()
    assert found == {}, said
    yield made
    made.planner.stdin.close()
    made.planner.wait()


def replaced(path: Path) -> None:
    """Other bytes, the same name, size and time of change."""
    path = next(path.iterdir()) if path.is_dir() else path
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = {
    "data/train/covid": (ALL, "images or their tables"),
    "other/train/covid": ({"audit", "evaluation", "external", "fair_test"}, "external images"),
    "rest/train/covid": ({"fair_test"}, "collection"),
    "data/lung-masks/train/covid": (
        {"heatmaps", "shortcuts", "external", "fair_test"},
        "lung masks",
    ),
    "data/lesion-masks/train/covid": ({"heatmaps"}, "lung or lesion masks"),
    "brixia.csv": ({"heatmaps", "fair_test"}, "severities"),
    "weights.pth": (TRAINED | {"failure", "shortcuts"}, "weights"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_files_runs_what_depends_on_it(project, name):
    rules, told = CHANGES[name]
    replaced(project.room / name)
    found, said = project.planned()
    assert {*found} == rules | SHOWN and told in said, said
    project.done()


def test_what_a_system_hides_in_a_folder_changes_nothing(project):
    (project.room / "data" / ".DS_Store").write_text("")
    assert project.planned()[0] == {}


def test_changed_masks_make_the_data_folder_of_fair_anew(project):
    goal = {"goal": "fair_data/patients.csv"}
    made = project.folder / goal["goal"]
    made.parent.mkdir()
    made.touch()
    for kind in ("lung", "lesion"):
        project.snakemake("--touch", "--forceall", **goal)
        assert "Nothing to be done" in project.snakemake("--dry-run", **goal)
        replaced(project.room / "data" / f"{kind}-masks" / "train" / "covid")
        assert "lung or lesion masks" in project.snakemake("--dry-run", **goal)
    project.done()


def test_changed_code_runs_the_steps_that_call_it(project):
    for name, runs, rests in (
        ("metrics/tables.py", {"notebook", "pages"}, {"dataset", "training", "evaluation"}),
        ("models/training.py", TRAINED, {"dataset", "augmentation"}),
    ):
        path = project.root / "deepcovid" / name
        path.write_text(path.read_text() + "\nADDED = 1\n")
        found, said = project.planned()
        assert runs <= {*found} and not rests & {*found}, (name, found)
        assert f"Updated input files: {path}" in said, said
        project.done()


def test_changed_data_and_templates_run_the_steps_that_read_them(project):
    for name, rules in (
        ("deepcovid/data/stated.csv", {"notebook", "pages"}),
        ("deepcovid/report/card.md", {"record", "pages"}),
        ("deepcovid/report/run.md", {"pages"}),
        ("profiles/paper.yaml", {"pages"}),  # a document of the site
    ):
        path = project.root / name
        path.write_text(path.read_text() + "\n")
        found, said = project.planned()
        assert {*found} == rules, (name, said)
        project.done()


def test_changed_settings_run_what_depends_on_them(project):
    for settings, rules, told in (
        ({"epochs": 3}, TRAINED, "'epochs': 3"),
        ({"threshold": 0.5}, SHOWN | {"evaluation", "external", "fair_test"}, "'threshold': 0.5"),
        ({"device": "cpu"}, set(), "Nothing to be done"),
        ({"preprocessing": "crop_lungs"}, (ALL | {"mitigation"}) - {"dataset", "audit", "shortcuts"},
         "'preprocessing': ('crop_lungs',)"),
    ):  # fmt: skip
        found, said = project.planned(**settings)
        assert {*found} == rules and told in said, (settings, found, said)


@pytest.mark.parametrize(
    ("name", "rule"),
    {
        f"{SEED}/checkpoint.pt": "training",
        "metrics.csv": "evaluation",
        "maps.csv": "heatmaps",
        "notebooks/06_failed_reproduction.ipynb": "notebook",
    }.items(),
)
def test_a_step_runs_again_where_a_file_that_it_made_is_gone(project, name, rule):
    before = {*project.folder.rglob("*")} - {project.folder / name}
    (project.folder / name).unlink()
    found, said = project.planned()
    assert found[rule] == 1 and "dataset" not in found, said
    assert not before - {*project.folder.rglob("*")}  # to look deletes nothing
    project.make()


def test_augmented_images_that_are_gone_are_made_again(project):
    table, copy = project.folder / "training.csv", project.folder / "augmented" / "a.png"
    table.write_text("image,label\na.png,1\naugmented/a.png,1\n")
    copy.parent.mkdir()
    copy.touch()
    project.done()
    assert project.planned()[0] == {}
    copy.unlink()
    assert project.planned()[0]["augmentation"] == 1
    project.make()


def test_what_runs_of_a_study_made_anew_is_shown_anew(project):
    chosen = profiles.chosen_runs("real", {"models": "squeezenet"})
    compared = ("ablation.csv", "ablation_effects.csv", "auc_search.csv", "drift.csv", "index.html")
    done = [f"notebooks/.{Path(name).stem}.done" for name in NOTEBOOKS]
    for name in (*profiles.shown(chosen), *compared, *done, *(f"notebooks/{n}" for n in NOTEBOOKS)):
        write_text(project.folder.parent / "real" / name, "")
    shown = project.root / "results" / "radiographs" / "radiographs.csv"
    write_text(shown, "of Hannover")
    for name in ("paper/run.json", "fair/external.json", "robust/mitigation.csv"):
        project.snakemake("--touch", "--forceall", of="real")
        assert "Nothing to be done" in project.snakemake("--dry-run", of="real")
        write_text(project.folder.parent / "real" / name, "")  # which other files stand behind
        said = project.snakemake("--dry-run", of="real")
        assert re.search(rf"^notebook +{len(NOTEBOOKS)}$", said, re.MULTILINE), said
    maps = {"of": "real", "goal": "paper/radiographs.csv"}
    write_text(project.folder.parent / "real" / maps["goal"], "")
    for changed, goal in ((shown, maps), (project.room / "other/train/covid", {"of": "real"})):
        project.snakemake("--touch", "--forceall", **goal)
        assert "Nothing to be done" in project.snakemake("--dry-run", **goal)
        replaced(changed)
        assert re.search("radiographs|auc_search", project.snakemake("--dry-run", **goal))
    project.done()


def test_steps_make_what_rules_ask_of_them(project):
    said = project.snakemake(
        "--dry-run", "--forceall", "--printshellcmds", preprocessing="crop_lungs"
    )
    made = re.findall(r"-m deepcovid\.steps demo (\S+)", said)
    assert len(made) == len(ALL - SHOWN | {"mitigation"}) and all(map(steps.maker, made)), made
    # a shell hands on what was given, whatever quotes and spaces are in it
    shell = [shlex.split(line) for line in said.splitlines() if "--overrides" in line]
    given = [json.loads(words[words.index("--overrides") + 1]) for words in shell]
    assert len(given) == len(made) and {one["data"] for one in given} == {
        str(project.room / "data")
    }
    shell = [shlex.split(line) for line in said.splitlines() if "-m deepcovid.papermill" in line]
    given = [json.loads(words[words.index("-y") + 1]) for words in shell]
    assert len(given) == len(NOTEBOOKS)
    assert all(one["overrides"]["data"] == str(project.room / "data") for one in given)
    shown = {words[words.index("deepcovid.papermill") + 1] for words in shell}
    assert shown == {str(project.root / "notebooks" / name) for name in NOTEBOOKS}


def test_the_ablation_is_spread_over_jobs(project):
    said = project.snakemake("--dry-run", goal="ablation.csv")
    jobs = re.findall(r"Job \d+: ablation: (\w+), seed (\d)", said)
    assert jobs == [("squeezenet", "0")]
    assert said.index("ablation: squeezenet") < said.index("ablation: the table")


@pytest.mark.skipif(not (SHARED / "data" / "covid-xray-5k").is_dir(), reason="needs COVID-Xray-5k")
def test_looking_for_changes_in_5520_images_takes_no_time():
    folder, took = SHARED / "data" / "covid-xray-5k", []
    for _ in range(5):
        began = time.process_time()
        state(folder)
        took.append(time.process_time() - began)
    assert np.median(took) < 2
