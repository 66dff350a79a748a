"""The page at /ccsd/ in a real Chromium, over a real server with the shipped weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from scipy import ndimage

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.volumes import write_volume
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS, COLOURS
from ccsd.models import checkpoint
from ccsd.models.served import ServedModel
from ccsd.models.versions import Versions
from ccsd.pictures.planes import PLANES, to_ras, upright
from tests.conftest import REPOSITORY
from tests.e2e.browser import keep_picture, watched_page
from tests.e2e.conftest import Server, start_server, wait_until
from tests.e2e.test_server import read_mask
from tests.e2e.viewing import becomes, drag, middle, open_study, pixel, place, window

WEIGHTS = REPOSITORY / "apps" / "ccsd" / "model" / "pretrained_ccsd.pt"
SHIPPED_VERSION = checkpoint.load(WEIGHTS, task=BRATS).version
NASTY = "<img src=x onerror=alert(1)>.nii.gz"
CONFIDENT = '{"confidence": true}'
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def server(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`case` of four modalities, `poor` of two, and a folder whose image nothing tells."""
    folder = tmp_path_factory.mktemp("page")
    write_phantom(phantom, folder / "studies" / "case", "case")
    write_phantom(phantom, folder / "studies" / "poor", "poor", modalities=["t2", "flair"], label=False)
    (folder / "studies" / "odd").mkdir()
    write_volume(folder / "studies" / "odd" / NASTY, phantom.volumes["t1"], phantom.grid)
    yield from start_server(folder / "studies", folder, weights=WEIGHTS)


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """The page, which must neither complain nor ask another server."""
    with watched_page(browser, f"{server.url}/ccsd", height=900) as page:
        yield page


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
    page.wait_for_selector("#canvas-axial[data-drawn$=made]", timeout=60_000)
    expect(page.locator("#result .swatch")).to_have_count(3)
    expect(page.locator("#result")).to_contain_text(SHIPPED_VERSION)
    keep_picture(page, "page_light")
    page.locator("[data-key=opacity]").fill("1")
    page.get_by_label("show the crosshair").uncheck()
    mask = np.asarray(read_mask(server.infer("case_flair", output="image"), tmp_path).dataobj)
    turned, _ = to_ras(mask, phantom.grid)
    for name, plane in PLANES.items():
        index = int(page.locator(f"#slider-{name}").input_value())
        seen = upright(turned, plane.axis, index)
        clear, coloured = [tuple(int(i) for i in np.argwhere(where)[0]) for where in (seen == 0, seen == 1)]
        assert pixel(page, name, coloured) == COLOURS[1]
        red, green, blue = pixel(page, name, clear)
        assert red == green == blue


def test_the_picture_is_the_image_in_the_radiological_convention(page: Page, phantom: Phantom) -> None:
    open_study(page, "case")
    page.get_by_label("show the crosshair").uncheck()
    page.locator("#window-width").fill("1000")
    page.locator("#window-width").press("Enter")
    turned, _ = to_ras(phantom.volumes["flair"], phantom.grid)
    page.wait_for_timeout(500)
    black, white = window(page)
    for name, plane in PLANES.items():
        seen = upright(turned, plane.axis, int(page.locator(f"#slider-{name}").input_value()))
        expected = np.clip((seen - black) / (white - black), 0, 1) * 255
        places = [(row, column) for row in range(8, 40, 4) for column in range(8, 40, 4)]
        shown = [pixel(page, name, at)[0] for at in places]
        assert np.abs(np.array(shown) - [expected[at] for at in places]).mean() < 6, name  # drawn smoothly
        assert np.abs(np.array(shown) - [expected[:, ::-1][at] for at in places]).mean() > 12, name


def test_slices_turn_by_keys_wheel_and_plane(page: Page) -> None:
    open_study(page, "case")
    canvas = page.locator("#canvas-axial")
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
    expect(page.locator("#canvas-sagittal")).to_have_attribute("data-drawn", "t1ce sagittal 24 none")
    expect(page.locator("#canvas-sagittal ~ .edge.left")).to_have_text("A")
    expect(page.locator(".pane")).to_have_count(1)


def test_a_click_moves_the_crosshair_and_the_other_planes_follow(page: Page) -> None:
    open_study(page, "case")
    x, y, across, down = place(page, "axial")
    box = page.locator("#canvas-axial").bounding_box()
    assert box is not None
    column, row = 10, 30  # of 48: to the patient's right, behind the middle
    page.mouse.click(box["x"] + x + across * (column + 0.5), box["y"] + y + down * (row + 0.5))
    expect(page.locator("#canvas-sagittal")).to_have_attribute("data-drawn", "flair sagittal 37 none")
    expect(page.locator("#canvas-coronal")).to_have_attribute("data-drawn", "flair coronal 17 none")
    page.locator("#canvas-axial").press("Shift+ArrowRight")
    expect(page.locator("#canvas-sagittal")).to_have_attribute("data-drawn", "flair sagittal 36 none")
    page.locator("#canvas-coronal").press("ArrowUp")
    expect(page.locator("#canvas-coronal")).to_have_attribute("data-drawn", "flair coronal 18 none")


