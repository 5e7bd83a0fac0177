"""The committed notebooks: executed in place; and as the site shows them, code folded, pictures told in words."""

import os
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from deepcovid.runs import ROOT, UserError, write_text
from deepcovid.study import REFRESHED

MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*`|]+|<[^>]+>")
CAPTION = re.compile(r"\*\*((?:Figure|Table) .*?)(?:\n\n|\Z)", re.DOTALL)
BETWEEN = re.compile(r"(?<=[\d%]) to (?=-?\d)")  # the ends of an interval


def refresh(*names: str) -> None:
    """Execute the named notebooks, or all: no progress bars, no times, no widgets' states.

    The plots that they save are written to `results/figures/`.
    """
    os.environ[REFRESHED] = "yes"
    there = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    if absent := [name for name in names if name not in there]:
        raise UserError(f"There is no notebook {', '.join(absent)}. There are: {', '.join(there)}.")
    for path in [there[name] for name in names] or there.values():
        notebook = nbformat.read(path, as_version=4)
        where = {"metadata": {"path": path.parent}}
        client = NotebookClient(notebook, timeout=None, record_timing=False, resources=where)
        try:
            client.execute()
        except CellExecutionError as error:
            cause = f"{error.ename}: {error.evalue}"
            raise UserError(f"notebooks/{path.name} stops at a cell that fails. {cause}") from error
        still(notebook)
        notebook.metadata.language_info = {"name": "python"}
        write_text(path, nbformat.writes(notebook) + "\n")


def page(path: Path) -> nbformat.NotebookNode:
    """An executed notebook for readers; the file stays as it is.

    A figure's words are its caption, which stands above its cell.
    """
    notebook = nbformat.read(path, as_version=4)
    still(notebook)
    above = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            above = cell.source
            continue
        cell.metadata["tags"] = [*cell.metadata.get("tags", ()), "hide-input"]
        alt = caption(above) or f"a figure of notebook {path.stem}"
        cell.metadata["mystnb"] = {"image": {"alt": alt}}
        # an interval in a table's cell that is broken takes three lines
        for output in cell.outputs:
            if html := output.get("data", {}).get("text/html"):
                output.data["text/html"] = BETWEEN.sub("&nbsp;to&nbsp;", html)
    return notebook


def still(notebook) -> None:
    """Leave of what moves its picture, and nothing of progress bars, warnings and silence."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for output in cell.outputs:
                if "image/png" in (data := output.get("data", {})):
                    for kind in [kind for kind in data if "widget" in kind]:
                        del data[kind]
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"
                            and not any("widget" in kind for kind in output.get("data", {}))]  # fmt: skip
    notebook.metadata.pop("widgets", None)


def caption(text: str) -> str:
    """The caption `**Figure 1. ...` or `**Table 1. ...` in a text, plain; empty where none is."""
    found = CAPTION.search(text)
    return " ".join(MARKUP.sub(r"\1", found[1]).split()) if found else ""
