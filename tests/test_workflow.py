"""What `run_all.sh` does around Snakemake: looks first, locks, and tells what came of it."""

import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from conftest import changed, user_error
from filelock import FileLock, Timeout

from deepcovid import profiles, workflow
from deepcovid.runs import ROOT, write_text


def test_what_was_found_whole_is_read_again_only_after_a_change(profile, monkeypatch):
    looks = []
    real = workflow.look
    monkeypatch.setattr(workflow, "look", lambda run: looks.append(1) or real(run))
    for _ in range(2):
        workflow.preflight(profile)
    assert len(looks) == 1
    workflow.preflight(changed(profile, epochs=9))  # of no matter to images and weights
    assert len(looks) == 1
    workflow.preflight(changed(profile, models=("resnet18",)))
    assert len(looks) == 2


def test_an_image_that_broke_since_the_last_look_is_named(data, profile, tmp_path):
    own = tmp_path / "own"
    subprocess.run(["cp", "-r", data, own], check=True)
    run = changed(profile, data=str(own))
    workflow.preflight(run)
    image = next((own / "train" / "covid").iterdir())
    image.write_bytes(image.read_bytes()[:90])
    for _ in range(2):
        with user_error(image.name):
            workflow.preflight(run)
    image.unlink()
    workflow.preflight(run)
    (own / "train" / "covid" / "gone.png").symlink_to(own / "nowhere.png")
    with user_error("gone.png"):
        workflow.preflight(run)


