#!/usr/bin/env bash
# The project's tests: style, the demo run, behaviour, and the notebooks' outputs.
# Installs what it needs into .venv, like run_all.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
PATH="$(dirname "$(./install.sh)"):$PATH"

ruff check .
ruff format --check .
./run_all.sh demo
# A process per core, each with one thread; tests of one file share what they prepare. The notebooks
# run again on what the demo left: cells tagged nbval-check-output must not drift.
export OMP_NUM_THREADS=1
python -m pytest -n auto --dist loadfile --nbval-lax --nbval-current-env --nbval-cell-timeout 600 "$@"
