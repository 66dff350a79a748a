"""The page at /ccsd/ in a real Chromium, over a real server with the shipped weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.volumes import write_volume
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS, COLOURS
from ccsd.models import checkpoint
from ccsd.models.served import ServedModel
from ccsd.models.versions import Versions
from ccsd.pictures.planes import to_ras, upright
from tests.conftest import REPOSITORY
from tests.e2e.browser import keep_picture, open_chromium, stay_local
from tests.e2e.conftest import Server, start_server, wait_until
from tests.e2e.test_server import read_mask

pytestmark = pytest.mark.e2e

WEIGHTS = REPOSITORY / "apps" / "ccsd" / "model" / "pretrained_ccsd.pt"
SHIPPED_VERSION = checkpoint.load(WEIGHTS, task=BRATS).version
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
    expect(case.locator(".badge.found")).to_have_count(4)
    expect(poor.locator(".badge.found")).to_have_text(["✓ t2", "✓ flair"])
    expect(poor.locator(".badge.missing")).to_have_text(["\N{EN DASH} t1", "\N{EN DASH} t1ce"])
    assert case.locator(".badge.found").first.get_attribute("title") == "case_t1.nii.gz: name ends in t1"
    page.locator("#unrecognised summary").click()
    expect(page.locator("#unrecognised dd")).to_contain_text(NASTY)
    page.locator("#search").fill("poor")
    expect(page.locator(".study")).to_have_count(1)


def test_a_segmentation_is_drawn_where_the_mask_is(
    page: Page, server: Server, phantom: Phantom, tmp_path: Path
) -> None:
    open_study(page, "case")
    page.locator("#go").click()
    page.wait_for_selector("#canvas[data-drawn$=made]", timeout=60_000)
    expect(page.locator("#result .swatch")).to_have_count(3)
    expect(page.locator("#result")).to_contain_text(SHIPPED_VERSION)
    keep_picture(page, "page_light")
    mask = np.asarray(read_mask(server.infer("case_flair", output="image"), tmp_path).dataobj)
    turned, _ = to_ras(mask, phantom.grid)
    index = int(page.locator("#slider").input_value())
    seen = upright(turned, 2, index)
    clear, coloured = [tuple(int(i) for i in np.argwhere(where)[0]) for where in (seen == 0, seen == 1)]
    page.locator("[data-key=opacity]").fill("1")
    page.wait_for_selector("#canvas[data-opacity='1']")
    red, green, blue = pixel(page, coloured, seen.shape[1])
    assert (red, green, blue) == COLOURS[1]
    red, green, blue = pixel(page, clear, seen.shape[1])
    assert red == green == blue


def test_slices_turn_by_keys_wheel_and_plane(page: Page) -> None:
    open_study(page, "case")
    canvas = page.locator("#canvas")
    expect(canvas).to_have_attribute("data-drawn", "flair axial 24 none")
    canvas.focus()
    for key in ("ArrowUp", "ArrowUp", "PageUp", "ArrowDown"):
        page.keyboard.press(key)
    expect(canvas).to_have_attribute("data-drawn", "flair axial 35 none")
    page.mouse.move(*middle(page))
    page.mouse.wheel(0, 120)
    expect(canvas).to_have_attribute("data-drawn", "flair axial 33 none")
    page.get_by_role("button", name="sagittal").click()
    page.get_by_role("button", name="t1ce", exact=True).click()
    expect(canvas).to_have_attribute("data-drawn", "t1ce sagittal 24 none")
    expect(page.locator("#edge-left")).to_have_text("A")


def test_a_saved_label_is_shown_and_its_study_marked(page: Page, server: Server) -> None:
    label = (server.studies / "case" / "case_seg.nii.gz").read_bytes()
    saved = server.put("/datastore/label?image=case_t1&tag=final", files={"label": ("l.nii.gz", label)})
    assert saved.status_code == 200
    page.locator("#refresh").click()
    expect(page.locator(".study", has_text="case")).to_contain_text("labelled")
    open_study(page, "case")
    page.wait_for_selector("#canvas[data-drawn$=label]")
    expect(page.locator("#result")).to_contain_text("the label saved with the tag final")


def test_the_model_shows_fifteen_subsets_and_the_curve(page: Page) -> None:
    page.get_by_role("link", name="Model").click()
    expect(page.locator("tr.subset")).to_have_count(15)
    first = page.locator("tr.subset").first
    dice = [f"{checkpoint.load(WEIGHTS, task=BRATS).card.dice[0][region]:.3f}" for region in BRATS.regions]
    expect(first.locator(".cell")).to_have_text(dice)
    curve = page.get_by_role("img", name="mean Dice")
    assert f"WT: {dice[0]}" in (curve.get_attribute("aria-label") or "")
    keep_picture(page, "page_model_light")


def test_the_model_is_measured_against_saved_labels(page: Page, server: Server) -> None:
    label = (server.studies / "case" / "case_seg.nii.gz").read_bytes()
    server.put("/datastore/label?image=case_t1&tag=final", files={"label": ("l.nii.gz", label)})
    page.get_by_role("link", name="Model").click()
    panel = page.locator(".panel:has(h2:text('Against saved labels'))")
    expect(panel).to_contain_text("Not measured with these weights yet.")
    panel.get_by_role("button", name="Measure").click()
    expect(page.locator("#message")).to_contain_text("Being measured in the background")
    wait_until(lambda: server.get("/scoring/").json().get("status") == "DONE", 120, "not measured")
    page.reload()
    page.get_by_role("link", name="Model").click()
    expect(panel.locator("tbody tr")).to_have_count(15)
    keep_picture(page, "page_against_labels")


def test_a_training_is_started_watched_and_rolled_back(page: Page, server: Server) -> None:
    page.get_by_role("link", name="Training").click()
    status = page.locator(".status")
    expect(status).to_have_text("No training since this server started.")
    page.locator("[name=max_epochs]").fill("50")
    page.get_by_role("button", name="Start").click()
    expect(status).to_contain_text("RUNNING")
    page.get_by_role("button", name="Stop").click()
    expect(status).to_contain_text("STOPPED")
    assert server.post("/train/ccsd", json={"max_epochs": 2, "steps": 2, "patch": 32}).status_code == 200
    expect(status).to_contain_text("DONE", timeout=300_000)
    expect(status).to_contain_text(re.compile("New weights are served: mean Dice on 1 study|The old weights stay"))
    expect(page.get_by_role("img", name="mean validation Dice")).to_be_visible()
    assert page.get_by_role("img", name="loss:").count() > 2
    keep_picture(page, "page_training")
    shipped = checkpoint.load(WEIGHTS, task=BRATS)
    Versions(served(server)).publish(shipped.network, name="again", card=shipped.card)
    page.get_by_role("link", name="Model").click()
    expect(page.locator(".current")).to_contain_text("again-")
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator(f".versions tr:has(td:first-child:has-text('{SHIPPED_VERSION}')) button:has-text('Roll back')").click()
    expect(page.locator(".current")).to_contain_text(SHIPPED_VERSION)
    page.locator(".current button:has-text('Pin')").click()
    expect(page.locator(".current")).to_contain_text("served, pinned")
    page.locator(".current button:has-text('Unpin')").click()
    expect(page.locator(".current")).not_to_contain_text("pinned")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".compared tbody tr")).to_have_count(15)
    keep_picture(page, "page_compared")
    assert server.infer("poor_flair").json()["ccsd"]["model"] == SHIPPED_VERSION


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(page: Page, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(PHONE)
    for part in ("Model", "Training", "Studies"):
        page.get_by_role("link", name=part).click()
        page.wait_for_selector(f"#{part.lower()}:visible *")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], part
        keep_picture(page, f"page_phone_{part.lower()}_{scheme}")
    open_study(page, "case")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.evaluate("scrollTo(0, document.querySelector('#viewer').offsetTop)")
    keep_picture(page, f"page_phone_viewer_{scheme}")


def test_it_is_dark_where_the_reader_wants_it(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    open_study(page, "case")
    keep_picture(page, "page_dark")
    page.get_by_role("link", name="Model").click()
    expect(page.locator("tr.subset")).to_have_count(15)
    keep_picture(page, "page_model_dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 23, 27)"


def test_bad_requests_are_one_sentence_and_4xx(server: Server) -> None:
    for path, status, words in (
        ("slice?image=nobody&modality=t1&plane=axial&index=0", 404, "image nobody does not exist"),
        ("slice?image=../../etc/passwd&modality=t1&plane=axial&index=0", 404, "does not exist"),
        ("slice?image=poor_flair&modality=t1&plane=axial&index=0", 400, "modality is 't1'"),
        ("slice?image=case_t1&modality=t1&plane=tilted&index=0", 400, "plane is 'tilted'"),
        ("slice?image=case_t1&modality=t1&plane=axial&index=48", 400, "index is 48, expected 0 to 47"),
        ("slice?image=case_t1&modality=t1&plane=axial&index=1&low=50&high=nan", 400, "expected percentiles"),
        ("mask?mask=gone&plane=axial&index=0", 404, "not kept any more"),
        ("studies?page=7", 400, "page is 7, expected 1 to 1"),
    ):
        answer = server.get(f"/ccsd/data/{path}")
        assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
    assert server.get("/ccsd/static/../page.py").status_code == 404
    assert server.post("/ccsd/data/versions/nonsense").status_code == 404
    unknown = server.post("/ccsd/data/segment", json={"image": "case_t1", "modalities": ["pet"]})
    assert (unknown.status_code, "pet" in unknown.json()["detail"]) == (400, True)
    policy = server.get("/ccsd/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def pixel(page: Page, place: tuple[int, int], width: int) -> tuple[int, int, int]:
    """The colour that the canvas shows in the middle of a voxel (row, column) of a picture of `width` voxels."""
    row, column = place
    found = page.locator("#canvas").evaluate(f"(canvas) => ({PIXEL})([canvas, {column + 0.5}, {row + 0.5}, {width}])")
    return (found[0], found[1], found[2])


def middle(page: Page) -> tuple[float, float]:
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def served(server: Server) -> ServedModel:
    """The model of a server, as its app has it."""
    folder = server.app / "model"
    return ServedModel(folder / "ccsd.pt", folder / "pretrained_ccsd.pt", BRATS, PRESETS["tiny"])
