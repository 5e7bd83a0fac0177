#!/usr/bin/env bash
# The project's tests. Installs what it needs into .venv, like run_all.sh.
#   ./run_tests.sh           style, the demo run, behaviour, and the notebooks' outputs: what CI runs
#   ./run_tests.sh --fast    style and behaviour: no demo, no notebooks, nothing slow
#   ./run_tests.sh --slow   the long run: kills, fuzzing, mutations; hours. --slow PART ... for some of it
#   ./run_tests.sh -k NAME   only what pytest is told, with --fast or without
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail
unset CDPATH # else `cd` prints where it went
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
case "${DEEPCOVID_VENV:-/}" in /*) ;; *) export DEEPCOVID_VENV=$PWD/$DEEPCOVID_VENV ;; esac # of the caller's folder
python=$("$here/install.sh") # on a line of its own, so that what fails ends the script
PATH="$(dirname "$python"):$PATH"
cd "$here"

if [ "${1:-}" = --slow ]; then
    shift
    exec python -m benchmarks.robustness "$@"
fi
words=() fast=
for word in "$@"; do
    if [ "$word" = --fast ]; then fast=yes; else words+=("$word"); fi
done
# The notebooks run again on results/: cells tagged nbval-check-output must not drift.
chosen=(--nbval-lax --nbval-current-env --nbval-cell-timeout 600)
if [ -n "$fast" ]; then chosen=(-m "not slow" tests); fi

if [ ${#words[@]} = 0 ]; then
    ruff check .
    ruff format --check .
    # nothing of the demo may need a network
    if [ -z "$fast" ]; then python tests/offline.py ./run_all.sh demo; fi
fi
# One process more than there are cores, each with one thread: some tests wait for a scheduler or a
# browser. Tests of one file share what they prepare.
export OMP_NUM_THREADS=1
processes=$(python -c 'from deepcovid.workflow import usable_cores; print(usable_cores() + 1)')
python -m pytest -n "$processes" --dist loadfile --no-loadscope-reorder "${chosen[@]}" ${words[@]+"${words[@]}"}