def test_drags_set_window_and_level_and_move_and_a_double_click_resets(page: Page) -> None:
    open_study(page, "case")
    first, at_first = window(page), place(page, "axial")
    range_ = first[1] - first[0]
    drag(page, "right", 100, 0)
    becomes(page, lambda: window(page)[1] - window(page)[0], pytest.approx(1.25 * range_, rel=0.02))
    drag(page, "right", 0, 80)
    becomes(page, lambda: sum(window(page)), pytest.approx(sum(first) + 0.4 * range_, rel=0.02))
    drag(page, "middle", 40, 25)
    becomes(page, lambda: place(page, "axial")[:2], pytest.approx([at_first[0] + 40, at_first[1] + 25], abs=1))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    becomes(page, lambda: place(page, "axial")[2], pytest.approx(1.57 * at_first[2], rel=0.02))
    keep_picture(page, "page_zoomed")
    page.mouse.dblclick(*middle(page))
    becomes(page, lambda: place(page, "axial"), pytest.approx(at_first))
    becomes(page, lambda: window(page), pytest.approx(first))


def test_all_that_a_mouse_does_keys_do_too(page: Page) -> None:
    open_study(page, "case")
    first, at_first = window(page), place(page, "axial")
    canvas = page.locator("#canvas-axial")
    canvas.press("+")
    becomes(page, lambda: place(page, "axial")[2], pytest.approx(1.25 * at_first[2]))
    canvas.press("d")
    becomes(page, lambda: window(page)[1] - window(page)[0] > first[1] - first[0], True)
    canvas.press("s")
    becomes(page, lambda: sum(window(page)) > sum(first) + 1, True)
    zoomed = place(page, "axial")
    canvas.press("Alt+ArrowRight")
    becomes(page, lambda: place(page, "axial")[0], pytest.approx(zoomed[0] - 20, abs=1))
    canvas.press("0")
    becomes(page, lambda: place(page, "axial"), pytest.approx(at_first))
    becomes(page, lambda: window(page), pytest.approx(first))
    canvas.press("?")
    expect(page.locator("#keys")).to_be_visible()
    names = page.evaluate(
        "[...document.querySelectorAll('#viewer button, #viewer input, #viewer select, #viewer canvas')]"
        ".filter((e) => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()))"
        ".map((e) => e.outerHTML)"
    )
    assert names == []


def test_two_masks_lie_side_by_side_with_their_dice(page: Page, server: Server) -> None:
    label = (server.studies / "case" / "case_seg.nii.gz").read_bytes()
    assert server.put("/datastore/label?image=case_t1&tag=final", files={"label": ("l.nii.gz", label)}).ok
    open_study(page, "case")
    page.locator("#go").click()
    page.wait_for_selector("#canvas-axial[data-drawn$=made]", timeout=60_000)
    page.get_by_label("beside").select_option("label")
    page.get_by_role("button", name="outline").click()
    expect(page.locator("#canvas-axial-second")).to_have_attribute("data-drawn", re.compile("label$"))
    expect(page.locator("#dice caption")).to_contain_text("saved label")
    expect(page.locator("#dice td")).to_have_count(3)
    before = int((page.locator("#canvas-axial").get_attribute("data-drawn") or "").split()[2])
    page.locator("#canvas-axial-second").press("ArrowUp")
    for pane in ("#canvas-axial", "#canvas-axial-second"):
        expect(page.locator(pane)).to_have_attribute("data-drawn", re.compile(f" axial {before + 1} "))
    keep_picture(page, "page_beside")


