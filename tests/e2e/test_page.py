"""The page at /ccsd/ in a real Chromium, over a real server with the shipped weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from lib.phantoms.phantom import Phantom, write_phantom
from lib.publishing import checkpoint
from lib.publishing.versions import Versions
from lib.studies.volumes import read_values, read_volume, write_volume
from tests.conftest import REPOSITORY
from tests.e2e.browser import keep_picture, open_chromium, stay_local
from tests.e2e.conftest import Server, start_server

pytestmark = pytest.mark.e2e

WEIGHTS = REPOSITORY / "apps" / "ccsd" / "model" / "pretrained_ccsd.pt"
NASTY = "<img src=x onerror=alert(1)>.nii.gz"
PHONE = {"width": 390, "height": 844}
# what the canvas shows at a millimetre of the picture, counted from its upper left corner
PIXEL = """([canvas, x, y, width]) => {
  const scale = canvas.width / width;
  return [...canvas.getContext('2d').getImageData(x * scale, y * scale, 1, 1).data].slice(0, 3);
}"""


@pytest.fixture(scope="module")
def server(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`case` of four modalities, `poor` of two, and a folder whose image nothing tells."""
    folder = tmp_path_factory.mktemp("page")
    write_phantom(phantom, folder / "studies" / "case", "case")
    write_phantom(phantom, folder / "studies" / "poor", "poor", modalities=["t2", "flair"], label=False)
    (folder / "studies" / "odd").mkdir()
    write_volume(folder / "studies" / "odd" / NASTY, phantom.volumes["t1"], phantom.grid)
    yield from start_server(folder / "studies", folder, weights=WEIGHTS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """The page, which must neither complain nor ask another server."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("requestfailed", lambda r: complaints.append(f"{r.url} {r.failure}"))
    stay_local(page, server.url)
    page.goto(f"{server.url}/ccsd")
    yield page
    page.close()
    assert complaints == []


def open_study(page: Page, name: str) -> None:
    page.locator(".study", has_text=name).click()
    page.wait_for_selector("#canvas[data-drawn]")


def test_each_study_has_a_chip_a_modality_with_its_reason(page: Page) -> None:
    case, poor = (page.locator(".study", has_text=name) for name in ("case", "poor"))
    expect(case.locator(".chip.found")).to_have_count(4)
    expect(poor.locator(".chip.found")).to_have_text(["✓ t2", "✓ flair"])
    expect(poor.locator(".chip.missing")).to_have_text(["\N{EN DASH} t1", "\N{EN DASH} t1ce"])
    assert case.locator(".chip.found").first.get_attribute("title") == "case_t1.nii.gz: name ends in t1"
    page.locator("#unrecognised summary").click()
    expect(page.locator("#unrecognised dd")).to_contain_text(NASTY)
    page.locator("#search").fill("poor")
    expect(page.locator(".study")).to_have_count(1)


def test_a_segmentation_is_drawn_where_the_mask_is(page: Page, server: Server, phantom: Phantom) -> None:
    open_study(page, "case")
    page.locator("#go").click()
    expect(page.locator("#controls")).to_contain_text("expected Dice", timeout=60_000)
    page.wait_for_selector("#canvas[data-drawn$=made]", timeout=60_000)
    keep_picture(page, "page_light")
    assert page.locator("#result .swatch").count() == 3
