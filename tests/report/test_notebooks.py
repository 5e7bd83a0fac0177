"""What a notebook is made of: one that reads a study, and the older ones that tell of a run."""

import ast
import re
from itertools import pairwise

import nbformat
import pandas as pd
import pytest
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from deepcovid import runs
from deepcovid.metrics import tables
from deepcovid.runs import ROOT

STUDY = 'study = "results"\noverrides = {}'
EVERY = sorted((ROOT / "notebooks").glob("0*.ipynb"))
OF_STUDY = [path for path in EVERY if 'study = \\"results\\"' in path.read_text()]
NOTEBOOKS = [path for path in EVERY if path not in OF_STUDY and not path.stem.startswith("00")]
REAL, KNOWN, RUN = "■ Real radiographs", "▲ Phantoms whose truth is known", "▶ This run"
named = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4).cells


@pytest.mark.parametrize("path", OF_STUDY, ids=lambda path: path.stem)
class TestNotebookOfAStudy:
    def test_it_is_short_and_reads_a_study_in_its_third_cell(self, path):
        cells = read(path)
        assert len(cells) <= 30
        assert cells[1].source == STUDY and cells[1].metadata.tags == ["parameters"]
        assert "from deepcovid.study import Study" in cells[2].source
        assert "here = Study(study, overrides)" in cells[2].source
        words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
        assert words <= 1000, "more than ten minutes of reading"

    def test_its_code_is_short_and_shows_what_the_package_makes(self, path):
        for cell in read(path)[2:]:
            if cell.cell_type == "code":
                assert len(cell.source.splitlines()) <= 8, cell.source
                tree = ast.parse(cell.source)
                kinds = (ast.FunctionDef, ast.ClassDef, ast.Lambda)
                assert not any(isinstance(node, kinds) for node in ast.walk(tree)), cell.source
                assert "Markdown(" not in cell.source, "prose stands in the notebook"
                assert not any(output.output_type == "error" for output in cell.outputs)

    def test_each_figure_and_table_has_a_number_and_a_caption_above_it(self, path):
        cells, seen = read(path), {"Figure": 0, "Table": 0}
        for above, cell in pairwise(cells[2:]):
            if cell.cell_type == "code":
                assert above.cell_type == "markdown", cell.source
                kind, number = re.search(r"\*\*(Figure|Table) (\d+)\. ", above.source).groups()
                seen[kind] += 1
                assert int(number) == seen[kind]
        assert sum(seen.values()) >= 3

    def test_each_section_stands_there_once_and_no_measured_number_is_typed(self, path):
        text = "\n\n".join(cell.source for cell in read(path) if cell.cell_type == "markdown")
        headings = re.findall(r"^#+ .*$", text, re.MULTILINE)
        assert len(headings) == len(set(headings)) and headings[-1] == "## Answer"
        typed = re.findall(r"\b0\.\d{3,}|\d%|\d,\d{3}", re.sub(r"doi\S* \S+|95%", "", text))
        assert not typed, typed


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