def test_the_map_of_agreement_is_drawn_where_the_masks_without_one_modality_differ(
    page: Page, server: Server, tmp_path: Path, phantom: Phantom
) -> None:
    open_study(page, "case")
    page.locator("#go").click()
    page.wait_for_selector("#canvas-axial[data-drawn$=made]", timeout=60_000)
    page.get_by_role("button", name="agreement", exact=True).click()
    expect(page.locator("#ramp")).to_contain_text("75 %")
    expect(page.locator("#regions thead")).to_contain_text("rangecertainty")
    expect(page.locator("#result details")).to_contain_text("agreement")
    page.locator("[data-key=opacity]").fill("1")
    page.get_by_label("show the crosshair").uncheck()
    keep_picture(page, "page_agreement")
    sent = [read_mask(server.infer("case_flair", output=o, params=CONFIDENT), tmp_path) for o in ("image", "agreement")]
    mask, agreement = (to_ras(np.asarray(i.dataobj), phantom.grid)[0] for i in sent)
    index = int(page.locator("#slider-axial").input_value())
    drawn, sure = upright(mask, 2, index), upright(agreement, 2, index)
    flat = ndimage.uniform_filter((drawn > 0).astype(float), 3)  # outlines run between voxels
    doubted, agreed = (np.argwhere(where & ((flat == 0) | (flat == 1))) for where in (sure < 0.9, (sure == 1)))
    red, green, blue = pixel(page, "axial", (int(doubted[0][0]), int(doubted[0][1])))
    assert red > blue + 40
    red, green, blue = pixel(page, "axial", (int(agreed[0][0]), int(agreed[0][1])))
    assert red == green == blue
    with page.expect_download() as saved:
        page.get_by_role("button", name="Agreement (NIfTI)").click()
    saved.value.save_as(tmp_path / "map.nii.gz")
    found = nib.loadsave.load(tmp_path / "map.nii.gz")
    assert isinstance(found, nib.nifti1.Nifti1Image)
    assert np.allclose(np.asarray(found.dataobj), np.asarray(sent[1].dataobj))


def test_a_mask_and_a_picture_can_be_downloaded(page: Page, server: Server, tmp_path: Path) -> None:
    open_study(page, "poor")
    page.locator("#go").click()
    page.wait_for_selector("#canvas-axial[data-drawn$=made]", timeout=60_000)
    with page.expect_download() as mask:
        page.get_by_role("button", name="Mask (NIfTI)").click()
    assert mask.value.suggested_filename == "poor_made.nii.gz"
    mask.value.save_as(tmp_path / "mask.nii.gz")
    direct = read_mask(server.infer("poor_flair", output="image"), tmp_path)
    found = nib.loadsave.load(tmp_path / "mask.nii.gz")
    assert isinstance(found, nib.nifti1.Nifti1Image)
    assert np.array_equal(np.asarray(found.dataobj), np.asarray(direct.dataobj))
    assert np.allclose(found.affine, direct.affine)
    with page.expect_download() as picture:
        page.get_by_role("button", name="Picture (PNG)").click()
    picture.value.save_as(tmp_path / "picture.png")
    assert Image.open(tmp_path / "picture.png").size[0] > 500
    expect(page.get_by_role("button", name="Mask (DICOM SEG)")).to_have_count(0)


def test_a_saved_label_is_shown_and_its_study_marked(page: Page, server: Server) -> None:
    label = (server.studies / "case" / "case_seg.nii.gz").read_bytes()
    saved = server.put("/datastore/label?image=case_t1&tag=final", files={"label": ("l.nii.gz", label)})
    assert saved.status_code == 200
    page.locator("#refresh").click()
    expect(page.locator(".study", has_text="case")).to_contain_text("labelled")
    open_study(page, "case")
    page.wait_for_selector("#canvas-axial[data-drawn$=label]")
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
    expect(page.locator("#served")).to_have_text(server.get("/ccsd/data/model").json()["version"])
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


def test_certainty_is_told_of_one_modality_too_and_its_table_fits(page: Page) -> None:
    page.set_viewport_size(PHONE)
    open_study(page, "case")
    page.locator("#go").click()
    heads = page.locator("#regions thead th")
    expect(heads).to_contain_text(["region", "mL", "range", "certainty"], timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.set_viewport_size({"width": 1600, "height": 950})  # the panel is narrowest where it lies beside the planes
    assert page.evaluate("(t => t.scrollWidth <= t.parentElement.clientWidth)(document.querySelector('#regions'))")
    for modality in ("t1", "t1ce", "t2"):
        page.get_by_role("checkbox", name=modality, exact=True).uncheck()
    page.locator("#go").click()
    expect(heads).to_have_text(["region", "mL", "certainty", "Dice to expect"], timeout=60_000)
    expect(page.locator("#regions tbody tr").first.locator("td").nth(1)).to_have_text(re.compile(r"^0\.\d\d$|^1\.00$"))
    expect(page.locator("#result")).to_contain_text("one modality: no agreement can be told")


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
        ("volume?image=nobody&modality=t1", 404, "image nobody does not exist"),
        ("volume?image=../../etc/passwd&modality=t1", 404, "does not exist"),
        ("view?image=poor_flair&modality=t1", 400, "modality is 't1'"),
        ("mask?mask=gone&image=case_t1&modality=t1", 404, "not kept any more"),
        ("mask/file?mask=gone", 404, "not kept any more"),
        ("dice?first=gone&second=gone", 404, "not kept any more"),
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


def served(server: Server) -> ServedModel:
    """The model of a server, as its app has it."""
    folder = server.app / "model"
    return ServedModel(folder / "ccsd.pt", folder / "pretrained_ccsd.pt", BRATS, PRESETS["tiny"])
