"""`run_benchmarks.sh`: what it keeps, that it goes on, and that the page shows what was measured."""

import json
import os
import subprocess
import sys
import tarfile
import time
from types import SimpleNamespace

import psutil
import pytest
from PIL import Image

from benchmarks import __main__ as program
from benchmarks import goals, gpu, measure, speed, table, whole
from deepcovid import runs, steps


@pytest.fixture
def asked(data, tmp_path):
    return measure.Asked(data, "random", ("squeezenet",), 20, 1, folder=tmp_path)


def test_the_page_shows_the_committed_measurements_and_goals(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text := table.PAGE.read_text())
    assert table.refresh(page).read_text() == text and goals.rendered(measure.RESULTS) in text


def test_a_goal_is_reached_missed_or_not_measured(tmp_path):
    def shares(value):
        row = {"share_of_one_plain_pass": {"median": value}, "machine": {"cores": 2}}
        return row | {"day": "2026-01-02"}

    runs.write_json(
        tmp_path / "loop.json", {"rows": {"resnet18": shares(0.7), "resnet50": shares(0.9)}}
    )
    lines = {line.split(" | ")[0]: line for line in goals.rendered(tmp_path).splitlines()}
    assert lines["| the same: ResNet18"].endswith("| 0.8 | 0.70 | yes | 2 cores, 2026-01-02 |")
    assert "| 0.90 | **no** |" in lines["| the same: ResNet50"]
    assert "| not measured |  |  |" in lines["| `.ci/run` on a clean clone, wall time"]


def test_peak_memory_is_in_mb_whatever_the_system_counts_in(monkeypatch):
    monkeypatch.setattr(measure, "lines_of", lambda path: [])  # as where there is no /proc
    for system, unit in (("linux", 2**10), ("darwin", 2**20)):
        used = SimpleNamespace(ru_maxrss=3 * unit)
        monkeypatch.setattr("sys.platform", system)
        monkeypatch.setattr("resource.getrusage", lambda who, used=used: used)
        assert steps.peak_mb(used) == measure.memory_mb() == 3


def test_a_row_that_is_there_is_not_measured_again_unless_asked(asked):
    calls = []
    for again in (False, False, True):
        given = measure.Asked(**vars(asked) | {"again": again})
        measure.Kept(given, "part").add("row", lambda: calls.append(1) or {"seconds": 1})
    assert len(calls) == 2
    row = json.loads((asked.folder / "part.json").read_text())["rows"]["row"]
    assert row["seconds"] == 1 and len(row["load_average"]) == 2
    assert {"cpu", "cores", "threads", "torch", "pillow"} <= set(row["machine"])


def test_calls_are_made_in_turns_and_a_ratio_is_of_one_round():
    order = []
    found = measure.turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3 and [len(v) for v in found.values()] == [2, 2]
    assert measure.ratio([2, 6, 1], [1, 2, 1]) == {"median": 2, "low": 1, "high": 3}


@pytest.mark.slow
def test_heads_and_loop_of_a_small_sample_are_measured_and_shown(asked, monkeypatch):
    monkeypatch.setattr(speed, "SIZE", 64)
    speed.heads(asked)
    speed.loop(asked)
    row = json.loads((asked.folder / "heads.json").read_text())["rows"]["squeezenet"]
    assert row["largest_difference_of_logits"] < 1e-5
    shown = table.rendered(asked.folder)
    assert "times faster than the reference loop" in shown and "Not measured yet" in shown


def test_each_network_learns_the_same_from_kept_features(asked, monkeypatch):
    monkeypatch.setattr(speed, "SIZE", 64)
    for name in ("resnet18", "resnet50", "densenet121"):
        assert speed.head_row(asked, name)["largest_difference_of_logits"] < 1e-5, name


def test_a_run_that_was_made_tells_what_each_step_took(asked, tmp_path, monkeypatch):
    folder = tmp_path / "runs" / "paper"
    folder.mkdir(parents=True)
    (folder / "manifest.csv").write_text("image\ntrain/covid/a.png\n")
    (folder / "squeezenet" / "seed0").mkdir(parents=True)
    (folder / "squeezenet" / "seed0" / "scores.csv").touch()
    (folder / "costs.csv").write_text(
        "step,start,seconds,processor_seconds,peak_mb\nmanifest.csv,1000,10,9,500\n"
        "shortcuts.csv,1020,30,60,1400\nshortcuts.csv,1050,50,90,1500\n"
    )
    (folder / "notebooks").mkdir()
    for name, failed in (("01_dataset", False), ("02_broken", True)):
        note = {"duration": 7.25, "end_time": "1970-01-01T00:18:30+00:00", "exception": failed}
        (folder / "notebooks" / f"{name}.ipynb").write_text(
            json.dumps({"metadata": {"papermill": note}})
        )
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    whole.notebooks(asked)
    row = json.loads((asked.folder / "notebooks.json").read_text())["rows"]["paper"]
    assert row["seconds"] == 110 and "load_average" not in row and row["day"] == "1970-01-01"
    assert row["shown"] == {"01_dataset": 7.2}
    assert row["steps"]["shortcuts.csv"] == {
        "seconds": 80, "processor_seconds": 150, "peak_mb": 1500,
    }  # fmt: skip
    assert (row["images"], row["models"]) == (1, "squeezenet")
    shown = table.rendered(asked.folder)
    assert "| paper | shortcuts.csv | 80 s, 150 s of processor time, 1,500 MB |" in shown


