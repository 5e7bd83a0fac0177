#!/usr/bin/env bash
# Measures what the study costs; `./run_benchmarks.sh --help` explains it.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail
unset CDPATH # else `cd` prints where it went
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" PYTHONSAFEPATH=1

# as run_all.sh has it
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592}
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}

python=$("$here/install.sh")
PATH="$(dirname "$python"):$PATH" exec "$python" -m benchmarks "$@"
