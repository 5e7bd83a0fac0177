"""Debian's Chromium, driven by Playwright, as a reader's browser."""

import contextlib
import shutil
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WORDS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium (apt install chromium)")

# what a page shows and where it leads, as the browser has resolved it
SEEN = """() => ({
    links: [...document.querySelectorAll("a[href]")].map(a => a.href),
    ids: [...document.querySelectorAll("[id]")].map(e => e.id),
    pictures: [...document.querySelectorAll("img")].map(i => [i.src, i.alt, i.naturalWidth]),
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    title: document.title,
    heading: [...document.querySelectorAll(".bd-article h1")].map(h => h.innerText),
    scrolled: [...document.querySelectorAll(".bd-article *")].filter(
        e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX == "auto"
    ).map(e => e.tabIndex),
})"""


@contextlib.contextmanager
def chromium(**options):
    """A page of a new browser with nothing kept from before, and the list of what goes wrong in it:
    scripts' errors, failed requests, and requests to anywhere but this machine."""
    from playwright.sync_api import sync_playwright

    wrong = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(WORDS))
        page = browser.new_page(**options)
        page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
        page.on("console", lambda said: note(said.type == "error", f"{page.url}: {said.text}"))
        page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
        page.on("request", lambda request: note(not here(request.url), f"asked: {request.url}"))

        def note(is_wrong, text):
            if is_wrong:
                wrong.append(text)

        yield page, wrong
        browser.close()


def here(address: str) -> bool:
    told = urlparse(address)
    return told.scheme in ("file", "data", "blob") or told.hostname in ("127.0.0.1", "localhost")


def file_of(address: str) -> tuple[Path, str]:
    """The file, and the place in it, that a `file:` address names."""
    path, place = urldefrag(address)
    return Path(unquote(urlparse(path).path)), unquote(place)


def read(first: Path, **options) -> tuple[dict[Path, dict], list[str]]:
    """Open a site's page and all that it leads to; what each shows, and what went wrong."""
    seen, waiting = {}, [first]
    with chromium(**options) as (page, wrong):
        while waiting:
            path = waiting.pop()
            if path in seen:
                continue
            page.goto(path.as_uri())
            seen[path] = page.evaluate(SEEN)
            links = [file_of(a)[0] for a in seen[path]["links"] if a.startswith("file:")]
            waiting += [p for p in links if p.suffix == ".html" and p.is_file()]
    return seen, wrong


def broken(seen: dict[Path, dict]) -> list[str]:
    """Links and pictures of pages that lead nowhere, and pictures that are told in no words."""
    found = []
    for path, shown in seen.items():
        for address in set(shown["links"]):
            target, place = file_of(address)
            if not address.startswith("file:"):
                continue
            if not target.exists() or (
                place and target in seen and place not in seen[target]["ids"]
            ):
                found.append(f"{path.name} -> {address}")
        for source, alt, width in shown["pictures"]:
            if not width or not alt.strip():
                found.append(f"{path.name}: {source} '{alt}'")
    return found
