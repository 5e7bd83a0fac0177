"""What a killed run left behind is put away, and said."""

import os
import subprocess
import sys
import time

import pytest

from deepcovid import workflow
from deepcovid.runs import write_text


@pytest.fixture
def folder(tmp_path):
    """A run's folder, and one that it shares with others, in good order."""
    here, shared = tmp_path / "demo", tmp_path / "features"
    write_text(here / "manifest.csv", "image\n")
    write_text(shared / "a" / "b.npy", "an array")
    assert workflow.tidy(here, shared) == []
    return here, shared


def test_what_was_half_written_goes_but_not_from_under_another_run(folder):
    here, shared = folder
    write_text(here / ".part-phantom" / "train" / ".part-x.png", "half")
    write_text(shared / "a" / ".part-old.npy", "half")
    write_text(shared / "a" / ".part-new.npy", "half")
    old = time.time() - 2 * workflow.STALE
    os.utime(shared / "a" / ".part-old.npy", (old, old))
    assert workflow.tidy(*folder) == ["Removed half-written files of a run that was stopped."]
    assert [path.name for path in shared.rglob(".part-*")] == [".part-new.npy"]
    assert not (here / ".part-phantom").exists()


def test_what_is_left_at_work_is_ended_and_nothing_else(folder):
    def sleeper(place):
        return subprocess.Popen(
            [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)"],
            env=os.environ | {workflow.MARK: str(place)}, start_new_session=True,
            stdout=subprocess.PIPE,
        )  # fmt: skip

    ours, other = sleeper(folder[0]), sleeper(folder[0].with_name("another"))
    try:
        for process in (ours, other):
            process.stdout.readline()
        told = workflow.tidy(*folder)
        assert told == [f"Ended what a killed run had left at work: {ours.pid}."]
        ours.wait(10)
        assert other.poll() is None
    finally:
        for process in (ours, other):
            process.kill()
            process.communicate()
