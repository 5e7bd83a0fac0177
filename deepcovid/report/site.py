"""The study's site, a run's, and the study as an article, by Sphinx and Typst: to be read offline.

Pages are made of a folder that mirrors the repository: a link from one document to another holds
on the site as it does in the repository.
"""

import io
import json
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pandas as pd

from deepcovid import imports, runs
from deepcovid.io import atomic_folder, atomic_write, read_table
from deepcovid.metrics import published
from deepcovid.metrics.tables import metrics_table
from deepcovid.models.run import Run
from deepcovid.profiles import Profile
from deepcovid.report.notebooks import page
from deepcovid.report.provenance import template
from deepcovid.runs import NOTICE, ROOT, SOURCES, UserError, escape_control_chars, write_text
from deepcovid.shortcuts import tables as shortcuts_tables

ADDRESS = re.compile(r'\b(href|src|action|data-content_root)="(?!#|[a-z]+:)')  # a relative one


def build(target: Path | None = None) -> Path:
    """Build the study's site from the committed notebooks and results; its first page.

    `target` (default: `runs/site`) is replaced as a whole. Raises UserError where it holds
    anything but a site.
    """
    target = Path(target or runs.RUNS / "site").absolute()
    if target.exists() and not (target / "searchindex.js").is_file() and any(target.iterdir()):
        raise UserError(f"{target} holds other files, and a site replaces all: name a new folder.")
    front = (ROOT / "README.md").read_text(encoding="utf-8") + template("contents.md").render()
    with sources(ROOT, front) as folder:
        api(folder / "api")
        article(folder / "article" / "article.pdf")
        make(folder, target)
    return target / "index.html"


def pages(profile: Profile, place: Path | None = None) -> Path:
    """Write a run's site, of its model cards and notebooks: the run itself first.

    The site is in `pages/` of `place`, the run's folder or that of its study, where the notebooks
    are; its first page is once more in `index.html`.
    """
    run, place = Run(profile), place or profile.folder
    with sources(place, first_page(run, place)) as folder:
        for model in profile.models:
            card = (run.folder / model / "card.md").read_text(encoding="utf-8")
            write_text(folder / "models" / f"{model}.md", card)
        if (place / "figures").is_dir():
            shutil.copytree(place / "figures", folder / "figures")
        make(folder, place / "pages")
    first = (place / "pages" / "index.html").read_text(encoding="utf-8")
    return write_text(place / "index.html", ADDRESS.sub(r'\1="pages/', first))


def first_page(run: Run, place: Path) -> str:
    """What a run came to, in Markdown, its tables in HTML; its plots are in `figures/` of `place`."""
    external = run.folder / "external.csv"
    judged = run.profile.external and external.is_file()
    metrics = metrics_table(run.folder / "metrics.csv")
    return template("run.md").render(
        name=run.profile.name, notice=NOTICE, drawn=run.profile.drawn, data=Path(run.profile.data).name,
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
def sources(place: Path, front: str) -> Iterator[Path]:
    """A folder, gone afterwards, with the repository's documents and notebooks of `place` as pages.

    `front` is the text of the first page.
    """
    with tempfile.TemporaryDirectory(prefix="deepcovid-site-") as name:
        folder = Path(name)
        for source in SOURCES:
            path, target = ROOT / source, folder / source
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, target)
        for committed in sorted((ROOT / "notebooks").glob("*.ipynb")):
            path = place / "notebooks" / committed.name
            if path.is_file():
                write_text(folder / "notebooks" / path.name, nbformat.writes(page(path)))
        write_text(folder / "index.md", front)
        write_text(folder / "cards.md", template("cards.md").render())
        yield folder


def api(folder: Path) -> None:
    """Write a page per wing of the package, to be filled from its docstrings, and their list."""
    wings = defaultdict(list)
    for module in imports.modules():
        if not module.endswith("__main__"):
            wings[module.removeprefix("deepcovid.").partition(".")[0]].append(module)
    write_text(folder / "index.md", template("api.md").render(wings=wings))
    for wing, modules in wings.items():
        write_text(folder / f"{wing}.md", template("wing.md").render(wing=wing, modules=modules))


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


def article(target: Path | None = None, root: Path = ROOT) -> Path:
    """Typeset `article/article.typ` of the checkout in `root`; its PDF (default: `article/article.pdf` there).

    Raises UserError that names the file where a number is missing.
    """
    import typst
    from matplotlib import get_data_path

    target = Path(target or root / "article" / "article.pdf")
    fonts = Path(get_data_path()) / "fonts" / "ttf"  # of the plots; the text's come with Typst
    try:
        made = typst.compile(
            str(root / "article" / "article.typ"), root=str(root), font_paths=[str(fonts)],
            ignore_system_fonts=True, sys_inputs={"judged": judged(root / "results")},
        )  # fmt: skip
    except typst.TypstError as error:
        reason = " ".join(str(error).split()).removeprefix("panicked with: ")
        raise UserError(f"The article cannot be typeset: {reason}") from None
    with atomic_write(target) as partial:
        partial.write_bytes(made)
    return target


def judged(results: Path) -> str:
    """The paper's claims and the controls as the rules of `metrics.published` judge them, as JSON."""
    tables = {"claims": published.compare(results / "paper"),
              "controls": published.auc_controls(results)}  # fmt: skip
    return json.dumps({name: json.loads(t.to_json(orient="records")) for name, t in tables.items()})
