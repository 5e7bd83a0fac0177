#!/usr/bin/env bash
# The project's tests: style, the demo run, behaviour, and the notebooks' outputs.
# Installs what it needs into .venv, like run_all.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
PATH="$(dirname "$(./install.sh)"):$PATH"

ruff check .
ruff format --check .
./run_all.sh demo
# a process per core, each with one thread; tests of one file share what they prepare
export OMP_NUM_THREADS=1
workers=(-n auto --dist loadfile)
python -m pytest "${workers[@]}" "$@"
# the notebooks again, on what the demo run left: cells tagged nbval-check-output must not drift
python -m pytest "${workers[@]}" --nbval-lax --nbval-current-env --nbval-cell-timeout 600 notebooks
