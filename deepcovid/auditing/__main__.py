"""Hold the audit against phantom datasets whose faults are known, for docs/audit.md to show."""

import argparse
import sys
from pathlib import Path

import pandas as pd

from deepcovid import runs
from deepcovid.auditing import calibration


def main(arguments: list[str] | None = None) -> int:
    """Audit honest phantom datasets, ones with each fault, and ones with a marker in a share of one
    class; written to calibration.csv, after each. What is there is not made again."""
    parser = argparse.ArgumentParser(prog="python -m deepcovid.auditing", description=main.__doc__)
    parser.add_argument("--datasets", type=int, default=20, help="of each kind (default: 20)")
    parser.add_argument("--out", type=Path, default=runs.RESULTS / "audit", help="folder")
    args = parser.parse_args(arguments)
    path = args.out / "calibration.csv"
    there = pd.read_csv(path, keep_default_na=False) if path.is_file() else None
    for table in calibration.calibrated(calibration.cases(args.datasets), there):
        with runs.atomic_write(path) as partial:
            table.to_csv(partial, index=False, lineterminator="\n")
        print(table.tail(1).to_string(header=False, index=False), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
