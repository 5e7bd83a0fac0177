"""The audit beside CleanVision, Datalab and imagededup, on phantom datasets with planted faults.

    python benchmarks/audits.py OTHER/bin/python

OTHER is an environment with what audits.txt names. Each tool is asked in its plainest way; CPU
seconds are of all processes of a tool on one dataset, without the loading of its libraries, so that a
busy machine changes them little. Writes results/audit/others.csv.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from deepcovid import runs
from deepcovid.auditing import calibration
from imageaudit.examine import examine

IMAGES, SEED = 30, 500  # of each class
HONEST = 3
HERE = Path(__file__).parent


def main(python: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        rows = []
        cases = [(calibration.NOTHING, seed) for seed in range(HONEST)]
        cases += [(fault, SEED) for fault in calibration.FAULTS]
        for fault, seed in cases:
            folder = Path(name) / f"{fault}-{seed}"
            calibration.write(folder, fault, 1.0, IMAGES, seed)
            rows.append(ours(folder, fault))
            print(rows[-1], flush=True)
        table = Path(name) / "others.csv"
        subprocess.run([python, HERE / "audits_others.py", name, table], check=True)
        found = pd.concat([pd.DataFrame(rows), pd.read_csv(table)])
    path = runs.RESULTS / "audit" / "others.csv"
    with runs.atomic_write(path) as partial:
        found.to_csv(partial, index=False, lineterminator="\n")
    print(found.to_string())


def ours(folder: Path, fault: str) -> dict:
    began = time.process_time()
    found = examine(folder)
    raised = [f.kind for f in found.findings if f.raised and f.kind in found.report["fail_on"]]
    named = bool({*calibration.EXPECTED.get(fault, ())} & {*raised})
    return {"fault": fault, "tool": "deepcovid", "found": named, "alarm": found.alarm,
            "said": " ".join(raised), "cpu_seconds": round(time.process_time() - began, 1)}  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
