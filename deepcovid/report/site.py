"""The study's site, and a run's: which pages, in which order. Both read offline, without a server."""

import re
import shutil
from pathlib import Path

from deepcovid import runs
from deepcovid.io import read_json
from deepcovid.models.run import Run
from deepcovid.profiles import Profile
from deepcovid.report import about, article
from deepcovid.report.build import api, make, sources, toctree
from deepcovid.runs import ROOT, UserError, write_text

DONE = ["docs/method", "docs/not_shown", "docs/related", "docs/sources", "docs/glossary",
        "docs/data", "docs/checklist", "results/README", "results/radiographs/README", "cards"]  # fmt: skip
CARDS = """# Model cards

What each trained model is, how it does, and what it is not for. The dataset has
[a card of its own](docs/data.md#dataset-card-covid-xray-5k).
"""
ARTICLE = "\n[The study as an article](article/article.pdf), a PDF.\n"
ADDRESS = re.compile(r'\b(href|src|action|data-content_root)="(?!#|[a-z]+:)')  # a relative one


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
        for path in about.figures(place):
            shutil.copy(path, folder / "figures")
        text = about.about(run, made, place) + "\n## Notebooks, as executed\n"
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
