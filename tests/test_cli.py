"""`run_all.sh` as a user meets it: a run of images of one's own, and users' mistakes.

A whole run, notebooks and pages with it, is the demo, which `run_tests.sh` makes first.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from conftest import changed, user_error

from deepcovid import __main__ as cli
from deepcovid import profiles, workflow
from deepcovid.__main__ import main
from deepcovid.failure import design
from deepcovid.heatmaps import calibration
from deepcovid.models.run import Run
from deepcovid.report import provenance
from deepcovid.runs import ROOT, write_text


def run_all(*arguments, runs: Path, cwd: Path = ROOT, **environment):
    command = [sys.executable, "-m", "deepcovid", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=1800,  # no test of speed: only that nothing hangs
        env=os.environ | {"DEEPCOVID_RUNS": str(runs), "PYTHONPATH": str(ROOT)} | environment,
    )


UNTIL = ("--snakemake", "--until", "evaluation")
SMALL = {"models": "squeezenet", "epochs": 4, "augment_positives": 1}
JOB = r"Job \d+: .+"  # what Snakemake says as it begins one


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A trained run on the user's own images, without copies and other collections, started from
    another folder with relative paths: the folder of runs, the words, and what was said."""
    runs = tmp_path_factory.mktemp("runs of a user's")  # a name that shells stumble over
    settings = SMALL | {"data": data.name}
    words = ("demo", *(word for item in settings.items() for word in ("-p", *item)))
    place = os.path.relpath(runs, data.parent)
    done = run_all(*words, *UNTIL, runs=place, cwd=data.parent)
    assert done.returncode == 0, done.stderr
    return runs, words, done


@pytest.fixture
def command(finished, data, monkeypatch):
    """Call the program in this process, beside the finished run; its exit status."""
    monkeypatch.setattr(profiles, "RUNS", finished[0])
    monkeypatch.chdir(data.parent)
    return lambda *words: main(list(map(str, words)))


@pytest.fixture
def opened(command, data) -> Run:
    """The finished run."""
    return Run.open("demo", SMALL | {"data": str(data)})


@pytest.mark.slow
def test_a_run_ends_in_metrics_and_provenance(finished, opened):
    runs, _, done = finished
    folder = runs / "demo"
    assert "squeezenet, seed 0: trained and scored" in done.stderr
    table = pd.read_csv(folder / "metrics.csv")
    assert table.model.tolist() == ["squeezenet"]
    assert table[["tp", "fn", "fp", "tn"]].sum(axis=1).tolist() == [20]
    made = provenance.provenance(opened)
    assert made["profile"]["epochs"] == 4 and made["profile"]["name"] == "demo"
    assert made["data"]["images"] == 56
    assert str(runs) not in json.dumps(made)
    assert not [path for path in folder.glob("*s/*.txt") if path.stat().st_size]
    costs = pd.read_csv(folder / "costs.csv")
    made = {"manifest.csv", "training.csv", "squeezenet/seed0/scores.csv", "audit.json"}
    assert {*costs.step} == made | {"metrics.csv"} and costs.step.is_unique
    assert (costs.processor_seconds > 0.1).all() and costs.peak_mb.between(50, 1e4).all()


@pytest.mark.slow
def test_notebooks_make_what_a_run_lacks_and_show_a_run_without_other_collections(
    opened, data, monkeypatch
):
    """As in JupyterLab, but in this process. What maps are worth is tested with heatmaps."""
    monkeypatch.setattr(calibration, "PATIENTS", 4)
    monkeypatch.setitem(design.FAILED, "epochs", 2)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
        names = {"__name__": "__main__"}
        for cell in cells:
            exec(cell.source, names)
            if "parameters" in cell.metadata.get("tags", ()):
                names |= {"study": str(opened.folder), "overrides": SMALL | {"data": str(data)}}
    for name in ("audit.json", "heatmaps.json", "failure.csv", "shortcuts.csv", "figures/roc.svg"):
        assert (opened.folder / name).is_file(), name
    assert not (opened.folder / "external.json").exists()


