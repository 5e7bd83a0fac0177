"""TODO: what report/site is."""

import html
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

from deepcovid.metrics.tables import metrics_table
from deepcovid.profiles import Profile
from deepcovid.report.cards import cards
from deepcovid.report.publish import provenance
from deepcovid.runs import NOTICE, write_json, write_text

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
<h1>deepcovid: run <code>{name}</code></h1>
<p class="notice">{notice}</p>
{warning}
<h2>Test results</h2>
{metrics}
<p>Intervals are 95%. All columns: <a href="metrics.csv">metrics.csv</a>; how the run was made:
<a href="run.json">run.json</a>.</p>
<h2>Notebooks, as executed</h2>
<ul>
{links}
</ul></body></html>
"""


def title(notebook) -> str:
    """The first heading of a notebook."""
    lines = (line for cell in notebook.cells for line in cell.source.splitlines())
    return next((line.lstrip("# ") for line in lines if line.startswith("# ")), "")


def pages(profile: Profile) -> Path:
    """Write each executed notebook of a run as a page, `run.json`, and an index of all."""
    folder = profile.folder
    made_from = provenance(profile)
    write_json(folder / "run.json", made_from)
    cards(profile, made_from)
    exporter = HTMLExporter(embed_images=True, **OFFLINE)
    links = []
    for path in executed(profile):
        notebook = nbformat.read(path, as_version=4)
        body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
        write_text(path.with_suffix(".html"), body)
        name = html.escape(f"{path.stem}: {title(notebook)}")
        links.append(f'<li><a href="notebooks/{path.stem}.html">{name}</a></li>')
    warning = ""
    if profile.data == "phantom":
        warning = "<p>The images of this run are drawn, not taken: its numbers say nothing of COVID-19.</p>"
    return write_text(
        folder / "index.html",
        PAGE.format(
            name=html.escape(profile.name),
            notice=NOTICE,
            warning=warning,
            links="\n".join(links),
            metrics=metrics_table(folder / "metrics.csv").to_html(index=False, border=0),
        ),
    )


def executed(profile: Profile) -> list[Path]:
    """The executed notebooks of a run's models and seeds, in reading order."""
    folder = profile.folder / "notebooks"
    wanted = {
        f"03_training-{model}-seed{seed}" for model in profile.models for seed in profile.seeds
    }
    return [p for p in sorted(folder.glob("*.ipynb")) if "-seed" not in p.stem or p.stem in wanted]
