"""`run_all.sh` as a user meets it: one run through all notebooks, and users' mistakes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from deepcovid import profiles
from deepcovid.__main__ import main
from deepcovid.report import publish
from deepcovid.runs import ROOT


def run_all(*arguments, runs: Path, cwd: Path = ROOT, **environment):
    command = [sys.executable, "-m", "deepcovid", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=400,
        env=os.environ | {"DEEPCOVID_RUNS": str(runs)} | environment,
    )


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A finished run on a small data folder, started from another folder with relative paths."""
    runs = tmp_path_factory.mktemp("runs of a user's")  # a name that shells stumble over
    arguments = (
        "demo",
        "-p",
        "data",
        data.name,
        "-p",
        "models",
        "squeezenet",
        "-p",
        "epochs",
        "4",
        "-p",
        "image_size",
        "64",
        "-p",
        "augment_positives",  # every notebook must do without copies too
        "1",
    )
    done = run_all(*arguments, runs=runs, cwd=data.parent)
    assert done.returncode == 0, done.stderr
    return runs, arguments, done, data.parent


def test_a_run_ends_in_metrics_pages_and_provenance(finished):
    runs, _, done, _ = finished
    folder = runs / "demo"
    assert "03_training: squeezenet, seed 0" in done.stdout and "index.html" in done.stdout
    table = pd.read_csv(folder / "metrics.csv")
    assert table.model.tolist() == ["squeezenet"]
    assert table[["tp", "fn", "fp", "tn"]].sum(axis=1).tolist() == [20]
    page = (folder / "index.html").read_text()
    for stem in ("01_dataset", "03_training-squeezenet-seed0", "04_evaluation"):
        assert f"notebooks/{stem}.html" in page
        notebook = (folder / "notebooks" / f"{stem}.html").read_text()
        assert 'src="http' not in notebook and 'href="http' not in notebook.split("<body")[0]
    provenance = json.loads((folder / "run.json").read_text())
    assert provenance["profile"]["epochs"] == 4
    assert provenance["data"]["images"] == 56
    assert str(runs) not in json.dumps(provenance)


def test_the_same_command_again_does_nothing_and_lost_scores_are_scored_again(finished):
    runs, arguments, _, cwd = finished
    again = run_all(*arguments, runs=runs, cwd=cwd)
    assert again.returncode == 0 and "Nothing to be done" in again.stdout
    model = runs / "demo" / "squeezenet" / "seed0"
    before, trained = (model / "scores.csv").read_text(), (model / "checkpoint.pt").stat().st_mtime
    (model / "scores.csv").unlink()
    again = run_all(*arguments, "--snakemake=--until evaluation", runs=runs, cwd=cwd)
    assert again.returncode == 0
    assert "03_training" in again.stdout and "01_dataset" not in again.stdout
    assert (model / "scores.csv").read_text() == before
    assert (model / "checkpoint.pt").stat().st_mtime == trained


def test_mistakes_are_told_in_a_message_and_touch_nothing(
    finished, data, tmp_path, monkeypatch, capsys
):
    runs, *_ = finished
    monkeypatch.setattr(profiles, "RUNS", runs)
    metrics = (runs / "demo" / "metrics.csv").read_bytes()
    broken = tmp_path / "broken"
    shutil.copytree(data, broken)
    image = next((broken / "train" / "covid").iterdir())
    image.write_bytes(image.read_bytes()[:90])
    (tmp_path / "empty").mkdir()
    mistakes = {
        ("demo", "-p", "data", tmp_path / "absent"): "no data folder",
        ("demo", "-p", "data", tmp_path / "empty"): "No images in train/non, train/covid",
        ("demo", "-p", "data", broken): image.name,
        ("demoo",): "no profile 'demoo'",
        ("demo", "-p", "epoch", "3"): "unknown setting 'epoch'",
        ("demo", "-p", "models", "resnet"): "models is 'resnet'",
        ("demo", "-p", "weights", tmp_path / "none.pth"): "no weights at",
        ("demo", "-p", "data", data, "-p", "augment_positives", "release"): "augment_positives 5",
        ("publish",): "publish PROFILE",
        ("publish", "control"): "no finished run",
    }
    for mistake, message in mistakes.items():
        assert main([str(word) for word in mistake]) == 2, mistake
        assert message in capsys.readouterr().err, mistake
    assert (runs / "demo" / "metrics.csv").read_bytes() == metrics


def test_a_failing_notebook_is_named_with_its_reason(finished, tmp_path):
    runs, arguments, _, cwd = finished
    shutil.copytree(runs, tmp_path / "runs")
    scores = tmp_path / "runs" / "demo" / "squeezenet" / "seed0" / "scores.csv"
    table = pd.read_csv(scores)
    table.loc[3, "score"] = 7
    table.to_csv(scores, index=False)
    done = run_all(*arguments, runs=tmp_path / "runs", cwd=cwd)
    assert done.returncode != 0
    assert "04_evaluation stopped" in done.stderr and "scores.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_needs_nothing_installed(tmp_path):
    """The system's bare interpreter must do: a reader asks for help before installing 6 GB."""
    done = subprocess.run(
        [ROOT / "run_all.sh", "--help"],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0
    for word in ("demo", "paper", "publish", "-p NAME VALUE", "index.html", "not for clinical use"):
        assert word in done.stdout


def test_publishing_copies_numbers_and_no_radiograph(finished, tmp_path, monkeypatch):
    runs, *_ = finished
    monkeypatch.setattr(profiles, "RUNS", runs)
    monkeypatch.setattr(publish, "RESULTS", tmp_path)
    run = profiles.load("demo", {"models": "squeezenet"})
    target = publish.publish(run)
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert {"metrics.csv", "run.json", "figures/roc.svg", "squeezenet/seed0/scores.csv"} <= found
    assert {Path(name).suffix for name in found} <= {".csv", ".json", ".svg", ".md"}
    published = pd.read_csv(target / "squeezenet" / "seed0" / "scores.csv")
    assert set(published.split) == {"validation", "test"}


def test_the_ablation_is_spread_over_jobs(data, tmp_path):
    settings = {"data": data, "weights": "random", "augment_positives": 2}
    words = [word for item in settings.items() for word in ("-p", *item)]
    done = run_all("ablation", *words, "--snakemake=--dry-run", runs=tmp_path / "runs with spaces")
    assert done.returncode == 0, done.stderr
    parts = sorted(line for line in done.stdout.splitlines() if "part" in line)
    assert parts == [f"ablation: part {k} of 8" for k in range(1, 9)]
    assert done.stdout.index("manifest") < done.stdout.index("part 1")
    assert done.stdout.index("part 8") < done.stdout.index("the table")
