"""Which module imports which, read from the code.

What each step of the workflow depends on comes from here, and the order of the wings, which a test holds.
"""

import ast
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# each imports only those before it; those in one row know nothing of each other
ORDER = (
    ("errors", "io", "runs", "profiles", "plots", "imports", "papermill", "repair"),
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
INERT = ("errors", "io", "runs", "profiles")


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
    """The files whose code a step depends on that calls the named modules.

    Some compute nothing: what they give a step stands in its settings and files.
    """
    return [modules()[n] for n in needed(*names) if n not in INERT] + engine(*names)


def engine(*names: str) -> list[Path]:
    """The files of `imageaudit`, where the named modules, or what these import, call it."""
    called = any(n.startswith("imageaudit") for name in needed(*names) for n in imported(name))
    return sorted((PACKAGE.parent / "imageaudit").rglob("*.py")) if called else []


def room(module: str) -> str:
    """The wing that a module stands in, or the module itself where it stands beside the wings."""
    return module.partition(".")[0]
