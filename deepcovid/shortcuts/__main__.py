"""Hold the alarm against many phantoms and simulated scores, for notebook 07 to show."""

import argparse
import sys
from pathlib import Path

from deepcovid import runs
from deepcovid.models.opened import Run
from deepcovid.shortcuts import calibration, measure


def main(arguments: list[str] | None = None) -> int:
    """Raise the alarm on phantom datasets, honest ones and ones with each planted shortcut
    (shortcut_alarms.csv), and on simulated scores of honest datasets (shortcut_levels.csv)."""
    parser = argparse.ArgumentParser(prog="python -m deepcovid.shortcuts", description=main.__doc__)
    parser.add_argument("--honest", type=int, default=100, help="datasets without a shortcut")
    parser.add_argument("--planted", type=int, default=20, help="datasets with each shortcut")
    parser.add_argument("--simulated", type=int, default=1000, help="honest datasets, by scores")
    parser.add_argument("--out", type=Path, default=runs.RESULTS, help="folder")
    args = parser.parse_args(arguments)
    try:
        opened = Run.open("demo", {"models": "squeezenet"})
        found = calibration.calibrate(opened, args.honest, args.planted, calibration.COUNTS)
    except runs.UserError as error:
        print(f"deepcovid: {error}", file=sys.stderr)
        return 2
    measure.write(found, args.out / "shortcut_alarms.csv")
    levels = calibration.levels(args.simulated).reset_index()
    print(measure.write(levels, args.out / "shortcut_levels.csv"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