def test_a_study_that_is_not_made_to_its_end_reaches_no_goal(asked, tmp_path):
    made = tmp_path / "runs" / "real" / "failed"
    (made / "resnet18" / "seed0").mkdir(parents=True)
    for name in ("resnet18/seed0/scores.csv", "metrics.csv"):
        (made / name).touch()
    (made / "manifest.csv").write_text("image\na.png\n")
    costs = "step,start,seconds,processor_seconds,peak_mb\nmetrics.csv,1000,10,{},500\n"
    asked = measure.Asked(**vars(asked) | {"finished": (made.parent,), "again": True})
    for seconds, reached in ((9, ""), (20_000, "**no**")):
        (made / "costs.csv").write_text(costs.format(seconds))
        whole.notebooks(asked)
        (line,) = (row for row in goals.rendered(asked.folder).splitlines() if "real study" in row)
        assert "not to their end: paper, sampled" in line and "failed" not in line
        assert line.split("|")[4].strip() == reached


def test_a_sample_has_both_classes_in_both_parts(asked, tmp_path):
    folder = whole.smaller(asked, tmp_path / "sample")
    found = {path.relative_to(folder).parts[:2] for path in folder.rglob("*.*")}
    assert found == {(part, name) for part in ("train", "test") for name in ("covid", "non")}


def test_what_does_not_exist_is_refused(capsys):
    assert program.main(["lop"]) == 2 and "say loop, features" in capsys.readouterr().err
    assert program.main(["loop", "-p", "epochs", "3"]) == 2


def test_what_travels_to_a_card_fits_its_folders_and_arrives(data, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "squeezenet1_1.pth").write_bytes(bytes(10**6))  # compresses
    (weights / "resnet50.pth").write_bytes(os.urandom(2**23 + 1))  # does not
    limit = 150_000
    archives = gpu.pack(data, weights, limit, python="", quality=75)
    assert len(archives) > 1 and all(path.stat().st_size <= limit for path in archives)
    for path in archives:
        with tarfile.open(path) as archive:
            archive.extractall(tmp_path / "there", filter="data")
    images = {p.relative_to(data) for p in data.rglob("*.png")}
    assert {
        p.relative_to(tmp_path / "there/data") for p in (tmp_path / "there").rglob("*.png")
    } == images
    assert [p.name for p in (tmp_path / "there/weights").iterdir()] == ["squeezenet1_1.pth.gz"]
    with Image.open(tmp_path / "there/data" / min(images)) as image:
        assert image.mode == "L" and image.size == (gpu.SIZE, gpu.SIZE)


def test_a_part_beyond_its_limit_is_cut_with_all_that_it_started(tmp_path):
    job = gpu.Job(tmp_path, tmp_path / "out", {}, time.monotonic() + 60)
    child = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    row = gpu.limited(job, [sys.executable, "-c", child], 2)
    assert row["ended"] == "cut" and row["seconds"] < 20
    started = int((tmp_path / "log.txt").read_text())
    assert not psutil.pid_exists(started) or psutil.Process(started).status() == "zombie"
    assert gpu.limited(job, [sys.executable, "-c", "raise SystemExit(3)"], 60)["ended"] == "failed"
    late = gpu.Job(tmp_path, tmp_path / "out", {}, time.monotonic())
    assert gpu.limited(late, [sys.executable, "-c", ""], 60)["ended"] == "no time left"


