"""What a notebook is made of."""

import ast
import re
from itertools import pairwise

import nbformat
import pytest

from deepcovid.plots import save
from deepcovid.runs import RESULTS, ROOT
from deepcovid.study import Study

STUDY = 'study = "results"\noverrides = {}'
EVERY = sorted((ROOT / "notebooks").glob("0*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4).cells


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
class TestNotebookOfAStudy:
    def test_it_is_short_and_reads_a_study_in_its_third_cell(self, path):
        cells = read(path)
        assert len(cells) <= 30
        assert cells[0].source.startswith("# ") and "?" in cells[0].source
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
        # the paper's claim, the level of intervals, the earlier attempt's numbers, sizes of the test set
        given = r"doi\S* \S+|9[058]%|96\.77%|\b0\.715\b|3,[01]00|outer 5%"
        typed = re.findall(r"\b0\.\d{3,}|\d%|\d,\d{3}", re.sub(given, "", text))
        assert not typed, typed


@pytest.mark.slow
def test_the_published_plots_are_those_of_the_notebooks(tmp_path, monkeypatch):
    """`./run_all.sh notebooks` draws them anew."""
    monkeypatch.setattr(Study, "save", lambda _, figure, name: save(figure, tmp_path / name))
    for path in EVERY:
        cells = [cell.source for cell in read(path) if cell.cell_type == "code"]
        if any("here.save(" in source for source in cells):
            exec("\n".join(cells), {"__name__": "__main__"})
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in (RESULTS / "figures").iterdir()}
