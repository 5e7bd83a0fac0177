"""Do the tests see? Single changes of the code that numbers depend on, and which of them a test notices.

    python -m benchmarks.robustness.mutations [--count 150] [--seed 0] [--module NAME]

One operator, constant, condition, argument or call is changed at a time, in memory: no file is
touched. Each change runs in a process forked from one that has the libraries loaded, against the
tests of its module alone. What was tried is kept in runs/mutations.jsonl, and is not tried again
while module and tests are the same. Survivors are told apart by benchmarks/robustness/survivors.yaml,
which says why a change is of no matter.
"""

import argparse
import ast
import hashlib
import importlib
import importlib.abc
import importlib.util
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

from benchmarks.robustness import figures
from deepcovid.imports import full_name, modules
from deepcovid.runs import ROOT, RUNS

HERE = Path(__file__).resolve().parent
KEPT, LIMIT = RUNS / "mutations.jsonl", 900  # seconds; a change may make a loop endless
# by what the numbers depend on: the modules, their tests, and how many of 150 changes are theirs
SUBJECTS = {
    "metrics": (("metrics.evaluation", "metrics.intervals", "metrics.run", "metrics.published"),
                ("metrics/test_intervals.py", "metrics/test_evaluation.py", "metrics/test_published.py",
                 "metrics/test_tables.py"), 36),
    "images": (tuple(f"imageaudit.{name}" for name in ("images", "grey", "dicom", "whole")),
               tuple(f"imageaudit/test_{name}.py" for name in ("images", "grey", "dicom", "jpeg", "whole")), 28),
    "manifest": (("data.manifest",), ("data/test_manifest.py",), 22),
    "augmentation": (("data.augmentation",), ("data/test_augmentation.py",), 14),
    "training": (("models.training", "models.fitting"), ("models/test_training.py",), 24),
    "scoring": (("models.scoring",), ("models/test_scoring.py", "models/test_cross_validation.py"), 6),
    "external": (("shortcuts.external",), ("shortcuts/test_external.py",), 20),
}  # fmt: skip
LEFT_OUT = "not real and not densenet121 and not resnet50 and not figures"  # slow, or of no matter
LIBRARIES = ("pytest", "torch", "torchvision.transforms.v2", "sklearn.metrics", "pandas", "scipy.stats",
             "sklearn.model_selection", "matplotlib.pyplot", "seaborn", "pydicom.pixels", "imagehash",
             "captum", "pydantic", "nbformat", "statsmodels.api", "tqdm.auto", "filelock")  # fmt: skip
