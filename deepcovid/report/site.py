"""A run as pages in a browser that read offline: what it was, and its executed notebooks."""

import html
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

from deepcovid.models.opened import Run
from deepcovid.profiles import Profile
from deepcovid.report import about, cards, provenance
from deepcovid.runs import write_text

# scripts that nbconvert would link from the internet: a page must read offline
OFFLINE = dict.fromkeys(("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url"), "")

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>deepcovid: {name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; font-size: 14px; display: block; overflow-x: auto }}
th, td {{ padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #ddd }}
.notice {{ color: #8a1c1c }}
</style></head><body>
{about}
<h2>Notebooks, as executed</h2>
<ul>
{links}
</ul></body></html>
"""


def pages(profile: Profile) -> Path:
    """Write `run.json`, the model cards, each executed notebook as a page, and an index of all."""
    opened = Run(profile)
    made = provenance.write(opened)
    cards.cards(opened, made)
    exporter = HTMLExporter(embed_images=True, **OFFLINE)
    links = []
    for path in executed(profile):
        notebook = nbformat.read(path, as_version=4)
        body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
        write_text(path.with_suffix(".html"), body)
        name = html.escape(f"{path.stem}: {title(notebook)}")
        links.append(f'<li><a href="notebooks/{path.stem}.html">{name}</a></li>')
    told = about.about(opened, made)
    page = PAGE.format(name=html.escape(profile.name), about=told, links="\n".join(links))
    return write_text(profile.folder / "index.html", page)


def title(notebook) -> str:
    """The first heading of a notebook."""
    lines = (line for cell in notebook.cells for line in cell.source.splitlines())
    return next((line.lstrip("# ") for line in lines if line.startswith("# ")), "")


def executed(profile: Profile) -> list[Path]:
    """The executed notebooks of a run's models and seeds, in reading order."""
    folder = profile.folder / "notebooks"
    wanted = {
        f"03_training-{model}-seed{seed}" for model in profile.models for seed in profile.seeds
    }
    return [p for p in sorted(folder.glob("*.ipynb")) if "-seed" not in p.stem or p.stem in wanted]
