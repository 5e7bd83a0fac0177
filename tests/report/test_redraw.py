"""The published plots are those of the published tables."""

import io

import pytest

from deepcovid.report import redraw
from deepcovid.runs import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("folder", redraw.folders(), ids=lambda path: str(path.relative_to(ROOT)))
def test_published_plots_are_those_of_the_tables_beside_them(folder):
    """`./run_all.sh redraw` draws them anew."""
    there = {path.stem for path in (folder / "figures").glob("*.svg")}
    made = {}
    for name, figure in redraw.drawn(folder):
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
        made[name] = file.getvalue()
        assert (folder / "figures" / f"{name}.svg").read_bytes() == made[name], name
    assert there == set(made)
