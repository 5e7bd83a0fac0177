#!/usr/bin/env bash
# Runs the study; `./run_all.sh --help` explains it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

case " $* " in *" -h "* | *" --help "*) PYTHONPATH=$here exec python3 -m deepcovid --help ;; esac

# large blocks from huge pages: up to half again as fast on CPU, and ignored elsewhere
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592}

# threads that wait must not keep a core from other processes that compute
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}

python=$("$here/install.sh")
PATH="$(dirname "$python"):$PATH" exec "$python" -m deepcovid "$@"
