"""A notebook as the site shows it: its code folded, each of its pictures told in words as well."""

import copy
import re
from pathlib import Path

import nbformat

HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*`|]+|<[^>]+>")
CAPTION = re.compile(r"\*\*((?:Figure|Table) .*?)(?:\n\n|\Z)", re.DOTALL)
BETWEEN = re.compile(r"(?<=[\d%]) to (?=-?\d)")  # the ends of an interval


def page(path: Path) -> nbformat.NotebookNode:
    """A copy of an executed notebook for readers; the file stays as it is.

    A figure's words are its caption, which stands above its cell.
    """
    notebook = copy.deepcopy(nbformat.read(path, as_version=4))
    still(notebook)
    section = above = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            section, above = [section, *HEADING.findall(cell.source)][-1], cell.source
            continue
        cell.metadata["tags"] = [*cell.metadata.get("tags", ()), "hide-input"]
        said = caption(above) or f"a figure of notebook {path.stem}"
        unbroken(cell)
        cell.metadata["mystnb"] = {"image": {"alt": f"{section}: {said}"}}
    return notebook


def still(notebook) -> None:
    """Leave of what moves its picture, and nothing of progress bars, warnings and silence."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for output in cell.outputs:
                moving = [kind for kind in output.get("data", {}) if "widget" in kind]
                if moving and "image/png" in output.data:
                    for kind in moving:
                        del output.data[kind]
            cell.outputs = [o for o in cell.outputs if not is_progress(o)]
    notebook.metadata.pop("widgets", None)


def unbroken(cell) -> None:
    """Keep each interval of a cell's tables in one line: broken, it takes three."""
    for output in cell.outputs:
        if "text/html" in output.get("data", {}):
            html = output.data["text/html"]
            output.data["text/html"] = BETWEEN.sub("&nbsp;to&nbsp;", html)


def is_progress(output) -> bool:
    kinds = output.get("data", {})
    return output.get("name") == "stderr" or any("widget" in kind for kind in kinds)


def caption(text: str) -> str:
    """The caption `**Figure 1. ...` or `**Table 1. ...` in a text, plain; empty where none is."""
    found = CAPTION.search(text)
    return " ".join(MARKUP.sub(r"\1", found[1]).split()) if found else ""
