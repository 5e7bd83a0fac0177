"""The study's site, and a run's: documents and notebooks as pages, by Sphinx. Both read offline.

Pages are made of a folder that mirrors the repository: a link from one document to another holds
on the site as it does in the repository.
"""

import contextlib
import html
import io
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pandas as pd

from deepcovid import imports, runs
from deepcovid.io import atomic_folder, read_json, read_table
from deepcovid.metrics.tables import metrics_table
from deepcovid.models.run import Run
from deepcovid.profiles import Profile
from deepcovid.report import article
from deepcovid.report.notebooks import page
from deepcovid.runs import NOTICE, ROOT, UserError, escape_control_chars, write_text
from deepcovid.shortcuts import tables as shortcuts_tables

# documents, and the files that they link to
SOURCES = ("docs", "results", "profiles", "deepcovid/metrics/published.csv", "CONTRIBUTING.md",
           "CHANGELOG.md", "CITATION.cff")  # fmt: skip
MODULE = """
## {name}

```{{eval-rst}}
.. automodule:: {module}
   :members:
```
"""
DONE = ["docs/method", "docs/not_shown", "docs/related", "docs/sources", "docs/glossary",
        "docs/data", "docs/checklist", "results/README", "results/radiographs/README", "cards"]  # fmt: skip
CARDS = """# Model cards

What each trained model is, how it does, and what it is not for. The dataset has
[a card of its own](docs/data.md#dataset-card-covid-xray-5k).
"""
ARTICLE = "\n[The study as an article](article/article.pdf), a PDF.\n"
ADDRESS = re.compile(r'\b(href|src|action|data-content_root)="(?!#|[a-z]+:)')  # a relative one
FIGURES = {
    "roc": "ROC curves on the test images, a colour for each model",
    "operating_points": "Sensitivity and specificity by the images that the threshold was chosen on",
}
FIRST = """# Run <code>{name}</code>

**{notice}**{drawn} Images of <code>{data}</code>; how each model was trained is in its card below.

## On the test images

{metrics}

Intervals are 95%. All columns: <a href="../metrics.csv">metrics.csv</a>; all settings, versions and
hashes: <a href="../run.json">run.json</a>.

{figures}
{external}
## Notebooks, as executed
"""
EXTERNAL = """
## External images

{table}

At the thresholds frozen on this run's validation images; images that are also in its data are left
out. Intervals count patients; over several seeds, the widest.
"""
DRAWN = " The images of this run are drawn, not taken: its numbers say nothing of COVID-19."


def build(target: Path | None = None) -> Path:
    """Build the study's site from the committed notebooks and results; its first page.

    `target` (default: `runs/site`) is replaced as a whole. Raises UserError where it holds
    anything but a site.
    """
    target = Path(target or runs.RUNS / "site").absolute()
    if target.exists() and not (target / "searchindex.js").is_file() and any(target.iterdir()):
        raise UserError(f"{target} holds other files, and a site replaces all: name a new folder.")
    with sources(sorted((ROOT / "notebooks").glob("*.ipynb"))) as folder:
        api(folder / "api")
        article.build(folder / "article" / "article.pdf")
        text = (ROOT / "README.md").read_text(encoding="utf-8") + ARTICLE
        for caption, entries in {
            "Findings": ["docs/findings"],
            "Notebooks": ["notebooks/*"],
            "How it was done": DONE,
            "Use it": [*use(folder), "api/index"],
        }.items():
            text += toctree(entries, f":caption: {caption}", ":hidden:")
        documents(folder, text)
        make(folder, target)
    return target / "index.html"


def pages(profile: Profile, place: Path | None = None) -> Path:
    """Write a run's site, of its model cards and notebooks: the run itself first.

    The site is in `pages/` of `place`, the run's folder or that of its study, where the notebooks
    are; its first page is once more in `index.html`.
    """
    run, place = Run(profile), place or profile.folder
    made = read_json(run.folder / "run.json")
    notebooks = executed(place)
    with sources(notebooks) as folder:
        for model in profile.models:
            card = (run.folder / model / "card.md").read_text(encoding="utf-8")
            write_text(folder / "models" / f"{model}.md", card)
        (folder / "figures").mkdir()
        for path in figures(place):
            shutil.copy(path, folder / "figures")
        text = first_page(run, made, place)
        text += toctree([f"notebooks/{path.stem}" for path in notebooks], ":caption: Notebooks")
        for caption, entries in {
            "This run's model cards": ["models/*"],
            "The study": ["docs/findings", *DONE],
            "Use it": use(folder),
        }.items():
            text += toctree(entries, f":caption: {caption}", ":hidden:")
        documents(folder, text)
        make(folder, place / "pages")
    first = (place / "pages" / "index.html").read_text(encoding="utf-8")
    return write_text(place / "index.html", ADDRESS.sub(r'\1="pages/', first))