OTHER = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def variants(node: ast.AST):
    """What a node may become: functions that change it in place."""

    def put(field, value):
        return lambda: setattr(node, field, value)

    if isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER:
        yield put("ops", [OTHER[type(node.ops[0])](), *node.ops[1:]])
    elif isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in OTHER:
        yield put("op", OTHER[type(node.op)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not | ast.Invert):
        # twice turned is not turned
        yield put("operand", ast.UnaryOp(node.op, node.operand))
    elif isinstance(node, ast.IfExp | ast.If):
        yield put("test", ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield put("value", not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield put("value", node.value + 1)
        yield put(
            "value", node.value * 1.1 or 0.1 if isinstance(node.value, float) else node.value - 1
        )
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield put("value", node.value + "?")
    elif isinstance(node, ast.Call):
        for i in range(len(node.keywords)):
            yield put("keywords", node.keywords[:i] + node.keywords[i + 1 :])
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield put("value", ast.Constant(None))


def looked_at(node: ast.AST):
    """The node and what is below it, without docstrings, annotations and the words of errors.

    Names of columns are left out as well: a wrong one is an error wherever it is used.
    """
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list") or isinstance(
            node, ast.Raise | ast.JoinedStr
        ):
            continue
        key = (isinstance(node, ast.Subscript) and name == "slice") or name == "keys"
        for child in value if isinstance(value, list) else [value]:
            of = child.value if isinstance(child, ast.Expr) else child if key else None
            text = isinstance(of, ast.Constant) and isinstance(of.value, str)
            if isinstance(child, ast.AST) and not text:
                yield from looked_at(child)


def changed(source: str, node: int, variant: int) -> tuple[dict, ast.Module]:
    """What a change is, in words, and the module with it."""
    tree = ast.parse(source)
    one = list(looked_at(tree))[node]
    before = ast.unparse(one).partition("\n")[0]
    list(variants(one))[variant]()
    after = ast.unparse(ast.fix_missing_locations(one)).partition("\n")[0]
    line = source.splitlines()[one.lineno - 1].strip()
    return {"line": one.lineno, "text": line, "change": f"{before} -> {after}"}, tree


def drawn(count: int, seed: int, only: str | None) -> list[dict]:
    """A sample of all single changes, of each subject its share; for a seed always the same."""
    shares, found = sum(share for *_, share in SUBJECTS.values()), []
    for subject, (names, _, share) in SUBJECTS.items():
        every = []
        for name in names:
            nodes = looked_at(ast.parse(modules()[full_name(name)].read_text("utf-8")))
            every += [
                (name, i, k) for i, node in enumerate(nodes) for k, _ in enumerate(variants(node))
            ]
        some = random.Random(seed).sample(every, min(len(every), round(count * share / shares)))
        if only in (None, subject):
            found += [{"subject": subject, "module": m, "node": i, "variant": k, "of": len(every)}
                      for m, i, k in some]  # fmt: skip
    random.Random(seed).shuffle(found)  # so that a run that was stopped says something of all
    return found


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module of the package with a change in it; all others as they are."""

    def __init__(self, name: str, tree: ast.Module):
        self.name, self.path = full_name(name), modules()[full_name(name)]
        self.code = compile(tree, str(self.path), "exec")

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self.code, module.__dict__)


def tested(name: str | None, tree: ast.Module | None, tests: tuple[str, ...]) -> str:
    """What tests say of a changed module: `killed`, `survived`, or `late` where they take too long.

    In a forked process: what it imports and does is gone with it.
    """
    child = os.fork()
    if child == 0:
        status = 3
        try:
            os.setpgid(0, 0)
            silence = os.open(os.devnull, os.O_WRONLY)
            for stream in (1, 2):
                os.dup2(silence, stream)
            if tree is not None:
                sys.meta_path.insert(0, Changed(name, tree))
            import pytest

            with tempfile.TemporaryDirectory() as room:
                status = pytest.main([
                    "-x", "-q", "-p", "no:cacheprovider", "--basetemp", f"{room}/t", "-k", LEFT_OUT,
                    *(str(ROOT / "tests" / test) for test in tests),
                ])  # fmt: skip
        finally:
            os._exit(int(status))
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "killed" if os.waitstatus_to_exitcode(status) else "survived"
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "late"


def kept() -> dict[str, str]:
    """What was found before, by what it was found of."""
    lines = KEPT.read_text("utf-8").splitlines() if KEPT.is_file() else []
    return {one["stamp"]: one["found"] for one in map(json.loads, lines)}


def stamp(one: dict, words: dict) -> str:
    """Stands for a change, its module and its tests."""
    sources = [modules()[full_name(one["module"])]]
    for test in SUBJECTS[one["subject"]][1]:
        place = ROOT / "tests" / test
        sources += sorted(place.glob("*.py")) if place.is_dir() else [place]
    text = [path.read_text("utf-8") for path in sources]
    return hashlib.sha256(
        json.dumps([one["node"], one["variant"], words, text]).encode()
    ).hexdigest()


def explained() -> dict[str, dict[str, str]]:
    """By module, then by line and change: why it is of no matter that no test notices."""
    return yaml.safe_load((HERE / "survivors.yaml").read_text("utf-8")) or {}


def run(count: int, seed: int, only: str | None, minutes: float) -> dict:
    """Try a sample, for so many minutes; its figures. Survivors that nobody explained are printed."""
    for library in LIBRARIES:
        importlib.import_module(library)
    known, tried, why, end = kept(), [], explained(), time.monotonic() + 60 * minutes
    KEPT.parent.mkdir(exist_ok=True)
    sample = drawn(count, seed, only)
    for one in sample:
        words, tree = changed(
            modules()[full_name(one["module"])].read_text("utf-8"), one["node"], one["variant"]
        )
        of = stamp(one, words)
        if of not in known:
            if time.monotonic() > end:
                continue
            known[of] = tested(one["module"], tree, SUBJECTS[one["subject"]][1])
            with KEPT.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"stamp": of, "found": known[of]} | one | words) + "\n")
        found = known[of]
        if found == "survived" and f"{words['text']} | {words['change']}" in why.get(
            one["module"], {}
        ):
            found = "explained"
        if found == "survived":
            print(
                f"{one['module']}:{words['line']}: {words['text']} | {words['change']}", flush=True
            )
        tried.append(one["subject"] + " " + found)
    rows = summed(tried, sample)
    for subject, row in rows.items():  # a change that was not noticed shows that its tests pass
        doubtful = (
            subject != "all"
            and time.monotonic() < end
            and row["noticed"]
            and row["noticed"] == row["tried"]
        )
        if doubtful and tested(None, None, SUBJECTS[subject][1]) != "survived":
            sys.exit(f"The tests of {subject} fail without any change: mend them first.")
    return rows


def summed(tried: list[str], sample: list[dict]) -> dict:
    """Figures of a sample, by subject and in all."""
    rows = {}
    for subject in dict.fromkeys(one["subject"] for one in sample):
        found = Counter(word for of, word in map(str.split, tried) if of == subject)
        possible = next(one["of"] for one in sample if one["subject"] == subject)
        rows[subject] = {"possible": possible, "tried": found.total(),
                         "noticed": found["killed"] + found["late"],
                         "explained": found["explained"], "unseen": found["survived"]}  # fmt: skip
    rows["all"] = {key: sum(row[key] for row in rows.values()) for key in next(iter(rows.values()))}
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=240, help="what is not tried then is left")
    parser.add_argument("--module", choices=SUBJECTS, help="of one subject alone; keeps no figures")
    args = parser.parse_args()
    os.nice(4)
    found = run(args.count, args.seed, args.module, args.minutes)
    if not args.module:
        figures.keep("mutations", {"seed": args.seed, "subjects": found})
    print(json.dumps(found, indent=1))
