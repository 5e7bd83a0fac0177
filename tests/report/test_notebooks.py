"""The parts of a notebook: real radiographs, known phantoms, the reader's own run."""

import ast

import nbformat
import pandas as pd
import pytest
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from deepcovid import runs
from deepcovid.metrics import tables
from deepcovid.runs import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("0[1-8]_*.ipynb"))
REAL, KNOWN, RUN = "■ Real radiographs", "▲ Phantoms whose truth is known", "▶ This run"
named = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4).cells


def parts(path) -> dict[str, str]:
    """The sections of a notebook by heading, with the words right under each."""
    text = "\n\n".join(cell.source for cell in read(path) if cell.cell_type == "markdown")
    sections = [section.partition("\n\n") for section in ("\n\n" + text).split("\n\n## ")[1:]]
    return {heading: rest.partition("\n\n")[0] for heading, _, rest in sections}


@named
def test_real_comes_before_drawn_and_the_readers_own_run_last(path):
    found = [*parts(path)]
    assert found in ([REAL, RUN, "Answer"], [REAL, KNOWN, RUN, "Answer"])
    cells = read(path)  # the question, the parameters: then the real finding, on the first screen
    assert cells[2].source.startswith(f"## {REAL}") and cells[3].cell_type == "code"


def test_the_parts_are_told_in_the_same_words_everywhere():
    for name in (REAL, KNOWN, RUN):
        told = {found[name] for found in map(parts, NOTEBOOKS) if name in found}
        assert len(told) == 1 and told.pop().startswith("> ")
    style = (ROOT / "docs" / "site.css").read_text()
    for name in (REAL, KNOWN, RUN):  # as the site marks them
        assert f"section#{name[2:].lower().replace(' ', '-')} {{" in style


@pytest.mark.slow
@named
@pytest.mark.parametrize("there", [True, False], ids=["committed", "nothing committed"])
def test_the_real_part_needs_no_run_and_says_what_is_not_there(path, there, tmp_path, monkeypatch):
    if not there:
        for module in (runs, tables):
            monkeypatch.setattr(module, "RESULTS", tmp_path)
    said, scope = [], {"display": display, "profile": "demo", "overrides": {}}
    for cell in read(path):
        if cell.source.startswith((f"## {KNOWN}", f"## {RUN}")):
            break
        if cell.cell_type == "code" and (body := ast.parse(cell.source).body):
            shown = isinstance(body[-1], ast.Expr) and ast.Expression(body.pop().value)
            exec(compile(ast.Module(body, []), path.stem, "exec"), scope)
            said.append(shown and eval(compile(shown, path.stem, "eval"), scope))
    assert sum(isinstance(thing, Figure | pd.DataFrame) for thing in said) >= 2 * there
    told = " ".join(thing.data for thing in said if isinstance(thing, Markdown))
    assert there or "not here" in told.lower()
