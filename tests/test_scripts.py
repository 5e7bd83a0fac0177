"""The shell scripts, with programs that stand in for Python and pip: nothing is installed here."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deepcovid.runs import ROOT
from imageaudit import images

# what `venv` makes, and `pip` fills: they note what they were asked and make what is needed next
PYTHON = """#!/usr/bin/env bash
echo "${0##*/} $*" >> "$NOTES"
if [ "$2 $3" = "venv --clear" ]; then
    mkdir -p "$4/bin"
    for name in python uv; do cp "$0" "$4/bin/$name"; done
fi
"""


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of what a clone needs to start, in a folder with a space, and a Python that notes."""
    here = tmp_path / "a clone" / "deepcovid"
    here.mkdir(parents=True)
    for name in ("install.sh", "run_all.sh", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, here)
    shutil.copytree(ROOT / "deepcovid", here / "deepcovid")
    shutil.copytree(ROOT / "profiles", here / "profiles")
    program(tmp_path / "bin" / "python3", PYTHON)
    return here


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def start(*words, cwd, path=(), **environment):
    """Run a script with those folders first on the PATH, and no environment active by itself."""
    kept = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
    notes = cwd / "notes"
    notes.unlink(missing_ok=True)
    folders = [str(folder) for folder in path] + ["/usr/bin", "/bin"]
    environment |= {"PATH": ":".join(folders), "NOTES": str(notes)}
    done = subprocess.run(
        list(map(str, words)), cwd=cwd, capture_output=True, text=True, env=kept | environment
    )
    return done, notes.read_text() if notes.exists() else ""


def install(checkout, tmp_path, *path, **environment):
    folders = (*path, tmp_path / "bin")
    return start(checkout / "install.sh", cwd=tmp_path, path=folders, **environment)


def test_a_clone_in_a_folder_with_a_space_is_installed_once(checkout, tmp_path):
    done, notes = install(checkout, tmp_path)
    venv = checkout / ".venv"
    assert done.returncode == 0 and done.stdout == f"{venv}/bin/python\n", done.stderr
    assert "about 6 GB; once" in done.stderr
    assert f"python3 -m venv --clear {venv}\n" in notes
    assert f"--python {venv}/bin/python --require-hashes -r requirements.txt" in notes
    again, notes = install(checkout, tmp_path)
    assert (again.stdout, again.stderr, notes) == (done.stdout, "", "")


def test_a_users_settings_of_cd_and_pip_do_not_matter(checkout, tmp_path):
    (tmp_path / "bin" / "python3").write_text(PYTHON.replace("$*", "$* PIP_USER=$PIP_USER"))
    done, notes = start(
        "bash", "deepcovid/install.sh", cwd=checkout.parent, path=[tmp_path / "bin"],
        CDPATH=f".:{checkout.parent}", PIP_USER="1",
    )  # fmt: skip
    assert done.stdout == f"{checkout}/.venv/bin/python\n", done.stderr
    assert "PIP_USER=0" in notes and "PIP_USER=1" not in notes


def test_changed_requirements_are_installed_also_while_the_environment_is_active(
    checkout, tmp_path
):
    install(checkout, tmp_path)
    venv = checkout / ".venv"
    active = {"VIRTUAL_ENV": str(venv)}
    assert install(checkout, tmp_path, venv / "bin", **active)[1] == ""
    with (checkout / "requirements.txt").open("a") as file:
        file.write("another==1.0\n")
    done, notes = install(checkout, tmp_path, venv / "bin", **active)
    assert done.stdout == f"{venv}/bin/python\n" and "venv --clear" in notes
    # not made anew by itself
    assert notes.splitlines()[0].startswith("python3 ")


