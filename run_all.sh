#!/usr/bin/env bash
# Runs the study; `./run_all.sh --help` explains it.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail
unset CDPATH # else `cd` prints where it went
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)

# the code beside this file, whatever environment is active and whatever lies in the caller's folder
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" PYTHONSAFEPATH=1

for word in "$@"; do # help needs nothing installed
    if [ "$word" = --snakemake ]; then break; fi # all that follows is Snakemake's
    if [ "$word" = -h ] || [ "$word" = --help ]; then
        python=$("$here/install.sh" --bare)
        exec "$python" -m deepcovid "$@"
    fi
done

# large blocks from huge pages: up to half again as fast on CPU, and ignored elsewhere
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592}

# threads that wait must not keep a core from other processes that compute
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}

python=$("$here/install.sh")
PATH="$(dirname "$python"):$PATH" exec "$python" -m deepcovid "$@"
