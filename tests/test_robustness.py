"""The long run's tools do what they say, and its document says what it found."""

import ast
import sys

import pytest

from benchmarks.robustness import __main__ as long_run
from benchmarks.robustness import figures, kills, mutations, tiny
from deepcovid import imports

SOURCE = (
    "def f(a, b=2):\n    if a < b and not b:\n        return [a - 1, 'word']\n    g(a, key=True)\n"
)


def test_the_document_shows_the_figures_of_the_last_long_run():
    """`./run_tests.sh --slow show` writes them anew."""
    text = long_run.PAGE.read_text()
    table = text.partition(long_run.START)[2].partition(long_run.END)[0]
    assert table == long_run.told(figures.kept())
    assert table.count("\n") > 8


def test_every_fault_of_the_last_long_run_was_mended():
    found = figures.kept()
    assert found["damage"]["faults"] == found["fuzz"]["faults"] == []
    assert set(found["fuzz"]["cut"]) <= {"refused", "whole all the same"}
    for name in ("a training on images", "the notebooks"):
        assert found["kills"][name]["runs"] == found["kills"][name]["the same bytes"] > 0
    assert found["same"]["the same bytes"] and all(found["same"]["the same bytes"].values())


@pytest.mark.parametrize("kind", ["command", pytest.param("computation", marks=pytest.mark.slow)])
def test_what_is_killed_and_what_fails_is_told_from_what_ends(tmp_path, kind):
    python = [sys.executable, "-c"]
    ends, fails = [*python, ""], [*python, "1 / nothing"]
    lasts = [*python, "import time; time.sleep(60)"]
    if kind == "computation":
        ends, fails = tiny.overrides(tiny.draw(tmp_path), epochs=1), {"nothing": 1}
        lasts = ends
    given = tmp_path / "runs", tmp_path / "log"
    assert kills.one(ends, *given, None)
    assert not kills.one(lasts, *given, -1)
    with pytest.raises(RuntimeError, match="nothing"):
        kills.one(fails, *given, None)


def test_single_changes_are_all_there_and_each_is_one():
    nodes = list(mutations.looked_at(ast.parse(SOURCE)))
    found = [
        mutations.changed(SOURCE, i, k)[0]["change"]
        for i, node in enumerate(nodes)
        for k, _ in enumerate(mutations.variants(node))
    ]
    for change in (
        "a < b -> a <= b",
        "a < b and (not b) -> a < b or not b",
        "not b -> not not b",
        "a - 1 -> a + 1",
        "1 -> 2",
        "'word' -> 'word?'",
        "g(a, key=True) -> g(a)",
        "True -> False",
        "g(a, key=True) -> None",
    ):
        assert change in found, (change, found)
    sources = {ast.unparse(mutations.changed(SOURCE, i, k)[1]) for i, node in enumerate(nodes)
               for k, _ in enumerate(mutations.variants(node))}  # fmt: skip
    assert len(sources) == len(found) and ast.unparse(ast.parse(SOURCE)) not in sources


def test_survivors_that_are_explained_are_changes_of_lines_that_are_there():
    for module, known in mutations.explained().items():
        lines = [
            line.strip()
            for line in imports.modules()[imports.full_name(module)].read_text().splitlines()
        ]
        for change, why in known.items():
            assert change.partition(" | ")[0] in lines and why, (module, change)