def test_a_measured_part_is_written_at_once_and_a_done_one_is_left(tmp_path, monkeypatch):
    job = gpu.Job(
        tmp_path, tmp_path / "out", {"device": "cpu", "image_size": 32}, time.monotonic() + 60
    )
    ran = []
    monkeypatch.setattr(
        gpu,
        "limited",
        lambda job, words, seconds: (
            ran.append(words) or {"seconds": 1.0, "ended": "cut" if len(ran) == 3 else "done"}
        ),
    )
    gpu.paper(job)
    said = [" ".join(map(str, words)) for words in ran]
    assert "paper manifest.csv training.csv" in said[0] and len(said) == 5
    assert len(json.loads((tmp_path / "out" / "gpu.json").read_text())["rows"]) == 4
    gpu.paper(job)  # goes on with the one that was cut
    assert len(ran) == 7 and "resnet50" in " ".join(map(str, ran[-1]))


def test_a_training_that_was_cut_tells_its_epochs(tmp_path):
    assert gpu.trained(tmp_path) == {"epochs": 0}
    gpu.torch.save({"epoch": 7, "part": {}}, tmp_path / "resume.pt")
    assert gpu.trained(tmp_path) == {"epochs": 7}


def test_the_notebook_trains_in_a_folder_of_its_own(tmp_path, monkeypatch):
    job = gpu.Job(tmp_path, tmp_path, {"device": "cpu"}, time.monotonic() + 60)
    used = []
    monkeypatch.setattr(gpu, "limited", lambda job, *_: used.append(job.runs) or {"ended": "done"})
    gpu.notebook(job)
    gpu.paper(job)
    assert used == ["notebook"] * 2 + ["runs"] * 5


def test_a_network_that_was_cut_is_not_among_the_measured(tmp_path):
    def row(ended):
        return {"seconds": 9.0, "ended": ended, "machine": {"gpu": "a card"}}

    runs.write_json(tmp_path / "gpu.json", {"rows": {"paper: resnet18": row("cut")}})
    assert not goals.card(tmp_path)
    made = {"paper: resnet18": row("cut"), "paper: resnet50": row("done")}
    runs.write_json(tmp_path / "gpu.json", {"rows": made})
    assert goals.card(tmp_path)[0][:2] == ("1 networks 9 s", 9.0)


def test_without_a_card_nothing_is_measured_and_said_so(capsys, monkeypatch):
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    assert gpu.main(["run"]) == 2 and "no CUDA GPU here" in capsys.readouterr().err
    assert gpu.main(["run", "nothing"]) == 2 and "There are: tests" in capsys.readouterr().err


# a Python in which of what is installed here only some can be found: the named, what they need,
# and the wheels that travel
LENT = """
import re, sys
from importlib import import_module, machinery, metadata
from packaging.requirements import Requirement

def plain(name):
    return re.sub("[-_.]+", "-", name).lower()

there, waiting = {*open("benchmarks/gpu.txt").read().split("\\n")}, {*sys.argv[1].split()}
while waiting:
    there, names = there | waiting, waiting & {plain(one.name) for one in metadata.distributions()}
    needed = [Requirement(line) for name in names for line in metadata.requires(name) or ()]
    needed = {plain(one.name) for one in needed if not one.marker or one.marker.evaluate({"extra": ""})}
    waiting = needed - there
of = {top: {*map(plain, names)} for top, names in metadata.packages_distributions().items()}

class There(machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        top = name.partition(".")[0]
        return super().find_spec(name, path, target) if of.get(top, there) & there else None

sys.meta_path[:] = [There if one is machinery.PathFinder else one for one in sys.meta_path]
for name in sys.argv[2:]:
    import_module(name)
"""
LENT_HAS = "torch torchvision pandas numpy scipy scikit-learn pytest pillow matplotlib tqdm psutil pyyaml statsmodels seaborn requests"  # fmt: skip


def lent(*modules):
    words = [sys.executable, "-c", LENT, LENT_HAS, *modules]
    return subprocess.run(words, cwd=runs.ROOT, capture_output=True, text=True, check=False)


def test_with_the_wheels_that_travel_a_lent_machine_has_all_that_is_measured():
    made = {of.partition(":")[0] for file in ("manifest.csv", "training.csv", "resnet18/seed0/scores.csv")
            for of in steps.maker(file)}  # fmt: skip
    shown = ("deepcovid.study", "deepcovid.models.figures", "deepcovid.models.tables")
    done = lent("benchmarks.gpu", "deepcovid.steps", *(f"deepcovid.{name}" for name in made), *shown,
                "papermill.__main__", "papermill.execute", "ipykernel.kernelapp")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "No module named 'snakemake'" in lent("snakemake.cli").stderr


def test_a_python_that_is_too_old_is_named(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\ncase "$*" in *torch*) exit 0;; --version) echo Python 3.10.4;; *) exit 1;; esac\n')  # fmt: skip
    old.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    words = [runs.ROOT / "benchmarks" / "gpu.sh", "run"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "needs Python 3.11 or newer" in done.stderr
    assert "is Python 3.10.4" in done.stderr
