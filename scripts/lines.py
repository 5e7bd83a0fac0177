"""How large the packages are: `python scripts/lines.py [REVISION]`.

Lines of code (no docstrings, comments, blanks) and modules of each wing, the longest function, and
modules that import each other in a circle. With a git revision, each number beside that of then.
"""

import ast
import subprocess
import sys
import tokenize
from collections import defaultdict
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("deepcovid", "imageaudit")
NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
           tokenize.ENCODING, tokenize.ENDMARKER)  # fmt: skip


def sources(revision: str | None = None) -> dict[str, str]:
    """The text of every module by its path: `deepcovid/data/images.py`."""
    if revision is None:
        paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
        return {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in sorted(paths)}

    def git(*words):
        return subprocess.run(
            ["git", "-C", ROOT, *words], capture_output=True, text=True, check=True
        ).stdout

    names = git("ls-tree", "-r", "--name-only", revision, *PACKAGES).splitlines()
    return {name: git("show", f"{revision}:{name}") for name in names if name.endswith(".py")}


def lines_of_code(text: str) -> int:
    lines = set()
    for token in tokenize.generate_tokens(StringIO(text).readline):
        if token.type not in NO_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, node.end_lineno + 1))  # a docstring
    return len(lines)


def wing(name: str) -> str:
    parts = name.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def longest_function(texts: dict[str, str]) -> tuple[int, str]:
    found = [(0, "none")]
    for name, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.append((node.end_lineno - node.lineno + 1, f"{name}: {node.name}"))
    return max(found)


def imported(text: str) -> set[str]:
    """Full names of what a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def circles(texts: dict[str, str]) -> list[str]:
    """Pairs of modules that need each other, directly or through others."""
    path_of = {name.removesuffix(".py").replace("/", "."): name for name in texts}
    uses = {
        module: {other for other in imported(texts[name]) if other in path_of} - {module}
        for module, name in path_of.items()
    }

    def reached(start: str) -> set[str]:
        found, waiting = set(), list(uses[start])
        while waiting:
            if (module := waiting.pop()) not in found:
                found.add(module)
                waiting += uses[module]
        return found

    all_reached = {module: reached(module) for module in uses}
    return sorted(
        f"{a} and {b}" for a in uses for b in all_reached[a] if a < b and a in all_reached[b]
    )


def table(texts: dict[str, str]) -> dict[str, tuple[int, int]]:
    """Lines and modules of each wing, and of each package as a whole."""
    found = defaultdict(lambda: (0, 0))
    for name, text in texts.items():
        for key in {wing(name), f"all of {name.split('/')[0]}"}:
            lines, modules = found[key]
            found[key] = lines + lines_of_code(text), modules + 1
    return dict(sorted(found.items(), key=lambda item: (item[0].startswith("all"), item[0])))


def main(revision: str | None = None) -> None:
    texts, now = sources(), table(sources())
    then = table(sources(revision)) if revision else {}
    print(f"{'wing':24} {'lines':>7} {'modules':>7}" + f"   at {revision}" * bool(revision))
    for key in {**now, **then}:
        row = f"{key:24} {now.get(key, (0, 0))[0]:7,} {now.get(key, (0, 0))[1]:7}"
        print(row + ("{:9,} {:4}".format(*then.get(key, (0, 0))) if revision else ""))
    print("longest function: {1}, {0} lines".format(*longest_function(texts)))
    print("circles:", "; ".join(circles(texts)) or "none")


if __name__ == "__main__":
    main(*sys.argv[1:])
