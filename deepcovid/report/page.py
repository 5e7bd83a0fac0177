"""A notebook as the site shows it: its code folded, each of its pictures told in words as well."""

import copy
import re
from pathlib import Path

import nbformat

HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*`|]+|<[^>]+>")
BETWEEN = re.compile(r"(?<=[\d%]) to (?=-?\d)")  # the ends of an interval


def page(path: Path) -> nbformat.NotebookNode:
    """A copy of an executed notebook for readers; the file stays as it is.

    One of several models is named in its title.
    """
    notebook = copy.deepcopy(nbformat.read(path, as_version=4))
    still(notebook)
    first, _, of = path.stem.partition("-")
    if of:
        model, _, seed = of.rpartition("-seed")
        cell = notebook.cells[0]
        cell.source = HEADING.sub(rf"# \1: {model}, seed {seed}", cell.source, count=1)
    section = title(notebook)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            section = [section, *HEADING.findall(cell.source)][-1]
            continue
        cell.metadata["tags"] = [*cell.metadata.get("tags", ()), "hide-input"]
        above = [numbered(cell.source) for cell in notebook.cells[number - 1 : number]]
        below = caption(notebook.cells[number + 1 :])
        said = "".join(above) or below or f"a figure of notebook {first}"
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
            cell.outputs = [o for o in cell.outputs if not (is_progress(o) or says_nothing(o))]
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


def says_nothing(output) -> bool:
    """Is it Markdown without a word? A page would show the name of its object."""
    return output.get("data", {}).get("text/markdown") == ""


def title(notebook) -> str:
    """The first heading of a notebook."""
    found = (HEADING.search(cell.source) for cell in notebook.cells)
    return next((heading[1] for heading in found if heading), "")


def numbered(text: str) -> str:
    """The caption `**Figure 1. ...` or `**Table 1. ...` in a text, plain; nothing where none is."""
    _, begin, rest = (
        text.partition("**Figure ") if "**Figure " in text else text.partition("**Table ")
    )
    return plain((begin + rest).partition("\n\n")[0])


def caption(following) -> str:
    """What the next words after a cell say, up to the next heading: the caption of its figures."""
    for cell in following:
        if cell.cell_type == "markdown":
            words, *_ = re.split(r"\n\n|^---|^#", cell.source.strip(), flags=re.MULTILINE)
            return plain(words)
    return ""


def plain(words: str) -> str:
    return " ".join(MARKUP.sub(r"\1", words).split())
