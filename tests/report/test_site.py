"""The study's site and a run's, opened page by page in a browser."""

import re

import browser
import nbformat
import pytest
from browser import needs_chromium
from conftest import changed, prepared, user_error

from deepcovid import profiles
from deepcovid.metrics import run as metrics
from deepcovid.models import scoring, training
from deepcovid.models.run import Run
from deepcovid.plots import new, save
from deepcovid.report import provenance, site
from deepcovid.runs import NOTICE, ROOT, write_text

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*for Sphinx API modif")]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def pages(folder):
    """The pages of a site, but for that of the search, which a form leads to."""
    return {path for path in folder.rglob("*.html") if "_static" not in path.parts} - {
        folder / "search.html"
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The study's site, and what Sphinx warned of while it was built."""
    warned, make = [], site.make
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "make", lambda *given: warned.append(make(*given)))
        first = site.build(tmp_path_factory.mktemp("site") / "of the study")
    return first, warned


@pytest.fixture(scope="module")
def read(study):
    """Every page of the study's site, opened on a phone that likes it dark."""
    return browser.read(study[0], viewport={"width": 390, "height": 844}, color_scheme="dark")


def test_the_site_is_built_without_a_warning(study):
    assert study[1] == [""]


def test_the_first_page_leads_to_the_article(study):
    link = re.search(r'href="([^"]+article\.pdf)"', study[0].read_text())[1]
    assert (study[0].parent / link).read_bytes().startswith(b"%PDF")


def test_pages_are_light_and_ask_nothing_of_the_network(study):
    for path in study[0].parent.rglob("*.html"):
        assert path.stat().st_size < 1_500_000
        text = path.read_text()
        assert 'src="http' not in text
        assert "https://" not in text.partition("</head>")[0]


@needs_chromium
def test_every_page_opens_without_an_error_and_fits_a_phone(study, read):
    seen, wrong = read
    assert not wrong
    assert set(seen) == pages(study[0].parent), "a page that no link leads to"
    for path, shown in seen.items():
        assert shown["wide"] <= 0, f"{path.name} runs out of the window"
        assert len(shown["heading"]) == 1 or path.stem == "search", path
        assert -1 not in shown["scrolled"], (
            f"{path.name}: what scrolls cannot be reached by keyboard"
        )


@needs_chromium
def test_every_link_and_picture_resolves_and_every_picture_is_told_in_words(read):
    assert browser.broken(read[0]) == []


@needs_chromium
def test_findings_come_first_then_the_notebooks_in_order(study):
    with browser.chromium() as (page, wrong):
        page.goto(study[0].as_uri())
        links = page.locator(".bd-sidebar a.reference").evaluate_all("all => all.map(a => a.href)")
        names = [browser.file_of(link)[0].stem for link in links]
        notebooks = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
        assert names[:2] == ["index", "findings"]
        assert names[2 : 2 + len(notebooks)] == notebooks
        assert not wrong


@needs_chromium
def test_code_unfolds_and_the_search_finds_from_the_file_system(study):
    with browser.chromium() as (page, wrong):
        page.goto((study[0].parent / "notebooks" / "04_evaluation.html").as_uri())
        code = page.locator("details.hide .highlight").first
        assert not code.is_visible()
        fold = page.locator("details.hide summary").first
        fold.focus()
        page.keyboard.press("Enter")
        assert code.is_visible()
        page.goto((study[0].parent / "search.html").as_uri() + "?q=occlusion")
        page.locator("#search-results li a", has_text="Heatmaps").first.wait_for()
        assert not wrong


def test_a_site_replaces_only_a_site(study, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with user_error("holds other files"):
        site.build(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A small run with scores and executed notebooks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiles, "RUNS", tmp_path_factory.mktemp("runs"))
        given = {"data": str(data), "models": "squeezenet", "image_size": 64, "epochs": 1}
        run = Run(prepared(profiles.load("demo", given | {"augment_positives": 1})))
        yield made(run)


@pytest.fixture(scope="module")
def first(finished):
    """The first page of the run's site."""
    return site.pages(finished.profile)


def made(run):
    training.run(run, "squeezenet", 0)
    scoring.run(run, "squeezenet", 0)
    metrics.evaluate(run.folder, run.profile.models, run.profile.seeds, run.profile.threshold)
    save(new()[0], run.folder / "figures" / "roc.svg")
    names = [path.stem for path in (ROOT / "notebooks").glob("*.ipynb")]
    for name in (*names, "09_of_an_earlier_release"):
        shown = nbformat.v4.new_output("display_data", {"image/png": PIXEL})
        cells = [
            nbformat.v4.new_markdown_cell(f"# {name[3:]}\n\nGood?"),
            nbformat.v4.new_code_cell("figure", outputs=[shown]),
        ]
        text = nbformat.writes(nbformat.v4.new_notebook(cells=cells))
        write_text(run.folder / "notebooks" / f"{name}.ipynb", text)
    provenance.record(run.profile)
    return run


def test_a_runs_first_page_tells_of_the_run_and_leads_to_its_notebooks(finished, first):
    assert first == finished.folder / "index.html"
    text = first.read_text()
    assert NOTICE in text and "squeezenet" in text and "file:" not in text
    assert 'href="pages/notebooks/04_evaluation.html"' in text
    assert "earlier_release" not in text
    assert 'src="pages/_images/roc.svg"' in text
    assert 'href="pages/models/squeezenet.html"' in text


@needs_chromium
def test_a_runs_pages_open_without_an_error(finished, first):
    seen, wrong = browser.read(first, viewport={"width": 390, "height": 844})
    assert not wrong and browser.broken(seen) == []
    assert set(seen) == {first, *pages(finished.folder / "pages")}


def test_names_from_outside_are_shown_as_text(finished):
    opened = Run(changed(finished.profile, external=None, data="<script>alert(1)"))
    page = site.first_page(opened, opened.folder)
    assert "&lt;script&gt;alert(1)" in page and "<script>" not in page
