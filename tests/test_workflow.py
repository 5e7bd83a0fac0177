"""What `run_all.sh` does around Snakemake: refuses first, locks, and says what came of it."""

import os
import subprocess
import sys

import pytest
import yaml
from conftest import changed, user_error
from filelock import FileLock, Timeout

from deepcovid import profiles, workflow
from deepcovid.data import miniature
from deepcovid.runs import ROOT, write_text


def test_what_is_not_there_is_refused_before_anything_is_touched(data, profile, tmp_path):
    workflow.check_inputs(profile)
    for settings, message in (
        ({"data": str(tmp_path)}, "No images in train/non, train/covid"),
        ({"augment_positives": "release"}, "augment_positives 5"),
        ({"external": str(tmp_path / "absent")}, "-p external PATH"),
        ({"severity": str(tmp_path / "brixia.csv")}, "-p severity PATH"),
        ({"collection": str(tmp_path)}, "no .*metadata.csv: -p collection PATH"),
        ({"weights": str(tmp_path / "absent")}, "-p weights PATH"),
        ({"weights": str(tmp_path)}, "no file of weights for"),
    ):
        with user_error(message):
            workflow.check_inputs(changed(profile, **settings))


def test_settings_reach_the_steps_whatever_letters_are_in_them(tmp_path, monkeypatch):
    given, settings = [], {"data": "a folder called 𝒳 and ü", "seeds": "0,1"}
    monkeypatch.setattr(profiles, "RUNS", tmp_path)
    monkeypatch.setattr(workflow, "check_inputs", lambda profile: None)
    monkeypatch.setattr(workflow, "snakemake", lambda _, options: given.extend(options) or 0)
    workflow.run("paper", settings, 1, [])
    (word,) = (word for word in map(str, given) if word.startswith("overrides="))
    assert yaml.safe_load(word.partition("=")[2]) == settings  # as Snakemake reads it


def test_a_second_run_of_a_profile_is_refused_while_one_is_under_way(profile, monkeypatch):
    monkeypatch.setattr(workflow, "check_inputs", lambda profile: None)
    monkeypatch.setattr(workflow, "snakemake", lambda *_: pytest.fail("it went on"))
    (profile.folder).mkdir(parents=True, exist_ok=True)
    with FileLock(profile.folder / ".lock"), user_error("Another run of .*demo"):
        workflow.run("demo", {}, 1, [])


def test_a_second_call_of_a_study_is_refused_also_between_its_runs(tmp_path, monkeypatch):
    def run_beside(profile, *_):
        with user_error("Another run of .*real"), workflow.run_lock(tmp_path / "real", "real"):
            pass
        begun.append(profile.name)
        return len(begun) == 2

    begun = []
    monkeypatch.setattr(profiles, "RUNS", tmp_path)
    monkeypatch.setattr(workflow, "check_inputs", lambda profile: None)
    monkeypatch.setattr(workflow, "make", run_beside)
    assert workflow.run("real", {}, 1, []) and begun == ["real/paper", "real/sampled"]


@pytest.fixture
def ending(tmp_path, monkeypatch, capsys):
    """Run `demo` with a Snakemake that only does what it is given; what is then said."""
    monkeypatch.setattr(profiles, "RUNS", tmp_path)
    monkeypatch.setattr(miniature, "run", lambda profile: None)

    def run(does, *extra):
        monkeypatch.setattr(workflow, "snakemake", lambda *_: does() or 0)
        status = workflow.run("demo", {}, 1, list(extra))
        return status, "".join(capsys.readouterr())

    return run


def test_done_is_said_of_a_whole_run_that_went_well(ending, tmp_path):
    assert "Done" not in ending(lambda: 0, "--dry-run")[1]
    assert f"Done. Read {tmp_path / 'demo' / 'index.html'}" in ending(lambda: 0)[1]
    assert "Done" not in ending(lambda: 1)[1]


