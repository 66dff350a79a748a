"""A real Chromium without a screen; what it shows is kept as pictures in `artefacts/`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from tests.conftest import REPOSITORY

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARTEFACTS = REPOSITORY / "artefacts"
OPTIONS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """Skips where Chromium is not installed (scripts/test.sh tries to)."""
    if PROGRAM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=OPTIONS)
        yield browser
        browser.close()


@contextmanager
def local_page(
    browser: Browser, url: str, *, height: int, prepare: Callable[[Page], None] | None = None
) -> Iterator[Page]:
    """`url` in a page of its own, which reaches no other server; `prepare` is called before it is opened."""
    page = browser.new_page(viewport={"width": 1400, "height": height})
    stay_local(page, url.removesuffix("/").removesuffix("/ccsd"))
    if prepare:
        prepare(page)
    page.goto(url)
    yield page
    page.close()


@contextmanager
def watched_page(browser: Browser, url: str, *, height: int, failures: bool = True) -> Iterator[Page]:
    """As `local_page`, and the page must not complain; with `failures`, no request may fail."""
    complaints: list[str] = []

    def watch(page: Page) -> None:
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        if failures:
            page.on("requestfailed", lambda r: complaints.append(f"{r.url} {r.failure}"))

    with local_page(browser, url, height=height, prepare=watch) as page:
        yield page
    assert complaints == []


def stay_local(page: Page, url: str) -> None:
    """Requests to other servers than `url` fail at once, as on a machine without internet."""

    def decide(route: Route) -> None:
        if route.request.url.startswith((url, "blob:", "data:")):
            route.continue_()
        else:
            route.abort()

    page.route("**/*", decide)


def keep_picture(page: Page, name: str) -> Path:
    """The page as a PNG among the artefacts."""
    ARTEFACTS.mkdir(exist_ok=True)
    path = ARTEFACTS / f"{name}.png"
    page.screenshot(path=path)
    return path
