"""Which module imports which, read from the code: what each step of the workflow depends on."""

import ast
import json
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

from deepcovid.io import code_digest

ROOT = Path(__file__).resolve().parent.parent
# compute nothing: what they give a step stands in its settings and files
INERT = ("deepcovid.io", "deepcovid.runs", "deepcovid.profiles", "deepcovid.imports",
         "imageaudit.errors", "imageaudit.io")  # fmt: skip


@cache
def modules() -> dict[str, Path]:
    """All modules of both packages by their full names, `deepcovid.data.manifest`, and their files."""
    paths = [p for name in ("deepcovid", "imageaudit") for p in sorted((ROOT / name).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path
            for path in paths if path.name != "__init__.py"}  # fmt: skip


def full_name(name: str) -> str:
    """The name in `modules` of a module, which may be told without `deepcovid.`: `data.manifest`."""
    return name if name in modules() else f"deepcovid.{name}"


def imported(module: str) -> frozenset[str]:
    """Full names of what a module imports, wherever in it: `torch`, `deepcovid.runs.UserError`."""
    return named(modules()[module])


@cache
def named(file: Path) -> frozenset[str]:
    """Full names of what a module, a script or a notebook imports."""
    text, names = file.read_text(encoding="utf-8"), set()
    cells = json.loads(text)["cells"] if file.suffix == ".ipynb" else [{"source": text}]
    for cell in cells:
        with suppress(SyntaxError):  # text, or a cell in another language
            for node in ast.walk(ast.parse(re.sub("(?m)^[%!].*", "", "".join(cell["source"])))):
                if isinstance(node, ast.ImportFrom) and node.module:
                    names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
                elif isinstance(node, ast.Import):
                    names |= {alias.name for alias in node.names}
    return frozenset(names)


def files_of(file: Path) -> list[Path]:
    """The files that a script or a notebook depends on beside itself: see `files`."""
    return files(*named(file) & modules().keys())


def needed(*names: str) -> list[str]:
    """The named modules and all of `modules` that these import, directly or not, by their names."""
    found, waiting = set(), {*names}
    while waiting:
        found |= waiting
        waiting = {other for name in waiting for other in imported(name) & modules().keys()} - found
    return sorted(found)


def files(*names: str) -> list[Path]:
    """The files that a step depends on which calls the named modules: code, and data beside it."""
    found = [modules()[n] for n in needed(*map(full_name, names)) if n not in INERT]
    return found + sorted({path for module in found for path in data_of(module)})


@cache
def data_of(module: Path) -> list[Path]:
    """The files beside a module that it names, or that are called as it is."""
    text = module.read_text(encoding="utf-8")
    beside = [p for p in module.parent.iterdir() if p.is_file() and not p.suffix.startswith(".py")]
    return [path for path in beside if path.name in text or path.stem == module.stem]


def code(*names: str) -> str:
    """Stands for the code of the named modules and of all that they import."""
    return code_digest(*(path for path in files(*names) if path.suffix == ".py"))
