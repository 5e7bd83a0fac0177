"""Each goal beside what was measured, from the other sections' files; nothing is measured here."""

from collections.abc import Callable
from pathlib import Path

from deepcovid import runs

NOT = "not measured"


def rows(folder: Path, section: str) -> dict:
    path = folder / f"{section}.json"
    return runs.read_json(path)["rows"] if path.is_file() else {}


def where(row: dict) -> str:
    """The machine and the day of a row."""
    machine = row["machine"]
    name = machine.get("gpu") or f"{machine['cores']} cores {machine.get('vectors', '')}".strip()
    load = (
        f", load {row['load_average'][0]} to {row['load_average'][1]}"
        if "load_average" in row
        else ""
    )
    return f"{name}{load}, {row.get('day', 'day not noted')}"


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"


def command(name: str, key: str) -> Callable[[Path], list]:
    """A command's wall or processor time."""

    def of(folder: Path) -> list:
        row = rows(folder, "commands").get(name)
        return [(minutes(row[key]), row[key], row)] if row else []

    return of


def run(name: str) -> Callable[[Path], list]:
    """The processor time of a run's steps, and the wall time of its notebooks where they are apart."""

    def of(folder: Path) -> list:
        if (row := rows(folder, "notebooks").get(name)) is None:
            return []
        steps = sum(step["processor_seconds"] for step in row["steps"].values())
        shown = sum(row.get("shown", {}).values())
        beside = f", and notebooks {minutes(shown)} of wall time" * bool(shown)
        beside += f"; not to their end: {', '.join(row['lacks'])}" if "lacks" in row else ""
        return [(f"{row['models']}: steps {minutes(steps)}{beside}", steps + shown, row)]

    return of


def memory(folder: Path) -> list:
    found = []
    for name, row in rows(folder, "notebooks").items():
        step, took = max(row["steps"].items(), key=lambda one: one[1]["peak_mb"])
        found.append((f"{name}, {step}: {took['peak_mb'] / 1000:.1f} GB", took["peak_mb"], row))
    return found


def passes(network: str) -> Callable[[Path], list]:
    def of(folder: Path) -> list:
        row = rows(folder, "loop").get(network)
        if row is None:
            return []
        share = row["share_of_one_plain_pass"]["median"]
        return [(f"{share:.2f}", share, row)]

    return of


def slowest_notebook(folder: Path) -> list:
    found = rows(folder, "reruns")
    if not found:
        return []
    name, row = max(found.items(), key=lambda one: one[1]["seconds"])
    of = f"{name} {row['seconds']:.0f} s, {row['processor_seconds']:.0f} s of processor time"
    return [(f"slowest of {len(found)}: {of}", row["seconds"], row)]


def card(folder: Path) -> list:
    found = {name: row for name, row in rows(folder, "gpu").items()
             if name.startswith("paper: ") and row["ended"] == "done"}  # fmt: skip
    took = sum(row["seconds"] for row in found.values())
    return (
        [(f"{len(found)} networks {took:.0f} s", took, next(iter(found.values())))] if found else []
    )


# what, the goal in words, the most that reaches it, and what was measured: text, number, row
GOALS = (
    ("`paper`, one network, all notebooks, processor time", "10 min", 600, run("paper")),
    ("the whole real study, processor time", "3 h", 3 * 3600, run("real")),
    ("miniature, installed, processor time", "4 min", 240, command("demo", "processor_seconds")),
    ("`.ci/run` on a clean clone, wall time", "12 min", 720, command("ci", "seconds")),
    ("images to scores, 100 epochs, in plain passes: SqueezeNet", "1.0", 1.0, passes("squeezenet")),
    ("the same: ResNet18", "0.8", 0.8, passes("resnet18")),
    ("the same: ResNet50", "0.8", 0.8, passes("resnet50")),
    ("the same: DenseNet121", "0.8", 0.8, passes("densenet121")),
    ("peak memory of any step", "3 GB", 3000, memory),
    ("an interactive rerun of a committed notebook, wall time", "10 s", 10, slowest_notebook),
    ("`paper` on a graphics card, four networks", "none set", None, card),
)  # fmt: skip


def rendered(folder: Path) -> str:
    lines = ["| what | goal | measured | reached | machine, day |", "|---|---|---|---|---|"]
    for what, goal, most, measured in GOALS:
        for text, number, row in measured(folder) or [(NOT, None, None)]:
            if number is None or most is None:
                reached = ""
            elif number > most:
                reached = "**no**"
            else:
                reached = "" if "lacks" in row else "yes"  # what lacks would cost more
            lines.append(f"| {what} | {goal} | {text} | {reached} | {where(row) if row else ''} |")
    return "\n".join(lines)
