"""Killed, out of room, out of memory, side by side, cut off, elsewhere: the same scores and metrics.

The long run of the first and the last: `./run_tests.sh --slow`.
"""

import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import offline
import pytest
from tqdm import tqdm

from benchmarks.robustness import same, tiny
from deepcovid import profiles, workflow
from deepcovid.__main__ import main
from deepcovid.runs import ROOT

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """Images, and what a run gives that nobody disturbs: `expected`."""
    return tiny.draw(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def expected(room):
    assert forked(room / "whole") == ""
    return tiny.made(room / "whole" / "demo")


def forked(runs: Path, before=lambda: None, name="demo", kill=None, **settings) -> str:
    """Compute in a fork of this process; the error it ended with, if any.

    `before` is done first there; `kill` says when to end it with SIGKILL.
    """
    told = runs.with_name(f"{runs.name}-{name}.told")
    told.unlink(missing_ok=True)
    told.parent.mkdir(parents=True, exist_ok=True)
    if not (child := os.fork()):
        try:
            os.setsid()
            # tqdm's own lock is shared among forks, and one that was killed may have held it
            tqdm.set_lock(threading.RLock())
            target = os.open(told, os.O_WRONLY | os.O_CREAT)
            os.dup2(target, 2)
            profiles.RUNS = runs
            before()
            tiny.compute(name, tiny.overrides(runs.parent, **settings))
            os._exit(0)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            told.write_text(traceback.format_exc())
        finally:
            os._exit(1)
    while not (done := os.waitpid(child, os.WNOHANG))[0]:
        if kill and kill():
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "killed"
        time.sleep(0.002)
    return told.read_text() if done[1] else ""


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
    def full():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))

    told = forked(room / "full", full)
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
    children = []
    for name in FOUR:
        if not (child := os.fork()):
            os._exit(bool(forked(room / "together", name=name, **settings(name))))
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
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

    def cut():
        offline.cut()
        assert len(Path("/proc/net/dev").read_text().splitlines()) == 3  # loopback alone

    if not offline.may_cut():
        pytest.skip("no namespace may be made here")
    assert forked(room / "cut", cut) == ""
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
