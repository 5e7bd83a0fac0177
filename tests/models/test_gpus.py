"""Jobs on a machine with several GPUs: none is needed here, only who would get which is looked at."""

import os
import subprocess
import sys
from contextlib import ExitStack

from deepcovid.models import gpus
from deepcovid.runs import ROOT


def test_each_job_holds_a_gpu_of_its_own_then_they_share(tmp_path):
    names = ["0", "1", "GPU-8a/1"]
    with ExitStack() as stack:
        first = [stack.enter_context(gpus.taken(names, tmp_path)) for _ in names]
        assert first == names
        assert [stack.enter_context(gpus.taken(names, tmp_path)) for _ in names] == names
    with gpus.taken(names, tmp_path) as name:  # what was held is free again
        assert name == "0"


def test_only_what_is_visible_is_chosen_from(monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, "2,5")
    assert gpus.visible() == ["2", "5"]
    monkeypatch.setenv(gpus.VISIBLE, "")
    assert gpus.visible() == []
    monkeypatch.delenv(gpus.VISIBLE)
    monkeypatch.setenv("PATH", "/nowhere")
    assert gpus.visible() == []


def job(tmp_path, code: str, **environment) -> subprocess.Popen:
    command = [sys.executable, "-m", "deepcovid.models.gpus", sys.executable, "-c", code]
    given = {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT), gpus.VISIBLE: "0,1"} | environment
    return subprocess.Popen(
        command, env=os.environ | given, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


TELL = f"import os, sys; print(os.environ.get('{gpus.VISIBLE}'), flush=True); sys.stdin.read()"


def test_jobs_that_run_at_once_see_different_gpus_and_a_killed_one_lets_go(tmp_path):
    jobs = [job(tmp_path, TELL) for _ in range(2)]
    try:
        seen = [one.stdout.readline().strip() for one in jobs]
        assert sorted(seen) == ["0", "1"]
        jobs[0].kill()
        jobs[0].wait()
        jobs[0].stdin.close()
        jobs.append(job(tmp_path, TELL))
        assert jobs[-1].stdout.readline().strip() == seen[0]
    finally:
        for one in jobs:
            if not one.stdin.closed:
                one.stdin.close()
            one.wait(60)
    assert [one.returncode for one in jobs[1:]] == [0, 0]


def test_a_job_ends_as_its_command_does_and_sees_no_gpu_where_there_is_none(tmp_path):
    failing = job(tmp_path, "import sys; sys.exit(7)")
    assert failing.wait(60) == 7
    alone = job(tmp_path, TELL, **{gpus.VISIBLE: ""})
    alone.stdin.close()
    assert (alone.stdout.read().strip(), alone.wait(60)) == ("", 0)
