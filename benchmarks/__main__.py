"""Measure what the study costs; `./run_benchmarks.sh --help` explains it."""

import argparse
import os
import sys
from pathlib import Path

from benchmarks import growth, occlusion, speed, table, whole
from benchmarks.measure import Asked
from deepcovid import runs
from deepcovid.profiles import MODELS

SECTIONS = {
    "loop": speed.loop, "features": speed.feature_pass, "heads": speed.heads, "scores": whole.scores,
    "start": whole.start, "notebooks": whole.notebooks, "growth_images": growth.images, "growth_features": growth.rows,
    "occlusion": occlusion.section, "audit": whole.audit, "reruns": whole.reruns, "commands": whole.commands,
}  # fmt: skip


def parser() -> argparse.ArgumentParser:
    lines = [
        f"  {name:16}{function.__doc__.splitlines()[0]}" for name, function in SECTIONS.items()
    ]
    found = argparse.ArgumentParser(
        prog="./run_benchmarks.sh",
        description="Measure what the study costs; writes results/benchmarks/SECTION.json, and the "
        "tables of docs/performance.md from them.\n\nsections (default: all but commands):\n"
        + "\n".join(lines),
        epilog="A measurement that is there is not made again, so a stopped call goes on. Nothing "
        "else should run meanwhile: the load of the machine is written beside each row.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("sections", nargs="*", metavar="SECTION")
    found.add_argument(
        "-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), dest="settings",
        help="data FOLDER (default: drawn radiographs), weights (default: random), models",
    )  # fmt: skip
    found.add_argument("--images", type=int, default=120, help="of a sample (default: 120)")
    found.add_argument("--rounds", type=int, default=3, help="repeats (default: 3)")
    found.add_argument("--run", action="append", default=[], type=Path, metavar="FOLDER",
                       help="a finished run that notebooks reads (default: runs/demo, runs/paper)")  # fmt: skip
    found.add_argument("--again", action="store_true", help="measure what is there anew")
    return found


def drawn(count: int) -> Path:
    """A folder of drawn radiographs, made once."""
    from deepcovid.data import phantom

    groups = ("train", "covid"), ("train", "non"), ("test", "covid"), ("test", "non")
    folder = runs.RUNS / "benchmarks" / f"phantom-{count}"
    return folder if folder.is_dir() else phantom.write(folder, 0, dict.fromkeys(groups, count))


def main(words: list[str] | None = None) -> int:
    args = parser().parse_args(words)
    given = dict(args.settings)
    if unknown := [s for s in args.sections if s not in SECTIONS]:
        print(f"There is no section {unknown[0]}: say {', '.join(SECTIONS)}.", file=sys.stderr)
        return 2
    if unknown := set(given) - {"data", "weights", "models"}:
        print(f"-p takes data, weights, models; not {', '.join(unknown)}.", file=sys.stderr)
        return 2
    try:
        asked = Asked(
            data=Path(given["data"]).absolute() if "data" in given else drawn(-(-args.images // 4)),
            weights=os.path.abspath(given["weights"]) if "weights" in given else "random",  # noqa: PTH100
            models=tuple(given.get("models", ",".join(MODELS)).split(",")),
            images=args.images, rounds=args.rounds, again=args.again,
            finished=tuple(folder.absolute() for folder in args.run),
        )  # fmt: skip
        for name in args.sections or [name for name in SECTIONS if name != "commands"]:
            print(f"\n{name}: {SECTIONS[name].__doc__.splitlines()[0]}")
            SECTIONS[name](asked)
    except runs.UserError as error:
        print(f"deepcovid: {error}", file=sys.stderr)
        return 2
    print("\nThe tables are in", table.refresh())
    return 0


if __name__ == "__main__":
    sys.exit(main())
