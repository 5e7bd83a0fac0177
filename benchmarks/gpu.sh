#!/usr/bin/env bash
# Measures the study on a graphics card; `benchmarks/gpu.sh --help` explains it.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail
unset CDPATH # else `cd` prints where it went
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" PYTHONSAFEPATH=1
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE} # as run_all.sh has it

# a machine with a card often has a torch of its own, and no network to install ours from
python=$(command -v python3 || true)
"$python" -c 'import torch' 2>/dev/null || python=$("$here/install.sh")
cd "$here"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "The code needs Python 3.11 or newer; $python is $("$python" --version)." >&2
    exit 1
}

# what such a machine lacks came with `pack`; its own torch stays
for pack in runs/gpu-*/pack.tar; do
    [ -f "$pack" ] || continue
    mkdir -p runs/gpu
    tar -xf "$pack" -C runs/gpu
done
if compgen -G 'runs/gpu/weights/*.gz' >/dev/null; then gunzip -f runs/gpu/weights/*.gz; fi
lacks() {
    ! "$python" -c 'import sys; from importlib.metadata import version
for name in open("benchmarks/gpu.txt").read().split("\n"): name and name[0] != "#" and version(name)' 2>/dev/null
}
if compgen -G 'runs/gpu/wheels/*.whl' >/dev/null && lacks; then
    # without them the other parts can still be measured
    "$python" -m pip install -q --no-index --no-deps --no-compile --upgrade --target runs/gpu/site \
        runs/gpu/wheels/*.whl || echo "The wheels do not fit $("$python" --version): see pack --python." >&2
    export PYTHONPATH="$PYTHONPATH:$here/runs/gpu/site"
fi
exec "$python" -m benchmarks.gpu "$@"