def test_a_study_makes_its_runs_in_turn_then_what_compares_them(tmp_path, monkeypatch, capsys):
    calls = []

    def snakemake(folder, options):
        goals = [
            o for o in map(str, options) if o in ("all", "results") or o.endswith((".csv", ".json"))
        ]
        calls.append((folder.name, goals))
        for name in ("run.json", *(name for name in ("metrics.csv", *goals) if "." in name)):
            write_text(folder / name, "")
        return int(folder.name == stops_at)

    monkeypatch.setattr(profiles, "RUNS", tmp_path)
    monkeypatch.setattr(workflow, "check_inputs", lambda profile: None)
    monkeypatch.setattr(workflow, "snakemake", snakemake)
    stops_at = "released"
    assert workflow.run("real", {}, 1, []) == 1
    assert [name for name, _ in calls] == ["paper", "sampled", "control", "failed", "released"]
    calls.clear()
    stops_at = ""
    assert workflow.run("real", {}, 1, []) == 0
    assert calls[0] == ("paper", ["results", "fair_data/patients.csv"])
    assert calls[-2:] == [("ablation", ["ablation.csv"]), ("real", ["all"])]
    assert f"Done. Read {tmp_path / 'real' / 'index.html'}" in capsys.readouterr().out


def failed(folder, stem, wrote):
    """What a notebook that failed leaves beside it: what papermill wrote."""
    text = f"Traceback (most ...):\n  at line 3\n{wrote}\n\n"
    write_text(folder / "notebooks" / f"{stem}.ipynb.txt", text)


def test_why_each_notebook_that_failed_in_this_run_did_is_said(ending, tmp_path):
    folder = tmp_path / "demo"
    failed(folder, "01_dataset", "of an earlier run")

    def stop():
        failed(folder, "04_evaluation", "UserError: scores.csv has\na score of 7\x1b[31m")
        failed(folder, "06_failed_reproduction", "KeyError: 'patient'")
        failed(folder, "08_fair_test", "nbclient.exceptions.DeadKernelError: Kernel died")
        return 1

    status, told = ending(stop)
    assert status == 1 and "earlier" not in told
    assert "04_evaluation stopped: scores.csv has\n  a score of 7\\x1b[31m\n" in told
    assert f"see {folder / 'notebooks' / '04_evaluation.ipynb'}\n" in told
    assert "06_failed_reproduction stopped: KeyError: 'patient'" in told
    assert "DeadKernelError: Kernel died (it was ended from outside; if memory" in told


def test_why_each_step_that_failed_in_this_run_did_is_said_last(ending, tmp_path):
    logs = tmp_path / "demo" / "logs"
    write_text(logs / "dataset.txt", "deepcovid: of an earlier run")

    def stop():
        write_text(logs / "evaluation.txt", "a warning\ndeepcovid: scores.csv has\na score of 7\n")
        write_text(
            logs / "failure.txt", "Traceback (most ...):\n  at line 3\nKeyError: 'patient'\n"
        )
        write_text(logs / "heatmaps.txt", "maps: 3/9\r")
        write_text(logs / "shortcuts.txt", "Traceback (most ...):\nKeyboardInterrupt\n")
        return 1

    told = ending(stop)[1]
    assert "earlier" not in told and "warning" not in told and "shortcuts" not in told
    assert f"evaluation stopped: scores.csv has\n  a score of 7\n  see {logs}" in told
    assert "failure stopped: KeyError: 'patient'\n" in told
    assert "heatmaps stopped: maps: 3/9 (it was ended from outside; if memory ran out" in told


@pytest.mark.parametrize(
    ("option", "left"), {"--dry-run": 2, "-np": 2, "--printshellcmds": 0}.items()
)
def test_a_dry_run_deletes_nothing(ending, tmp_path, option, left):
    files = [tmp_path / "demo" / name for name in ("logs/dataset.txt", ".part-half.csv")]
    for file in files:
        write_text(file, "of an earlier run")
    ending(lambda: 0, option)
    assert sum(map(os.path.isfile, files)) == left


def test_all_steps_run_again_where_nothing_says_of_what_they_were_made(tmp_path):
    assert workflow.forced(tmp_path) == []
    (tmp_path / "manifest.csv").touch()
    assert workflow.forced(tmp_path) == ["--forceall"]
    write_text(tmp_path / ".snakemake" / "metadata" / "x", "{}")
    assert workflow.forced(tmp_path) == []


HELD = """
import sys
from deepcovid import profiles, workflow
from deepcovid.data import miniature
with workflow.run_lock(profiles.load("demo").folder, "demo"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lock_of_a_run_ends_with_its_process_however_that_ends(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DEEPCOVID_RUNS": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", HELD], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    lock = FileLock(tmp_path / "demo" / ".lock", timeout=10)
    with pytest.raises(Timeout):
        lock.acquire(blocking=False)
    process.kill()
    process.communicate()
    with lock:
        pass


def test_a_network_that_no_run_of_a_study_trains_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "RUNS", tmp_path)
    with user_error("real trains no nonsense"):
        workflow.run("real", {"models": "nonsense"}, 1, [])
