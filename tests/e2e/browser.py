"""A real Chromium without a screen; what it shows is kept as pictures in `artefacts/`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
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
def watched_page(browser: Browser, url: str, *, height: int, failures: bool = True) -> Iterator[Page]:
    """`url`, which must neither complain nor ask another server; with `failures`, no request may fail."""
    page = browser.new_page(viewport={"width": 1400, "height": height})
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    if failures:
        page.on("requestfailed", lambda r: complaints.append(f"{r.url} {r.failure}"))
    stay_local(page, url.removesuffix("/").removesuffix("/ccsd"))
    page.goto(url)
    yield page
    page.close()
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
