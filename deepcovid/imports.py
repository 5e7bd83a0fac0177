"""Which module imports which, read from the code.

The order of the wings, what each step of the workflow hangs on, and the picture and the list in
docs/architecture.md all come from here. `python -m deepcovid.imports` makes these two anew.
"""

import ast
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# each imports only those before it; those in one row know nothing of each other
ORDER = (
    ("runs", "profiles", "plots", "imports", "papermill", "repair"),
    ("metrics",),
    ("data",),
    ("models",),
    ("heatmaps", "failure", "shortcuts"),
    ("fair_test",),
    ("auditing",),
    ("report",),
    ("workflow",),
    ("__main__",),
)
ABOUT = {
    "runs": "a run's folder and files", "profiles": "a run's settings", "plots": "one style",
    "imports": "this picture", "papermill": "runs a notebook", "repair": "after a kill", "metrics": "notebook 04", "data": "notebooks 01, 02",
    "models": "notebook 03", "heatmaps": "notebook 05", "failure": "notebook 06",
    "shortcuts": "notebook 07", "fair_test": "notebook 08",
    "auditing": "anybody's images", "report": "pages, cards, results", "workflow": "runs the notebooks",
    "__main__": "the command line",
}  # fmt: skip


@cache
def modules() -> dict[str, Path]:
    """All modules of the package by their names within it: `data.images`, `runs`, ..."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] != "__init__":
            found[".".join(parts)] = path
    return found


@cache
def imported(module: str) -> frozenset[str]:
    """Full names of what a module imports, wherever in it: `torch`, `deepcovid.runs.UserError`."""
    names = set()
    for node in ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(names)


@cache
def ours(module: str) -> frozenset[str]:
    """The modules of the package that a module imports itself."""
    prefix = f"{PACKAGE.name}."
    names = {name.removeprefix(prefix) for name in imported(module) if name.startswith(prefix)}
    return frozenset(names & set(modules()))


def needed(*names: str) -> list[str]:
    """The named modules and all that these import, directly or not, in the order of their names."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += ours(name)
    return sorted(found)


def files(*names: str) -> list[Path]:
    """The files whose code a step hangs on that calls the named modules.

    `runs` and `profiles` compute nothing: what they give a step stands in its settings and files.
    """
    return [modules()[n] for n in needed(*names) if n not in ("runs", "profiles")] + engine(*names)


def engine(*names: str) -> list[Path]:
    """The files of `imageaudit`, where the named modules, or what these import, call it."""
    called = any(n.startswith("imageaudit") for name in needed(*names) for n in imported(name))
    return sorted((PACKAGE.parent / "imageaudit").rglob("*.py")) if called else []


def room(module: str) -> str:
    """The wing that a module stands in, or the module itself where it stands beside the wings."""
    return module.partition(".")[0]


def doors() -> set[tuple[str, str]]:
    """Pairs of rooms of which the first imports the second."""
    pairs = {(room(module), room(name)) for module in modules() for name in ours(module)}
    return {(a, b) for a, b in pairs if a != b}


def steps() -> list[tuple[str, str]]:
    """The doors without those that only shorten a way through other rooms."""
    pairs = {(a, b) for a, b in doors() if a not in ORDER[-1] and b not in ORDER[0]}

    def reached(a: str, b: str) -> bool:
        return any(x == a and (y == b or reached(y, b)) for x, y in pairs)

    return sorted(
        (a, b) for a, b in pairs if not any(x == a and y != b and reached(y, b) for x, y in pairs)
    )


def draw():
    """The rooms in their order and what stands in each; an arrow points to who uses it."""
    from deepcovid import plots

    rooms = {}
    for module in modules():
        rooms.setdefault(room(module), []).append(module.rpartition(".")[2])
    rows = [found for row in ORDER if (found := [name for name in row if name in rooms])]
    figure, axis = plots.new(size=(9.2, 0.86 * len(rows)))
    boxes = {}
    for y, row in enumerate(rows):
        width = 1 / len(row)
        for i, name in enumerate(row):
            place = (i + 0.5) * width, len(rows) - y
            inside = fold([m for m in rooms[name] if m != name], width)
            text = f"{name}: {ABOUT[name]}" + f"\n{inside}" * bool(inside)
            box = {"boxstyle": "round,pad=0.4", "fc": "white", "ec": plots.NON_COVID}
            boxes[name] = axis.text(*place, text, ha="center", va="center", fontsize=8, bbox=box)
    for user, used in steps():
        a, b = boxes[used], boxes[user]
        far = a.get_position()[1] - b.get_position()[1] > 1
        axis.annotate(
            "", b.get_position(), a.get_position(),
            arrowprops={
                "arrowstyle": "-|>", "color": plots.GREY, "shrinkA": 0, "shrinkB": 2,
                "patchA": a.get_bbox_patch(), "patchB": b.get_bbox_patch(),
                "connectionstyle": f"arc3,rad={0.6 * far}",
            },
        )  # fmt: skip
    axis.set(xlim=(0, 1), ylim=(0.6, len(rows) + 0.4))
    axis.axis("off")
    return figure


def fold(names: list[str], width: float) -> str:
    """Names in lines that fit a box of that share of the picture's width."""
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > 120 * width:
            lines.append("")
        lines[-1] += f" {name}"
    return "\n".join(line.strip() for line in lines)


def told() -> str:
    """Every module by the first words of its docstring: those beside the wings, then each wing's."""
    rooms = [name for row in ORDER for name in row]
    beside = [name for name in rooms if name in modules()]
    groups = {"Beside the wings": beside}
    for wing in (name for name in rooms if name not in beside):
        groups[f"`{wing}/`: {ABOUT[wing]}"] = [m for m in modules() if room(m) == wing]
    lines = []
    for heading, found in groups.items():
        lines.append(f"\n### {heading}\n")
        for module in found:
            tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
            words = " ".join((ast.get_docstring(tree) or "").partition("\n\n")[0].split())
            lines.append(f"- `{module.rpartition('.')[2]}`: {words}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    from deepcovid.plots import save
    from deepcovid.runs import write_text

    page = PACKAGE.parent / "docs" / "architecture.md"
    save(draw(), page.with_suffix(".svg"))
    kept, heading, _ = page.read_text(encoding="utf-8").partition("## The modules\n")
    write_text(page, kept + heading + told())
