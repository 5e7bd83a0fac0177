#!/usr/bin/env bash
# Measures the study on a graphics card; `benchmarks/gpu.sh --help` explains it.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail
unset CDPATH # else `cd` prints where it went
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" PYTHONSAFEPATH=1
cd "$here"

# a machine with a card often has a torch of its own, and no network to install ours from
python=$(command -v python3 || true)
"$python" -c 'import torch' 2>/dev/null || python=$("$here/install.sh")

# what such a machine lacks came with `pack`; its own torch stays
for pack in runs/gpu-*/pack.tar; do
    [ -f "$pack" ] || continue
    mkdir -p runs/gpu
    tar -xf "$pack" -C runs/gpu
done
if compgen -G 'runs/gpu/weights/*.gz' >/dev/null; then gunzip -f runs/gpu/weights/*.gz; fi
if compgen -G 'runs/gpu/wheels/*.whl' >/dev/null && ! "$python" -c 'import ipykernel, papermill, pydantic' 2>/dev/null; then
    [ -d runs/gpu/site ] ||
        "$python" -m pip install -q --no-index --no-deps --no-compile --target runs/gpu/site runs/gpu/wheels/*.whl
    export PYTHONPATH="$PYTHONPATH:$here/runs/gpu/site"
fi
exec "$python" -m benchmarks.gpu "$@"
