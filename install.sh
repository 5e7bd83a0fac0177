#!/usr/bin/env bash
# Prints the path of a Python that has the dependencies: the active environment's, where it has them
# all, or that of .venv beside this file (or of DEEPCOVID_VENV), which is made and filled with the
# pinned ones. `--bare`: any Python that is new enough; nothing is installed.
set -euo pipefail
unset CDPATH # else `cd` prints where it went
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
venv=${DEEPCOVID_VENV:-$here/.venv}
[ "${venv#/}" != "$venv" ] || venv=$PWD/$venv # the caller's folder, which is left now
cd "$here"
export PIP_USER=0 # a user's setting that an environment cannot have
PATH=${PATH//"$venv/bin:"/} # an environment cannot make itself anew

bare() {
    for python in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    echo "Python 3.11 or newer is needed, and none was found." >&2
    exit 1
}

if [ "${1:-}" = --bare ]; then
    bare
    exit
fi

# what an environment lacks of pyproject.toml's requirements; the checkout itself is not among them
lacks='
import sys, tomllib
from importlib.metadata import PackageNotFoundError, version
from packaging.requirements import Requirement

def lacks(needed):
    try:
        return not needed.specifier.contains(version(needed.name), prereleases=True)
    except PackageNotFoundError:
        return True

with open("pyproject.toml", "rb") as file:
    needed = map(Requirement, tomllib.load(file)["project"]["dependencies"])
absent = [str(one) for one in needed if (not one.marker or one.marker.evaluate()) and lacks(one)]
if absent:
    sys.exit(", ".join(absent[:3]) + f" and {len(absent) - 3} more" * (len(absent) > 3))
'
active=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
if [ -n "$active" ] && ! [ "$active" -ef "$venv" ]; then
    if absent=$(python -I -c "$lacks" 2>&1); then
        command -v python
        exit
    fi
    echo "The active environment $active lacks ${absent##*$'\n'}: $venv is used instead." >&2
fi

# an environment knows its place: one that was moved or copied with its checkout is made anew
made_from="$(cksum < requirements.txt) $venv $here"
installed() { [ "$(cat "$venv/installed" 2>/dev/null)" = "$made_from" ] && [ -x "$venv/bin/python" ]; }
if ! installed; then
    python=$(bare)
    if ! mkdir -p "$venv" 2>/dev/null || ! [ -w "$venv" ]; then
        echo "$venv cannot be written. Name another place: DEEPCOVID_VENV=FOLDER ./run_all.sh" >&2
        exit 1
    fi
    # one call at a time fills it; this shell holds the lock until it ends, where the disk has locks
    exec 9< "$venv"
    "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' 2>/dev/null || true
fi
if ! installed; then # also not by a call that was waited for
    echo "Installing the pinned dependencies into $venv (about 6 GB; once) ..." >&2
    "$python" -m venv --clear "$venv" >&2
    # uv fills an environment in seconds; pip does the same, slowly, where uv is not to be had.
    # Bytecode is made now, as pip does: each notebook is a new process and imports everything again
    install=("$venv/bin/python" -m pip install --quiet)
    if "${install[@]}" uv >&2 2>/dev/null; then
        install=("$venv/bin/uv" pip install --quiet --compile-bytecode --python "$venv/bin/python")
    fi
    "${install[@]}" --require-hashes -r requirements.txt >&2
    # for notebooks in JupyterLab; run_all.sh itself always runs the code that lies beside it
    "$venv/bin/python" -c 'import pathlib, sys, sysconfig
pathlib.Path(sysconfig.get_path("purelib"), "deepcovid.pth").write_text(sys.argv[1] + "\n")' "$here"
    echo "$made_from" > "$venv/installed"
fi
echo "$venv/bin/python"
