"""Hold the audit against phantom datasets whose faults are known, for docs/audit.md to show."""

import argparse
import sys
from pathlib import Path

from deepcovid import runs
from deepcovid.auditing import calibration


def main(arguments: list[str] | None = None) -> int:
    """Audit honest phantom datasets, one with each fault, and ones with a marker in a share of one
    class; written to calibration.csv."""
    parser = argparse.ArgumentParser(prog="python -m deepcovid.auditing", description=main.__doc__)
    parser.add_argument("--honest", type=int, default=20, help="datasets without a fault")
    parser.add_argument("--out", type=Path, default=runs.RESULTS / "audit", help="folder")
    args = parser.parse_args(arguments)
    for table in calibration.calibrated(calibration.cases(args.honest)):
        with runs.replacing(args.out / "calibration.csv") as partial:
            table.to_csv(partial, index=False, lineterminator="\n")
        print(table.tail(1).to_string(header=False, index=False), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
