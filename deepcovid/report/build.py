"""From documents and notebooks to pages: a folder that mirrors the repository, and Sphinx.

A link from one document to another holds on the site as it does in the repository.
"""

import contextlib
import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat

from deepcovid import imports
from deepcovid.io import atomic_folder
from deepcovid.report.page import page
from deepcovid.runs import ROOT, write_text

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