def test_a_missing_gpu_is_told_even_where_all_else_was_looked_at(profile, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    workflow.preflight(changed(profile, device="cuda"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with user_error("finds no CUDA GPU"):
        workflow.preflight(changed(profile, device="cuda"))


def test_a_collection_and_a_table_of_severities_are_looked_at(data, profile, tmp_path):
    with user_error("metadata.csv is not there"):
        workflow.preflight(changed(profile, collection=str(tmp_path)))
    with user_error("-p severity FILE"):
        workflow.preflight(changed(profile, severity=str(tmp_path / "brixia.csv")))


def test_two_runs_of_a_profile_do_not_mix(profile):
    with FileLock(workflow.make_folder(profile) / ".lock"), user_error("Another run of .*demo"):
        workflow.make_folder(profile)


def test_a_place_that_cannot_be_written_is_told_with_the_way_out(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(profiles, "RUNS", tmp_path / "file")
    with user_error("demo cannot be written .*--runs FOLDER, or DEEPCOVID_RUNS"):
        workflow.make_folder(profiles.load("demo"))


@pytest.mark.slow
def test_what_a_step_wrote_before_it_failed_is_told(tmp_path):
    (tmp_path / "Snakefile").write_text(
        "rule all:\n    message: 'all'\n    shell: 'echo no more room >&2; exit 3'\n"
    )
    options = ["--snakefile", tmp_path / "Snakefile", "--directory", tmp_path, "--cores", "1"]
    assert workflow.snakemake(tmp_path / ".lock", tmp_path / "log", options)
    assert workflow.reasons([], tmp_path / "log") == ["no more room"]
    (tmp_path / "Snakefile").write_text("rule all:\n    input: 'absent'\n")
    assert workflow.snakemake(tmp_path / ".lock", tmp_path / "log", options)
    assert "absent" in "".join(workflow.reasons([], tmp_path / "log"))


@pytest.fixture
def ending(tmp_path, monkeypatch, capsys):
    """Run `demo` with a Snakemake that only does what it is given; what is then told."""
    monkeypatch.setattr(profiles, "RUNS", tmp_path)
    monkeypatch.setattr(workflow, "preflight", lambda profile: None)

    def run(does, *extra):
        monkeypatch.setattr(workflow, "snakemake", lambda *_: does() or 0)
        status = workflow.run("demo", {}, 1, list(extra))
        return status, "".join(capsys.readouterr())

    return run


def test_done_is_said_only_of_pages_that_are_there(ending, tmp_path):
    def nothing():
        """Snakemake makes nothing."""

    def pages():
        write_text(tmp_path / "demo" / "index.html", "pages")

    assert "Done" not in ending(nothing, "--dry-run")[1]
    assert f"Done. Read {tmp_path / 'demo' / 'index.html'}" in ending(pages)[1]
    assert "Done" in ending(nothing)[1]  # there was nothing to do
    for partly in ("-n", "--until=evaluation"):
        told = ending(nothing, partly)[1]
        assert "Done" not in told and partly in told
    assert "Done" in ending(pages, "--forceall")[1]


def notebook(path, error, kind="UserError"):
    output = nbformat.v4.new_output("error", ename=kind, evalue=error, traceback=[])
    cell = nbformat.v4.new_code_cell(outputs=[output] if error else [])
    cell.metadata["execution"] = {"iopub.status.busy": "now"}
    if error:
        cell.metadata["execution"]["shell.execute_reply"] = "now"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)


def test_a_failure_is_told_by_this_run_not_by_an_older_one(ending, tmp_path):
    folder, log = tmp_path / "demo", tmp_path / "demo" / "snakemake.log"
    notebook(folder / "notebooks" / "01_dataset.ipynb", "of an earlier run")

    def refuse(text):
        write_text(log, f"Building DAG\ndeepcovid: {text}\nExiting")
        return 1

    status, told = ending(lambda: refuse("the part is gone"))
    assert status == 1 and "the part is gone" in told and "earlier" not in told
    assert "Building" not in told and str(log) in told

    def stop():
        notebook(folder / "notebooks" / "04_evaluation.ipynb", "scores.csv has a score of 7")
        (folder / "notebooks" / "05_heatmaps.ipynb").touch()
        return refuse("something else")

    told = ending(stop)[1]
    assert "04_evaluation stopped: scores.csv has a score of 7" in told and "else" not in told


def test_what_is_no_mistake_of_the_users_is_told_with_its_kind(tmp_path):
    broken, dead, log = (tmp_path / name for name in ("04.ipynb", "05.ipynb", "log"))
    notebook(broken, "'patient'", "KeyError")
    notebook(dead, "")
    log.write_text("Exiting because a job execution failed.")
    told = workflow.reasons([broken, dead], log)
    assert "04 stopped: KeyError: 'patient'" in told[0]
    assert "05 stopped: its Python died" in told[1] and len(told) == 2


SLOW = "rule all:\n    shell: 'touch began; sleep 60'\n"
PAGES = """
from deepcovid.runs import UserError
rule all:
    run: raise UserError("there is no card")
"""


@pytest.mark.slow
def test_the_reason_of_a_step_that_is_no_notebook_is_told(tmp_path):
    (tmp_path / "Snakefile").write_text(PAGES)
    options = ["--snakefile", tmp_path / "Snakefile", "--directory", tmp_path, "--cores", "1"]
    assert workflow.snakemake(tmp_path / ".lock", tmp_path / "log", options)
    assert workflow.reasons([], tmp_path / "log") == ["there is no card"]


def test_the_lock_lasts_as_long_as_the_work_and_no_longer(tmp_path):
    """Who started a run may be killed: Snakemake goes on, and nobody else may come between."""
    (tmp_path / "Snakefile").write_text(SLOW)
    options = ["--snakefile", "Snakefile", "--directory", str(tmp_path), "--cores", "1"]
    code = f"from deepcovid import workflow; workflow.snakemake('.lock', Path('log'), {options})"
    starter = subprocess.Popen(
        [sys.executable, "-c", f"from pathlib import Path; {code}"],
        cwd=tmp_path,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    lock = FileLock(tmp_path / ".lock", blocking=False)
    try:
        until(lambda: (tmp_path / "began").exists())
        starter.kill()
        starter.wait()
        with pytest.raises(Timeout):
            lock.acquire()
    finally:
        os.killpg(starter.pid, signal.SIGKILL)
    until(lambda: free(lock))


def free(lock) -> bool:
    try:
        with lock:
            return True
    except Timeout:
        return False


def until(condition, seconds=60):
    for _ in range(10 * seconds):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come about")


@pytest.mark.parametrize(
    ("gone", "again"),
    [
        ("squeezenet/seed0/checkpoint.pt", "squeezenet/seed0/scores.csv"),
        ("squeezenet/seed0/metrics.json", "metrics.csv"),
        ("figures/roc.svg", "metrics.csv"),
        ("heatmaps.json", "heatmaps.done"),
        ("figures/shortcuts.svg", "shortcuts.csv"),
    ],
)
def test_a_step_runs_again_where_a_file_that_it_made_is_gone(profile, gone, again):
    run = changed(profile, collection=None)
    each = [f"squeezenet/seed0/{name}" for name in (*workflow.EACH, "metrics.json", "scores.csv")]
    plots = [f"figures/{name}.svg" for name in (*workflow.PLOTS, "perturbation", "shortcuts")]
    done = [f"{name}.done" for name in ("heatmaps", "failure", "fair_test", "overview")]
    names = ["00_overview", "06_failed_reproduction", "07_shortcuts", "08_fair_test"]
    notebooks = [f"notebooks/{name}.ipynb" for name in names]
    made = [*each, *plots, *done, *notebooks, "metrics.csv", "shortcuts.csv", "heatmaps.json"]
    for name in made:
        write_text(run.folder / name, "")
    workflow.forget_parts(run)
    assert all((run.folder / name).is_file() for name in made)
    (run.folder / gone).unlink()
    workflow.forget_parts(run)
    assert {name for name in made if not (run.folder / name).is_file()} == {gone, again}