@pytest.mark.slow
def test_lost_scores_are_scored_again_then_nothing_is_done(finished, data):
    runs, words, _ = finished
    model = runs / "demo" / "squeezenet" / "seed0"
    before, trained = (model / "scores.csv").read_text(), (model / "checkpoint.pt").stat().st_mtime
    (model / "scores.csv").unlink()
    again = run_all(*words, *UNTIL, runs=runs, cwd=data.parent)
    assert again.returncode == 0 and "Done" not in again.stdout
    assert re.findall(JOB, again.stderr)[0].endswith("trained and scored")
    assert "splits, manifest" not in again.stderr
    assert (model / "scores.csv").read_text() == before
    assert (model / "checkpoint.pt").stat().st_mtime == trained
    again = run_all(*words, *UNTIL, runs=runs, cwd=data.parent)
    assert again.returncode == 0 and not re.search(JOB, again.stderr)


@pytest.mark.slow
def test_a_failing_step_is_told_last_with_its_reason(finished, data, tmp_path):
    runs, words, _ = finished
    shutil.copytree(runs, tmp_path / "runs")
    folder = tmp_path / "runs" / "demo"
    scores = folder / "squeezenet" / "seed0" / "scores.csv"
    table = pd.read_csv(scores)
    table.loc[3, "score"] = 7
    table.to_csv(scores, index=False)
    done = run_all(*words, *UNTIL, runs=tmp_path / "runs", cwd=data.parent)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    reason, where = done.stderr.strip().splitlines()[-2:]
    assert reason.startswith("evaluation stopped: ") and "scores.csv" in reason
    assert where == f"  see {folder / 'logs' / 'evaluation.txt'}"


@pytest.mark.slow
def test_publishing_copies_numbers_and_no_radiograph(
    finished, opened, command, data, tmp_path, capsys
):
    runs, (_, *settings), _ = finished
    target = tmp_path / "published"
    write_text(opened.folder / "shortcuts.csv", "input,auc\n")  # of a step that comes later
    provenance.record(opened.profile)
    words = ["publish", "demo", *settings, "--to", target]
    assert command(*words) == 0
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert {"metrics.csv", "run.json", "shortcuts.csv", "squeezenet/card.md"} <= found
    assert "squeezenet/seed0/scores.csv" in found
    assert {Path(name).suffix for name in found} <= {".csv", ".json", ".md"}
    published = pd.read_csv(target / "squeezenet" / "seed0" / "scores.csv")
    assert set(published.split) == {"validation", "test"}
    assert command(*words) == 2 and "published is there already" in capsys.readouterr().err
    assert command(*words, "--replace", "-p", "epochs", 9) == 2
    assert "other settings: epochs 4" in capsys.readouterr().err
    # a study's run that went no further than its scores is published too, by settings that are its own
    made = runs / "demo" / "run.json"
    hidden = made.rename(tmp_path / "run.json")
    run = Run.open("demo", SMALL | {"data": str(data)})
    (run.folder / "radiographs.csv").touch()  # as the study makes of some of its runs
    provenance.publish_run(run, tmp_path / "models", whole=False)
    with user_error("other recipe"):
        provenance.publish_run(changed(run, epochs=9), tmp_path / "other", whole=False)
    hidden.rename(made)
    assert json.loads((tmp_path / "models" / "run.json").read_text())["profile"]["epochs"] == 4
    assert (tmp_path / "models" / "squeezenet" / "card.md").is_file()
    assert (tmp_path / "models" / "radiographs.csv").is_file()
    assert not (tmp_path / "models" / "shortcuts.csv").exists()