def first_page(run: Run, made: dict, place: Path) -> str:
    """What a run came to, in Markdown, its tables in HTML; `made` is its `run.json`.

    Its plots are in `figures/` of `place`.
    """
    external = run.folder / "external.csv"
    judged = run.profile.external and external.is_file()
    metrics = metrics_table(run.folder / "metrics.csv")
    return FIRST.format(
        name=html.escape(run.profile.name), notice=NOTICE, drawn=DRAWN * run.profile.drawn,
        data=html.escape(made["profile"]["data"]), metrics=table(metrics, index=False),
        figures="\n\n".join(f"![{FIGURES[f.stem]}](figures/{f.name})" for f in figures(place)),
        external=EXTERNAL.format(table=table(shortcuts_tables.external(read_table(external))))
        if judged else "",
    )  # fmt: skip


def figures(place: Path) -> list[Path]:
    """The plots that a run's first page shows."""
    paths = (place / "figures" / f"{name}.svg" for name in FIGURES)
    return [path for path in paths if path.is_file()]


def table(frame: pd.DataFrame, **options) -> str:
    safe = frame.rename_axis(index=[None] * frame.index.nlevels).map(
        lambda cell: escape_control_chars(cell) if isinstance(cell, str) else cell
    )
    text = safe.to_html(border=0, na_rep="", classes="table", **options)
    return f'<div class="pst-scrollable-table-container" tabindex="0">\n{text}\n</div>'


def use(folder: Path) -> list[str]:
    """The documents on how to use the study: those first that most readers want, then all others."""
    first = ["docs/run", "docs/teach", "docs/own_images", "docs/extend", "docs/architecture"]
    others = sorted(f"docs/{path.stem}" for path in (folder / "docs").glob("*.md"))
    known = {*first, *DONE, "docs/findings"}
    return [*first, *(o for o in others if o not in known), "CONTRIBUTING", "CHANGELOG"]


def documents(folder: Path, front: str) -> None:
    """Write what stands between the documents that are there: the first page, the list of cards."""
    write_text(folder / "index.md", front)
    write_text(folder / "cards.md", CARDS + toctree(["results/*/*/card"]))


def executed(place: Path) -> list[Path]:
    """The executed notebooks of a run or study, in reading order."""
    names = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    return [path for name in names if (path := place / "notebooks" / name).is_file()]


@contextlib.contextmanager
def sources(notebooks: list[Path]) -> Iterator[Path]:
    """A folder, gone afterwards, with the repository's documents and the notebooks as pages."""
    with tempfile.TemporaryDirectory(prefix="deepcovid-site-") as name:
        folder = Path(name) / "site"
        folder.mkdir()
        for source in SOURCES:
            if (path := ROOT / source).exists():
                copy = shutil.copytree if path.is_dir() else shutil.copyfile
                (folder / source).parent.mkdir(parents=True, exist_ok=True)
                copy(path, folder / source)
        for path in notebooks:
            write_text(folder / "notebooks" / path.name, nbformat.writes(page(path)))
        yield folder


def toctree(entries: list[str], *options: str) -> str:
    """A table of contents in MyST; an entry may have stars in it."""
    return "\n".join(["", "```{toctree}", ":glob:", *options, "", *entries, "```", ""])


def api(folder: Path) -> None:
    """Write a page per wing of the package, to be filled from its docstrings, and their list."""
    wings = {}
    for module, path in imports.modules().items():
        if module.rpartition(".")[2] != "__main__":
            wings.setdefault(imports.room(module), []).append((module, path))
    for wing, found in wings.items():
        parts = [
            MODULE.format(name=f"`{m.rpartition('.')[2]}`", module=imports.full_name(m))
            for m, _ in found
        ]
        write_text(folder / f"{wing}.md", f"# `{wing}`\n" + "".join(parts))
    order = [name for row in imports.ORDER for name in row if name in wings]
    write_text(folder / "index.md", "# The package\n" + toctree(order, ":maxdepth: 2"))


def make(folder: Path, target: Path) -> str:
    """Build the site of `folder` in place of all that `target` holds; what Sphinx warned of."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    settings, warned = ROOT / "docs", io.StringIO()
    with atomic_folder(target, replace=True) as built:
        with patch_docutils(settings), docutils_namespace(), tempfile.TemporaryDirectory() as trees:
            Sphinx(folder, settings, built, trees, "html", status=None, warning=warned).build()
        for path in built.glob("_static/**/*.map"):  # half of the theme's size, for its developers
            path.unlink()
    return warned.getvalue()
