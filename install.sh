#!/usr/bin/env bash
# Prints the path of a Python that has the package: the active environment's, where it has it, or
# that of .venv beside this file, which is made and filled with the pinned dependencies.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"

if [ -n "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ] && python -c 'import deepcovid, snakemake' 2>/dev/null; then
    command -v python
    exit
fi

venv=$here/.venv
pinned=$(cksum < requirements.txt)
if [ "$(cat "$venv/installed" 2>/dev/null)" != "$pinned" ]; then
    for python in python3 python3.13 python3.12 python3.11 python; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
        python=
    done
    if [ -z "$python" ]; then
        echo "Python 3.11 or newer is needed, and none was found." >&2
        exit 1
    fi
    echo "Installing the pinned dependencies into .venv (about 6 GB; once) ..." >&2
    "$python" -m venv --clear "$venv" >&2
    # uv fills an environment in seconds; pip does the same, slowly, where uv is not to be had.
    # Bytecode is made now, as pip does: each notebook is a new process and imports everything again
    install="$venv/bin/python -m pip install --quiet"
    if $install uv >&2 2>/dev/null; then
        install="$venv/bin/uv pip install --quiet --compile-bytecode --python $venv/bin/python"
    fi
    $install --require-hashes -r requirements.txt >&2
    $install --no-deps --editable . >&2
    echo "$pinned" > "$venv/installed"
fi
echo "$venv/bin/python"
