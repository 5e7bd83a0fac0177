"""What a killed run left behind is noticed, mended, and said."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from deepcovid import repair
from deepcovid.runs import replacing, write_json, write_text


@pytest.fixture
def folder(tmp_path):
    """A run's folder, and one that it shares with others, in good order."""
    here, shared = tmp_path / "demo", tmp_path / "features"
    write_json(here / "squeezenet" / "seed0" / "training.json", {"model": "squeezenet"})
    write_text(here / ".snakemake" / "metadata" / "x", "{}")
    write_text(here / "manifest.csv", "image\n")
    with replacing(shared / "a" / "b.npy") as partial, partial.open("wb") as file:
        np.save(file, np.arange(12.0))
    assert repair.mend(here, shared) == []
    return here, shared


def test_files_that_are_not_whole_are_made_anew(folder):
    here, shared = folder
    array, note = shared / "a" / "b.npy", here / "squeezenet" / "seed0" / "training.json"
    array.write_bytes(array.read_bytes()[:-1])
    note.write_text(json.dumps({"model": "squeezenet"})[:-1])
    model = here / "squeezenet" / "seed0" / "checkpoint.pt"
    write_text(model, "PK half a checkpoint")
    write_text(model.with_name("checkpoint.pt.made-from"), "stamp")
    write_text(here / "metrics.csv", "")
    told = repair.mend(*folder)
    gone = [array, note, model, here / "metrics.csv"]
    assert all(any(f"{path} was not whole" in line for line in told) for path in gone)
    assert len(told) == 4 and not any(path.exists() for path in gone)
    assert not model.with_name("checkpoint.pt.made-from").exists()
    assert repair.mend(*folder) == []


def test_what_was_half_written_goes_but_not_from_under_another_run(folder):
    here, shared = folder
    write_text(here / ".part-phantom" / "train" / ".part-x.png", "half")
    write_text(shared / "a" / ".part-old.npy", "half")
    write_text(shared / "a" / ".part-new.npy", "half")
    old = time.time() - 2 * repair.STALE
    os.utime(shared / "a" / ".part-old.npy", (old, old))
    assert repair.mend(*folder) == ["removed 2 half-written files of a run that was stopped"]
    assert [path.name for path in shared.rglob(".part-*")] == [".part-new.npy"]
    assert not (here / ".part-phantom").exists()


def test_what_is_left_at_work_is_ended_and_nothing_else(folder):
    def sleeper(place):
        return subprocess.Popen(
            [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)"],
            env=os.environ | {repair.MARK: str(place)}, start_new_session=True,
            stdout=subprocess.PIPE,
        )  # fmt: skip

    ours, other = sleeper(folder[0]), sleeper(folder[0].with_name("another"))
    try:
        for process in (ours, other):
            process.stdout.readline()
        told = repair.mend(*folder)
        assert told == [f"ended what a killed run had left at work: process {ours.pid}"]
        ours.wait(10)
        assert other.poll() is None
    finally:
        for process in (ours, other):
            process.kill()
            process.communicate()


def test_a_run_of_which_nothing_tells_how_it_was_made_is_made_anew(folder):
    here, shared = folder
    (here / ".snakemake" / "metadata" / "x").unlink()
    write_text(here / "squeezenet" / "seed0" / "scores.csv", "image\n")
    told = repair.mend(here, shared)
    assert told == [f"nothing tells of what {here} was made: all steps run again"]
    assert not (here / "manifest.csv").exists()
    assert not (here / "squeezenet" / "seed0" / "scores.csv").exists()
    assert (here / "squeezenet" / "seed0" / "training.json").exists()
