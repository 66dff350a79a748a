"""The page by touch on a phone, and what assistive technology is told of it, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from tests.e2e.browser import keep_picture, stay_local, watched_page
from tests.e2e.conftest import Server, start_server
from tests.e2e.viewing import becomes, middle, open_study, place

CONTROLS = {"button", "checkbox", "combobox", "dialog", "image", "link", "progressbar", "searchbox", "slider"}
Fingers = Callable[[str, list[tuple[float, float]]], None]


@pytest.fixture(scope="module")
def server(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("touch")
    write_phantom(phantom, folder / "studies" / "case", "case", label=False)
    weights = folder / "tiny.pt"
    checkpoint.save(weights, checkpoint.untrained(BRATS, PRESETS["tiny"]).network, name="tiny")
    yield from start_server(folder / "studies", folder, weights=weights)


@pytest.fixture
def phone(browser: Browser, server: Server) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    stay_local(page, server.url)
    page.goto(f"{server.url}/ccsd/")
    open_study(page, "case")
    yield page
    page.close()


@pytest.fixture
def fingers(phone: Page) -> Fingers:
    """touchStart, touchMove or touchEnd, with the places of the fingers that are down."""
    session = phone.context.new_cdp_session(phone)

    def touch(kind: str, places: list[tuple[float, float]]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    return touch


def axial(page: Page) -> tuple[float, float]:
    page.locator("#canvas-axial").scroll_into_view_if_needed()
    return middle(page)


def pinch(fingers: Fingers, x: float, y: float) -> None:
    """From 60 px apart to 120."""
    fingers("touchStart", [(x - 30, y)])
    fingers("touchStart", [(x - 30, y), (x + 30, y)])
    for apart in (40, 50, 60):
        fingers("touchMove", [(x - apart, y), (x + apart, y)])
    fingers("touchEnd", [(x - 60, y)])
    fingers("touchEnd", [])


def test_one_finger_moves_the_crosshair_and_two_zoom(phone: Page, fingers: Fingers) -> None:
    x, y = axial(phone)
    before, where = place(phone, "axial")[2], phone.locator("#where").text_content()
    fingers("touchStart", [(x, y)])
    fingers("touchMove", [(x + 60, y + 40)])
    fingers("touchEnd", [])
    expect(phone.locator("#where")).not_to_have_text(where or "")
    assert place(phone, "axial")[2] == before
    pinch(fingers, x, y)
    becomes(phone, lambda: place(phone, "axial")[2], pytest.approx(2 * before, rel=0.05))


def test_one_finger_paints_and_two_zoom_without_painting(phone: Page, fingers: Fingers) -> None:
    phone.get_by_role("button", name="Draw a new one").click()
    x, y = axial(phone)
    said = phone.locator("#editor [role=status]").first
    before = place(phone, "axial")[2]
    pinch(fingers, x, y)
    becomes(phone, lambda: place(phone, "axial")[2], pytest.approx(2 * before, rel=0.05))
    expect(said).to_have_text("WT 0.0, TC 0.0, ET 0.0 mL. Nothing to save.")
    expect(phone.locator("#editor .note")).to_have_text("Nothing is painted yet.")
    for _ in range(2):  # as a double tap
        fingers("touchStart", [(x, y)])
        fingers("touchMove", [(x + 20, y)])
        fingers("touchEnd", [])
    expect(said).to_contain_text(re.compile(r"WT 0\.[1-9], TC 0\.0, .*Not saved yet"))
    keep_picture(phone, "page_touch_painted")
    for _ in range(2):
        phone.touchscreen.tap(x, y - 60)
    assert place(phone, "axial")[2] == pytest.approx(2 * before, rel=0.05)  # a double tap of the brush resets nothing


def nameless(page: Page) -> list[str]:
    """Controls, and whatever can have the keyboard, that the accessibility tree has no name for."""
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    shown = [node for node in nodes if not node["ignored"] and node["role"]["value"] != "RootWebArea"]
    with_keyboard = [n for n in shown if any(p["name"] == "focusable" for p in n["properties"])]
    judged = [*with_keyboard, *(n for n in shown if n["role"]["value"] in CONTROLS)]
    assert len(judged) > 5
    return [str(node) for node in judged if not node["name"]["value"].strip()]


def test_each_control_has_a_role_and_a_name(browser: Browser, server: Server) -> None:
    with watched_page(browser, f"{server.url}/ccsd/", height=1100, failures=False) as page:
        open_study(page, "case")
        page.locator("#go").click()
        expect(page.locator("#canvas-axial")).to_have_attribute("data-drawn", re.compile("made$"), timeout=240_000)
        assert nameless(page) == []
        page.get_by_role("button", name="Correct this mask").click()
        assert nameless(page) == []
        expect(page.get_by_role("img", name=re.compile(r"flair.*, axial slice \d+ of 48, with"))).to_be_visible()
        for part in ("Model", "Training"):
            page.get_by_role("link", name=part).click()
            page.wait_for_selector(f"#{part.lower()}:visible h2")
            assert nameless(page) == []
