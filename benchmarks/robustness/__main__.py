"""The long run: every part of it, and the figures that docs/robustness.md shows.

./run_tests.sh --slow            all parts; hours
./run_tests.sh --slow PART ...   some: kills, same, stale, damage, fuzz, mutations, audit
./run_tests.sh --slow show       print the figures of the last run, and write them to the document
"""

import json
import re
import shutil
import subprocess
import sys

from benchmarks.robustness import figures
from deepcovid.runs import ROOT, write_text

PAGE = ROOT / "docs" / "robustness.md"
START, END = "<!-- figures: ./run_tests.sh --slow show -->\n", "<!-- end of figures -->\n"
PARTS = ("kills", "same", "stale", "damage", "fuzz", "mutations", "audit")


def stale() -> None:
    """One thing is changed at a time: which steps run again."""
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_stale.py"]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped)", done.stdout)}
    figures.keep("stale", counts)
    print(done.stdout[-3000:])


def audit() -> None:
    """Known vulnerabilities of the pinned dependencies, where a database of them can be reached."""
    words = ["pip-audit", "--require-hashes", "--disable-pip", "--progress-spinner", "off",
             "--requirement", "requirements.txt", "--format", "json"]  # fmt: skip
    uvx = shutil.which("uvx") or sys.executable.replace("python", "uvx")
    done = subprocess.run([uvx, *words], cwd=ROOT, capture_output=True, text=True)
    known = json.loads(done.stdout)["dependencies"] if done.stdout.startswith("{") else []
    looked = [one for one in known if "vulns" in one]  # the others are not in the database
    figures.keep("audit", {
        "audited": len(looked), "with a known vulnerability": [o["name"] for o in looked if o["vulns"]],
    })  # fmt: skip
    print(done.stderr.strip()[-500:])


def told(of: dict) -> str:
    """The figures as a table in Markdown; parts that were not run say so."""
    return "| what | figure |\n|---|---|\n" + "".join(
        f"| {what} | {value} |\n" for what, value in rows(of)
    )


def rows(of: dict):
    kills = of.get("kills", {})
    for name in ("a training on images", "the notebooks"):
        if one := kills.get(name):
            until = kills["notebooks until"]
            part = name == "the notebooks" and until != "the end"
            far = f" (up to the step {until})" * part
            yield (f"SIGKILLs of {name}{far}; runs that ended, with the same bytes",
                   f"{one['kills']}; {one['runs']}, {one['the same bytes']}")  # fmt: skip
        else:
            yield f"SIGKILLs of {name}", "not run yet"
    for part in (part for part in PARTS if part not in of):
        yield f"`./run_tests.sh --slow {part}`", "not run yet"
    if same := of.get("same"):
        apart = [name for name, is_so in same["the same bytes"].items() if not is_so]
        others = ", ".join(name for name in same["the same bytes"] if name != "again")
        yield (f"the same bytes again, and under another {others}",
               f"{sum(same['the same bytes'].values())} of {len(same['the same bytes'])}"
               + f", not: {', '.join(apart)}" * bool(apart))  # fmt: skip
        for what, value in same["threads"].items():
            yield what, f"{value:.1e}" if isinstance(value, float) else "yes" if value else "no"
    if stale := of.get("stale"):
        yield (
            "tests of single changes and what runs again: passed, failed",
            f"{stale.get('passed', 0)}, {stale.get('failed', 0)}",
        )
    if damage := of.get("damage"):
        counts = damage["files"].values()
        each = [sum(c.get(key, 0) for c in counts) for key in ("read", "refused", "faults")]
        yield (f"damaged files of {len(counts)} kinds: read, refused by a message, faults",
               ", ".join(f"{n:,}" for n in each))  # fmt: skip
    if fuzz := of.get("fuzz"):
        yield ("fuzzed pictures: tried; read, refused, kinds of refusal; faults",
               f"{fuzz['inputs']:,}; {fuzz['read']:,}, {fuzz['refused']:,}, {fuzz['kinds of refusal']}; "
               f"{len(fuzz['faults'])}")  # fmt: skip
        yield (f"cut files of {fuzz['formats']} formats: " + ", ".join(fuzz["cut"]),
               ", ".join(f"{n:,}" for n in fuzz["cut"].values()))  # fmt: skip
    if mutations := of.get("mutations"):
        for name, row in mutations["subjects"].items():
            yield (f"single changes of {name}: tried of those possible; noticed, explained, unseen",
                   f"{row['tried']} of {row['possible']}; {row['noticed']}, {row['explained']}, {row['unseen']}")  # fmt: skip
    if audit := of.get("audit"):
        bad = ", ".join(audit["with a known vulnerability"]) or "none"
        known = (
            f"{bad} of {audit['audited']}" if audit["audited"] else "no database could be reached"
        )
        yield "dependencies with a known vulnerability", known


def show() -> None:
    text = told(figures.kept())
    print(text)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    write_text(PAGE, before + START + text + END + rest.partition(END)[2])


def main(parts: list[str]) -> int:
    if unknown := [part for part in parts if part not in (*PARTS, "show")]:
        print(
            f"There is no part {unknown[0]}. There are: {', '.join(PARTS)}, show.", file=sys.stderr
        )
        return 2
    for part in parts or PARTS:
        if part in ("stale", "audit"):
            globals()[part]()
        elif part != "show":
            subprocess.run(
                [sys.executable, "-m", f"benchmarks.robustness.{part}"], cwd=ROOT, check=False
            )
    show()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
