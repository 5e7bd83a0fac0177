"""JupyterLab as a user starts it."""

import os
import re
import subprocess
import sys

import pytest
from browser import chromium, needs_chromium

from deepcovid.runs import ROOT

# JupyterLab's own object of the notebook that is open, once it can be run
OPEN = "window.jupyterapp.shell.currentWidget"
READY = f"""name => window.jupyterapp && {OPEN}?.context?.path.endsWith(name)
    && {OPEN}.context.isReady && {OPEN}.sessionContext?.session?.kernel?.status == 'idle'"""
RUN = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
# the first cell that ends in what can be played with is scrolled to
PLAY = f"""() => {{
    const book = {OPEN}.content;
    book.scrollToItem(book.widgets.findIndex(cell => cell.model.sharedModel.source.startsWith('play.')));
}}"""
CELLS = f"() => [...{OPEN}.content.model.cells].map(cell => cell.toJSON())"


@pytest.fixture
def started(tmp_path):
    """JupyterLab, started by the command; its address. It ends with the test."""
    (tmp_path / "jupyter_lab_config.py").write_text("c.LabApp.expose_app_in_browser = True\n")
    command = [sys.executable, "-m", "deepcovid", "lab", "--no-browser"]
    own = {"JUPYTER_CONFIG_DIR": tmp_path, "JUPYTERLAB_WORKSPACES_DIR": tmp_path / "workspaces"}
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {name: str(place) for name, place in own.items()},
    )  # fmt: skip
    said = iter(process.stdout.readline, "")
    found = (re.search(r"http://127\.0\.0\.1:\d+/lab\S+token=\S+", line) for line in said)
    yield next(address[0] for address in found if address)
    process.terminate()
    process.communicate(timeout=30)


@pytest.mark.slow
@needs_chromium
def test_notebook_04_runs_in_jupyterlab_without_an_error(started):
    """It opens at the overview, runs all of notebook 04, and leaves the file as it was."""
    path = ROOT / "notebooks" / "04_evaluation.ipynb"
    before = path.read_bytes()
    with chromium() as (page, wrong):
        page.set_default_timeout(80_000)
        page.goto(started)
        page.get_by_role("heading", name="Deep-COVID, reproduced").wait_for()
        page.goto(started.replace("00_overview", path.stem))
        page.wait_for_function(READY, arg=path.name)
        assert page.evaluate(RUN)
        cells = [cell for cell in page.evaluate(CELLS) if cell["cell_type"] == "code"]
        page.evaluate(PLAY)
        told = page.locator(".widget-html-content", has_text="are found").first
        before_it_moves = told.inner_text()
        page.locator(".widget-slider .noUi-handle").first.press("ArrowRight")
        page.wait_for_function(
            "([e, told]) => e.innerText != told", arg=[told.element_handle(), before_it_moves]
        )
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3
    assert not [told for told in wrong if told.startswith("asked")]
    assert path.read_bytes() == before
