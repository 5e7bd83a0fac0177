"""Which module imports which, read from the code: what each step of the workflow depends on."""

import ast
from functools import cache
from pathlib import Path

from deepcovid.io import code_digest

PACKAGE = Path(__file__).resolve().parent
ENGINE = PACKAGE.parent / "imageaudit"
BESIDE = ("io", "runs", "profiles", "plots", "imports", "papermill", "repair")
INERT = ("io", "runs", "profiles", "imageaudit.errors", "imageaudit.io")


@cache
def modules() -> dict[str, Path]:
    """All modules by their names within the package, `data.manifest`, `runs`, ..., and those of the
    package beside it by their full names, `imageaudit.images`, ..."""
    found = {}
    for path in [*sorted(PACKAGE.rglob("*.py")), *sorted(ENGINE.glob("*.py"))]:
        below = PACKAGE.parent if path.parent == ENGINE else PACKAGE
        parts = path.relative_to(below).with_suffix("").parts
        if parts[-1] != "__init__":
            found[".".join(parts)] = path
    return found


def full_name(module: str) -> str:
    """The name by which Python imports one of `modules`."""
    return module if module.startswith("imageaudit.") else f"{PACKAGE.name}.{module}"


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
    """Those of `modules` that a module imports itself."""
    names = {full_name(name): name for name in modules()}
    return frozenset(names[name] for name in imported(module) if name in names)


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
    return [modules()[n] for n in needed(*names) if n not in INERT]


def code(*names: str) -> str:
    """Stands for the code of modules (`imageaudit.images`) and of all in the wings that they import."""
    needed_ones = [n for n in needed(*names) if n not in (*BESIDE, *INERT)]
    return code_digest(*(modules()[name] for name in needed_ones))


def room(module: str) -> str:
    """The wing that a module stands in, or the module itself where it stands beside the wings."""
    return module.partition(".")[0]
