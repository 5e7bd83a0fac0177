"""The study's site, and a run's: documents and notebooks as pages, by Sphinx. Both read offline.

Pages are made of a folder that mirrors the repository: a link from one document to another holds
on the site as it does in the repository.
"""

import io
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
from deepcovid.report.provenance import template
from deepcovid.runs import NOTICE, ROOT, UserError, escape_control_chars, write_text
from deepcovid.shortcuts import tables as shortcuts_tables

# documents, and the files that they link to
SOURCES = ("docs", "results", "profiles", "deepcovid/metrics/published.csv", "CONTRIBUTING.md",
           "CHANGELOG.md", "CITATION.cff")  # fmt: skip
STUDY = {  # the documents of both sites, by what their lists are called
    "Findings": ["docs/findings"],
    "How it was done": ["docs/method", "docs/not_shown", "docs/related", "docs/sources", "docs/glossary",
                        "docs/data", "docs/checklist", "results/README", "results/radiographs/README", "cards"],
    "Use it": ["docs/run", "docs/teach", "docs/own_images", "docs/extend", "docs/architecture",
               "docs/audit", "docs/cluster", "docs/performance", "docs/robustness", "docs/submit",
               "CONTRIBUTING", "CHANGELOG"],
}  # fmt: skip
ARTICLE = "\n[The study as an article](article/article.pdf), a PDF.\n"
CARDS = """# Model cards

What each trained model is, how it does, and what it is not for. The dataset has
[a card of its own](docs/data.md#dataset-card-covid-xray-5k).
"""
ADDRESS = re.compile(r'\b(href|src|action|data-content_root)="(?!#|[a-z]+:)')  # a relative one


def build(target: Path | None = None) -> Path:
    """Build the study's site from the committed notebooks and results; its first page.

    `target` (default: `runs/site`) is replaced as a whole. Raises UserError where it holds
    anything but a site.
    """
    target = Path(target or runs.RUNS / "site").absolute()
    if target.exists() and not (target / "searchindex.js").is_file() and any(target.iterdir()):
        raise UserError(f"{target} holds other files, and a site replaces all: name a new folder.")
    front = (ROOT / "README.md").read_text(encoding="utf-8") + ARTICLE
    lists = {"Findings": STUDY["Findings"], "Notebooks": ["notebooks/*"]} | STUDY
    with sources(ROOT, front, lists | {"Use it": [*STUDY["Use it"], "api/index"]}) as folder:
        api(folder / "api")
        article.build(folder / "article" / "article.pdf")
        make(folder, target)
    return target / "index.html"


def pages(profile: Profile, place: Path | None = None) -> Path:
    """Write a run's site, of its model cards and notebooks: the run itself first.

    The site is in `pages/` of `place`, the run's folder or that of its study, where the notebooks
    are; its first page is once more in `index.html`.
    """
    run, place = Run(profile), place or profile.folder
    front = first_page(run, read_json(run.folder / "run.json"), place)
    with sources(place, front, {"This run's model cards": ["models/*"]} | STUDY) as folder:
        for model in profile.models:
            card = (run.folder / model / "card.md").read_text(encoding="utf-8")
            write_text(folder / "models" / f"{model}.md", card)
        if (place / "figures").is_dir():
            shutil.copytree(place / "figures", folder / "figures")
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
    return template("run.md").render(
        name=run.profile.name, notice=NOTICE, drawn=run.profile.drawn, data=made["profile"]["data"],
        metrics=table(metrics, index=False), figures={f.stem for f in place.glob("figures/*.svg")},
        external=judged and table(shortcuts_tables.external(read_table(external))),
    )  # fmt: skip


def table(frame: pd.DataFrame, **options) -> str:
    safe = frame.rename_axis(index=[None] * frame.index.nlevels).map(
        lambda cell: escape_control_chars(cell) if isinstance(cell, str) else cell
    )
    text = safe.to_html(border=0, na_rep="", classes="table", **options)
    return f'<div class="pst-scrollable-table-container" tabindex="0">\n{text}\n</div>'


@contextmanager
def sources(place: Path, front: str, lists: dict[str, list[str]]) -> Iterator[Path]:
    """A folder, gone afterwards, with the repository's documents and notebooks of `place` as pages.

    `front` is the text of the first page; what else there is stands in `lists`, by their captions.
    """
    with tempfile.TemporaryDirectory(prefix="deepcovid-site-") as name:
        folder = Path(name) / "site"
        folder.mkdir()
        for source in SOURCES:
            if (path := ROOT / source).exists():
                copy = shutil.copytree if path.is_dir() else shutil.copyfile
                (folder / source).parent.mkdir(parents=True, exist_ok=True)
                copy(path, folder / source)
        for committed in sorted((ROOT / "notebooks").glob("*.ipynb")):
            path = place / "notebooks" / committed.name
            if path.is_file():
                write_text(folder / "notebooks" / path.name, nbformat.writes(page(path)))
        for caption, entries in lists.items():
            front += toctree(entries, f":caption: {caption}", ":hidden:")
        write_text(folder / "index.md", front)
        write_text(folder / "cards.md", CARDS + toctree(["results/*/*/card"]))
        yield folder


def toctree(entries: list[str], *options: str) -> str:
    """A table of contents in MyST; an entry may have stars in it."""
    return "\n".join(["", "```{toctree}", ":glob:", *options, "", *entries, "```", ""])


def api(folder: Path) -> None:
    """Write a page per wing of the package, to be filled from its docstrings, and their list."""
    wings = {}
    for module in imports.modules():
        if not module.endswith("__main__"):
            wings.setdefault(imports.room(module), []).append(imports.full_name(module))
    write_text(folder / "index.md", "# The package\n" + toctree([*wings], ":maxdepth: 2"))
    for wing, found in wings.items():
        text = template("wing.md").render(wing=wing, modules=found)
        write_text(folder / f"{wing}.md", text)


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