def test_mistakes_are_told_in_a_message_and_touch_nothing(data, tmp_path, monkeypatch, capsys):
    runs = tmp_path / "runs"
    monkeypatch.setattr(profiles, "RUNS", runs)
    (tmp_path / "empty").mkdir()
    mistakes = {
        ("demo", "-p", "data", tmp_path / "absent"): "no data folder",
        ("demo", "-p", "data", tmp_path / "empty"): "No images in train/non, train/covid",
        ("demoo",): "invalid choice: 'demoo' (choose from",
        ("demo", "-p", "epoch", "3"): "unknown setting 'epoch'. Did you mean epochs?",
        ("demo", "-p", "models", "resnet"): "models is 'resnet'",
        ("demo", "-p", "data", "~nobody-here/x"): "no data folder",
        ("paper", "-p", "models=resnet18", "--cores", "2"): "argument -p: expected 2 arguments",
        ("paper", "-p", "models", "a", "b"): "unrecognized arguments: b",
        ("--cores", "2", "b"): "unrecognized arguments: b (./run_all.sh --help)",
        ("paper", "--core", "2"): "unrecognized arguments: --core 2",
        ("paper", "--cores", "two"): "--cores: invalid int value: 'two'",
        ("paper", "--cores"): "--cores: expected one argument (./run_all.sh paper --help)",
        ("demo", "-p", "weights", tmp_path / "none.pth"): "-p weights PATH",
        ("demo", "-p", "data", data, "-p", "augment_positives", "release"): "augment_positives 5",
        ("publish",): "real/paper: ./run_all.sh real",
        ("publish", "control"): "no finished run",
        ("publish", "contro"): "Did you mean control?",
        ("notebooks", "nosuch"): "There are: 00_overview",
        ("obtain",): "./run_all.sh obtain -p data FOLDER",
        ("pack",): "arguments are required: ORIGINALS",
        ("verify", "-p", "data", tmp_path / "absent"): "no folder",
        (
            "ablation",
            "-p",
            "models",
            "resnet19",
        ): "models is 'resnet19': Input should be 'resnet18'",
    }
    for mistake, message in mistakes.items():
        assert main([str(word) for word in mistake]) == 2, mistake
        assert message in capsys.readouterr().err, mistake
    assert not runs.exists()


def test_an_archive_is_unpacked_and_what_is_no_release_is_told_by_the_exit_status(
    data, tmp_path, capsys
):
    packed = shutil.make_archive(tmp_path / "release", "zip", data)
    words = ["-p", "data", str(tmp_path / "own")]
    assert main(["obtain", packed, *words]) == 0
    assert f"Unpacked to {tmp_path / 'own'}" in capsys.readouterr().out
    assert len(list((tmp_path / "own").rglob("*.png"))) == 56
    assert main(["verify", *words]) == 1
    assert "5,520 missing" in capsys.readouterr().out
    assert main(["obtain", packed, *words]) == 2


def test_help_needs_nothing_installed():
    """The system's bare interpreter must do: a reader asks for help before installing 6 GB."""

    def told(*words):
        done = subprocess.run(
            ["sh", ROOT / "run_all.sh", *words],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    whole = told("--help")
    for word in ("-p SETTING VALUE", "index.html", "not for clinical use", "Typeset the study"):
        assert word in whole
    assert set(profiles.names()) <= set(whole.split())
    assert "ORIGINALS" in told("pack", "--help") and "--cores" in told("paper", "-h")


def test_values_may_begin_with_a_dash_and_demo_is_what_runs_without_a_name():
    given = cli.parse(["released", "-p", "data", "paper", "--snakemake", "-n", "--quiet", "a b"])
    assert (given.command, given.overrides) == ("released", [["data", "paper"]])
    assert given.snakemake == ["-n", "--quiet", "a b"]
    assert cli.parse([]).command == cli.parse(["--cores", "2"]).command == "demo"


def test_all_cores_are_found_where_the_system_does_not_tell_which_are_ours(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert workflow.usable_cores() == 3
