"""Killed, out of room, side by side, cut off, elsewhere: the same scores and metrics.

The long run of the first and the last: `./run_tests.sh --slow`.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import offline
import pytest

from benchmarks.robustness import same, tiny
from deepcovid import workflow
from deepcovid.__main__ import main
from deepcovid.runs import ROOT

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A folder with images."""
    return tiny.draw(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def expected(room):
    assert forked(room / "whole") == ""
    return tiny.made(room / "whole" / "demo")


def forked(runs: Path, before=None, name="demo", kill=None, **settings) -> str:
    """Compute in a process of its own (`tiny.apart`); the error it ended with, if any.

    `kill` says when to end it with SIGKILL.
    """
    process, told = tiny.apart(runs, name, tiny.overrides(runs.parent, **settings), before)
    while process.is_alive():
        if kill and kill():
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
            return "killed"
        process.join(0.002)
    return told.read_text() if process.exitcode else ""


def taken_up(runs: Path, expected: dict) -> list[str]:
    """Tidy a run and go on with it; what was done. It must end as if nothing had happened."""
    told = workflow.tidy(runs / "demo", runs / "features")
    assert forked(runs) == ""
    assert tiny.made(runs / "demo") == expected
    assert not [*runs.rglob(".part-*")]
    return told


def test_a_run_that_is_killed_ends_with_the_same_bytes(room, expected):
    runs = room / "killed"
    for moment in ("training.csv", "squeezenet/seed0/resume.pt", "squeezenet/seed0/checkpoint.pt"):
        assert forked(runs, kill=(runs / "demo" / moment).exists) == "killed"
    taken_up(runs, expected)


def test_a_run_that_meets_a_full_disk_says_so_and_goes_on_afterwards(room, expected):
    told = forked(room / "full", tiny.fill_disk)
    assert re.search("File too large|inline_container|iostream error", told), told
    taken_up(room / "full", expected)


def test_an_error_of_the_disk_is_no_traceback(monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device", "x/y")

    monkeypatch.setattr(workflow, "run", full)
    assert main(["demo"]) == 2
    assert "No space left on device: x/y. The same command goes on" in capsys.readouterr().err


def namespace(*options) -> list[str]:
    """The words that begin a command in a namespace of its own; skips where there are none."""
    words = ["unshare", "--map-root-user", *options]
    try:
        subprocess.run([*words, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no namespace may be made here: {error}")
    return words


def test_a_folder_that_may_only_be_read_is_told(tmp_path):
    (tmp_path / "demo").mkdir()
    words = namespace("--mount")
    code = "from deepcovid.__main__ import main; raise SystemExit(main(['demo']))"
    script = (
        f'mount --bind {tmp_path} {tmp_path} && mount -o remount,bind,ro {tmp_path} && exec "$@"'
    )
    done = subprocess.run(
        [*words, "sh", "-c", script, "sh", sys.executable, "-c", code], cwd=ROOT, text=True,
        env=tiny.around(tmp_path), capture_output=True,
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"deepcovid: Read-only file system: {tmp_path}" in done.stderr


HEADS = {"trainable": "head", "train_crop": "none", "weights": "random"}
FOUR = {"demo": 0.003, "paper": 0.002, "control": 0.001, "released": 0.01}


def test_four_profiles_side_by_side_share_kept_features_without_harm(room):
    def settings(name):
        return HEADS | {
            "learning_rate": FOUR[name],
            "selection": "last",
            "validation_fraction": 0.2,
        }

    for name in FOUR:
        assert forked(room / "apart", name=name, **settings(name)) == ""
    together = [
        tiny.apart(room / "together", name, tiny.overrides(room, **settings(name))) for name in FOUR
    ]
    for process, told in together:
        process.join()
        assert process.exitcode == 0, told.read_text()
    for name in FOUR:
        assert len(tiny.made(room / "apart" / name)) == 2
        assert tiny.made(room / "together" / name) == tiny.made(room / "apart" / name)
    kept = [
        sorted(p.name for p in (room / of / "features").rglob("*.npy"))
        for of in ("apart", "together")
    ]
    assert kept[0] and kept[0] == kept[1]


def test_nothing_is_asked_of_a_network_that_is_not_there(room, expected):
    """The whole demo too is run so: `run_tests.sh` starts it by offline.py."""
    if not offline.may_cut():
        pytest.skip("no namespace may be made here")
    assert forked(room / "cut", offline.cut_and_check) == ""
    assert tiny.made(room / "cut" / "demo") == expected


TRY = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()  # this machine is there
try:
    socket.create_connection(("192.0.2.1", 9), 5)
except OSError as error:
    print(error.strerror)
raise SystemExit(7)
"""


def test_offline_leaves_a_command_this_machine_alone_and_gives_its_exit_status():
    if not offline.may_cut():
        pytest.skip("no namespace may be made here")
    words = [sys.executable, offline.__file__, sys.executable, "-c", TRY]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 7 and "Network is unreachable" in done.stdout, (
        done.stdout + done.stderr
    )


@pytest.mark.slow
def test_order_of_files_locale_time_zone_hash_seed_and_place_do_not_matter(room, expected):
    """One by one in the long run: `python -m benchmarks.robustness.same`."""
    assert tiny.made(same.all_at_once(room)) == expected