def test_a_moved_or_copied_checkout_makes_its_environment_anew(checkout, tmp_path):
    install(checkout, tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(checkout, copy)
    done, notes = install(copy, tmp_path)
    assert done.stdout == f"{copy}/.venv/bin/python\n"
    assert f"venv --clear {copy}/.venv" in notes
    checkout.rename(tmp_path / "moved")
    assert "venv --clear" in install(tmp_path / "moved", tmp_path)[1]


def test_an_active_environment_is_taken_only_if_it_has_all_that_is_required(checkout, tmp_path):
    ours = Path(sys.executable).parent
    stub = tmp_path / "bin"  # first, so that what makes .venv is the Python that only notes
    done, notes = install(checkout, tmp_path, stub, ours, VIRTUAL_ENV=sys.prefix)
    assert (done.stdout, notes) == (f"{ours / 'python'}\n", ""), done.stderr
    for absent in ("nosuch-package>=1", "torch==1.0"):  # not there; there, but another version
        project = checkout / "pyproject.toml"
        project.write_text(
            (ROOT / "pyproject.toml").read_text().replace('"captum', f'"{absent}",\n"captum')
        )
        done, notes = install(checkout, tmp_path, stub, ours, VIRTUAL_ENV=sys.prefix)
        assert done.stdout == f"{checkout}/.venv/bin/python\n"
        assert f"lacks {absent}: {checkout}/.venv is used instead" in done.stderr


def test_where_nothing_can_be_written_another_place_is_asked_for_and_taken(checkout, tmp_path):
    (checkout / ".venv").touch()
    done, notes = install(checkout, tmp_path)
    assert done.returncode == 1 and "DEEPCOVID_VENV=FOLDER" in done.stderr
    assert "venv" not in notes
    done, _ = install(checkout, tmp_path, DEEPCOVID_VENV=str(tmp_path / "elsewhere"))
    assert done.stdout == f"{tmp_path}/elsewhere/bin/python\n"


def test_a_relative_place_is_of_the_callers_folder(checkout, tmp_path):
    done, notes = install(checkout, tmp_path, DEEPCOVID_VENV="my venv")
    assert done.stdout == f"{tmp_path}/my venv/bin/python\n"
    assert f"venv --clear {tmp_path}/my venv\n" in notes


def test_of_two_calls_at_once_one_installs_and_the_other_waits(checkout, tmp_path):
    locks = f'case "$*" in *flock*) exec "{sys.executable}" "$@";; *--clear*) sleep 1;; esac\n'
    program(tmp_path / "bin" / "python3", PYTHON.replace("echo", f"{locks}echo", 1))
    callers = [tmp_path / "one", tmp_path / "another"]
    for caller in callers:
        caller.mkdir()
    script, path = checkout / "install.sh", [tmp_path / "bin"]
    with ThreadPoolExecutor() as pool:
        made = [*pool.map(lambda caller: start(script, cwd=caller, path=path), callers)]
    assert {done.stdout for done, _ in made} == {f"{checkout}/.venv/bin/python\n"}
    assert "".join(notes for _, notes in made).count("venv --clear") == 1


def test_a_python_that_is_too_old_is_told(checkout, tmp_path):
    for name in ("python3", "python", *(f"python3.{minor}" for minor in range(11, 15))):
        program(tmp_path / "bin" / name, "#!/bin/sh\nexit 1\n")
    done, _ = start(
        shutil.which("bash"), checkout / "run_all.sh", "--help", cwd=tmp_path,
        path=[tmp_path / "bin"],
    )  # fmt: skip
    assert done.returncode == 1 and "Python 3.11 or newer is needed" in done.stderr


def test_help_of_snakemake_is_asked_of_the_environment(checkout, tmp_path):
    program(checkout / "install.sh", f'#!/bin/sh\necho "install $*" >> "$NOTES"; echo {tmp_path}/bin/python3\n')  # fmt: skip
    for words, asked in ((["--help"], "install --bare"), (["demo", "--snakemake", "--help"], "install ")):  # fmt: skip
        _, notes = start(checkout / "run_all.sh", *words, cwd=tmp_path)
        assert notes.splitlines()[0] == asked, words


def test_tests_do_not_begin_where_the_installation_failed(tmp_path):
    shutil.copy(ROOT / "run_tests.sh", tmp_path)
    program(tmp_path / "install.sh", "#!/bin/sh\nexit 3\n")
    program(tmp_path / "bin" / "python", PYTHON)
    done, notes = start("bash", "run_tests.sh", "--slow", cwd=tmp_path, path=[tmp_path / "bin"])
    assert done.returncode == 3 and not notes


WHERE = """#!/usr/bin/env bash
exec {python} -c 'import deepcovid.runs; print(deepcovid.runs.__file__)'
"""


def test_the_code_beside_the_script_runs_whatever_lies_around(checkout, tmp_path):
    """Called from the folder that holds the clone, or with another checkout's environment active."""
    program(checkout / "install.sh", f"#!/bin/sh\necho '{tmp_path}/where/python'\n")
    program(tmp_path / "where" / "python", WHERE.format(python=sys.executable))
    other = tmp_path / "other"
    (other / "deepcovid").mkdir(parents=True)
    for name in ("__init__", "runs"):
        (other / "deepcovid" / f"{name}.py").touch()
    for cwd in (checkout.parent, other, checkout):
        done, _ = start(checkout / "run_all.sh", cwd=cwd)
        assert done.stdout == f"{checkout}/deepcovid/runs.py\n", done.stderr
    done, _ = start("sh", "run_all.sh", cwd=checkout)
    assert done.stdout == f"{checkout}/deepcovid/runs.py\n", done.stderr


def test_fast_tests_take_no_demo_and_no_notebook_and_pytest_gets_the_rest(tmp_path):
    shutil.copy(ROOT / "run_tests.sh", tmp_path)
    program(tmp_path / "install.sh", "#!/bin/sh\necho ./python\n")
    for name in ("python", "ruff", "run_all.sh"):
        program(tmp_path / name, f'#!/bin/sh\necho {name} "$@"\n')

    def told(*words):
        return start("./run_tests.sh", *words, cwd=tmp_path)[0].stdout

    whole = told()
    assert "ruff check" in whole and "run_all.sh demo" in whole and "--nbval-lax" in whole
    fast = told("--fast")
    assert "ruff check" in fast and "demo" not in fast and "nbval" not in fast
    assert "-m not slow tests" in fast
    chosen = told("-k", "a name", "--fast", "-x")
    assert chosen.startswith("python -m pytest") and chosen.endswith("tests -k a name -x\n")
    assert "nbval" in told("-k", "name") and "demo" not in told("-k", "name")


@pytest.mark.parametrize("suffix", [*images.SUFFIXES, ".pth", ".pt", ".npy", ".zip"])
def test_git_keeps_radiographs_weights_and_archives_out(suffix):
    def ignored(name):
        command = ["git", "-C", ROOT, "check-ignore", "--quiet", "--no-index", name]
        return subprocess.run(command).returncode == 0

    assert ignored(f"somewhere/x{suffix}") and ignored(f"docs/x{suffix}")
    if suffix in images.SUFFIXES:
        assert ignored(f"X{suffix.upper()}") and ignored(f"X{suffix.title()}")
    assert ignored("data/train/covid/IM-0001") and ignored("data/patients.csv")
    assert not ignored("deepcovid/data/images.py") and not ignored("tests/data/test_images.py")
    assert not ignored("results/figures/roc.svg") and not ignored("docs/x.svg")


def test_nothing_that_is_committed_is_ignored():
    command = ["git", "-C", ROOT, "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""
