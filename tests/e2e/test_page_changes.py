"""The page when the user goes on meanwhile: another study, another series, a label on a series that is not used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.grid import Grid
from ccsd.imaging.volumes import read_grid, read_values, write_volume
from tests.e2e.browser import keep_picture, local_page
from tests.e2e.conftest import Server, start_server
from tests.e2e.viewing import open_study
from tests.studies.dicom_files import Made, write_series


@pytest.fixture(scope="module")
def server(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`one` and `two` of one grid; `thick`, whose T1 has slices of 4 mm and begins 8 mm lower; `spare`, with a FLAIR
    that is not used."""
    folder = tmp_path_factory.mktemp("server")
    for name in ("one", "two", "thick", "spare"):
        write_phantom(phantom, folder / "studies" / name, name, modalities=["t1", "flair"], label=False)
    step = np.diag([1.0, 1.0, 4.0, 1.0])
    step[2, 3] = -8.0
    padded = np.pad(phantom.volumes["t1"], ((0, 0), (0, 0), (8, 0)))[:, :, ::4]
    write_volume(
        folder / "studies" / "thick" / "thick_t1.nii.gz", padded, Grid(padded.shape, phantom.grid.affine @ step)
    )
    write_volume(folder / "studies" / "spare" / "spare_flair_reg.nii.gz", phantom.volumes["flair"], phantom.grid)
    half = Grid((24, 48, 48), phantom.grid.affine @ np.diag([2.0, 1.0, 1.0, 1.0]))
    write_volume(folder / "studies" / "spare" / "spare_flair_2.nii.gz", phantom.volumes["flair"][::2], half)
    label = folder / "label.nii.gz"
    write_volume(label, phantom.label[::2], half)
    for name, description in {"t1": "AX T1", "t2": "AX T2"}.items():
        tags = {"PatientID": "p7", "StudyDescription": "DICOM", "SeriesDescription": description}
        made = Made(phantom.volumes[name].astype(np.uint16), spacing=(1.0, 1.0), gap=1.0, study_uid="1.9", tags=tags)
        write_series(folder / "studies" / "dicom" / name, made)
    for server in start_server(folder / "studies", folder):
        saved = server.put("/datastore/label?image=spare_flair_2", files={"label": (label.name, label.read_bytes())})
        assert saved.ok, saved.text
        yield server


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with local_page(browser, f"{server.url}/ccsd", height=900) as page:
        yield page


def slice_shown(page: Page) -> int:
    """Counted from 0, as soon as it is drawn."""
    page.wait_for_timeout(500)
    return int((page.locator("#canvas-axial").get_attribute("data-drawn") or "").split()[-2])


def held(page: Page) -> list[Route]:
    """The requests for masks, which wait until the test lets them go on."""
    waiting: list[Route] = []
    page.route("**/data/segment", lambda route: waiting.append(route))
    return waiting


def test_a_mask_that_comes_while_another_study_is_open_is_there_on_return(page: Page) -> None:
    waiting = held(page)
    open_study(page, "one")
    page.locator("#go").click()
    expect(page.locator("#doing")).to_contain_text("Segmenting one")
    open_study(page, "two")
    expect(page.locator("#doing")).to_be_hidden()
    expect(page.locator("#go")).to_be_enabled()
    expect(page.locator(".study", has_text="one").locator(".busy")).to_be_visible()
    keep_picture(page, "page_segmenting_another")
    waiting[0].continue_()
    expect(page.locator("#message")).to_have_text("The mask of one is ready: open the study to see it.", timeout=60_000)
    expect(page.locator(".study", has_text="one").locator(".busy")).to_be_hidden()
    assert page.get_by_text("Segmenting").locator("visible=true").count() == 0
    open_study(page, "one")
    page.wait_for_selector("#canvas-axial[data-drawn$=made]")
    expect(page.locator("#message")).to_be_hidden()
    expect(page.locator("#result .swatch")).to_have_count(3)


def test_a_study_that_is_opened_again_meanwhile_shows_what_is_going_on_and_then_the_mask(page: Page) -> None:
    waiting = held(page)
    open_study(page, "two")
    page.locator("[name=t1]").uncheck()
    page.locator("#go").click()
    open_study(page, "one")
    open_study(page, "two")
    expect(page.locator("#doing")).to_contain_text("Segmenting two from flair…")
    expect(page.locator("#cancel")).to_be_visible()
    waiting[0].continue_()
    page.wait_for_selector("#canvas-axial[data-drawn$=made]", timeout=60_000)
    expect(page.locator("#doing")).to_be_hidden()


def test_cancelled_work_is_said_for_its_own_study(page: Page) -> None:
    held(page)
    open_study(page, "one")
    page.locator("#go").click()
    page.locator("#cancel").click()
    expect(page.locator("#message")).to_have_text("Cancelled.")
    expect(page.locator("#go")).to_be_enabled()


def test_another_series_is_shown_at_the_same_place(page: Page) -> None:
    open_study(page, "thick")
    page.locator("#slider-axial").fill("37")  # FLAIR: 37 mm above its first slice
    page.get_by_role("button", name="t1", exact=True).click()
    expect(page.locator("#canvas-axial")).to_have_attribute("data-drawn", re.compile("^t1 axial"))
    assert slice_shown(page) == 11  # 8 mm and 37 mm, in steps of 4
    page.get_by_role("button", name="flair", exact=True).click()
    expect(page.locator("#canvas-axial")).to_have_attribute("data-drawn", re.compile("^flair axial"))
    assert slice_shown(page) == 36


def test_no_mask_stays_no_mask_and_the_slice_stays_too(page: Page) -> None:
    open_study(page, "two")
    page.locator("#go").click()
    page.wait_for_selector("#canvas-axial[data-drawn$=made]", timeout=60_000)
    page.locator("#slider-axial").fill("3")
    page.locator("#mask-first").select_option("none")
    page.get_by_role("button", name="t1", exact=True).click()
    expect(page.locator("#canvas-axial")).to_have_attribute("data-drawn", "t1 axial 3 none")


def test_a_label_on_a_series_that_is_not_used_can_be_seen(page: Page) -> None:
    open_study(page, "spare")
    expect(page.locator(".note")).to_contain_text(
        "The saved label was drawn on spare_flair_2.nii.gz, which is not used"
    )
    unused = page.get_by_label("not used")
    expect(unused.locator("option")).to_have_text(
        ["\N{EN DASH}", "spare_flair_reg.nii.gz", "spare_flair_2.nii.gz (labelled)"]
    )
    unused.select_option("spare_flair_2")
    page.locator("#mask-first").select_option("label")
    page.wait_for_selector("#canvas-axial[data-drawn$=label]")
    expect(page.locator("#canvas-axial")).to_have_attribute("data-drawn", re.compile("^spare_flair_2 axial"))
    expect(page.locator("#result")).to_contain_text("the label saved with the tag final")
    keep_picture(page, "page_label_on_unused")
    page.get_by_role("button", name="t1", exact=True).click()
    expect(page.locator("#canvas-axial")).to_have_attribute("data-drawn", re.compile("^t1 axial .* none"))


def test_a_mask_of_a_dicom_study_can_be_downloaded_as_a_segmentation_object(page: Page, tmp_path: Path) -> None:
    page.locator(".study", has_text="p7").click()
    page.wait_for_selector("#canvas-axial[data-drawn]")
    page.locator("#go").click()
    page.wait_for_selector("#canvas-axial[data-drawn$=made]", timeout=60_000)
    for button, name in (("Mask (DICOM SEG)", "mask.dcm"), ("Mask (NIfTI)", "mask.nii.gz")):
        with page.expect_download() as saved:
            page.get_by_role("button", name=button).click()
        saved.value.save_as(tmp_path / name)
    seg = pydicom.dcmread(tmp_path / "mask.dcm")
    assert (seg.Modality, seg.PatientID, len(seg.SegmentSequence)) == ("SEG", "p7", 3)
    marked = sum(int(np.count_nonzero(frame)) for frame in np.atleast_3d(seg.pixel_array))
    assert marked == int(np.count_nonzero(read_values(tmp_path / "mask.nii.gz", read_grid(tmp_path / "mask.nii.gz"))))


def test_a_mask_is_shown_on_another_series_by_its_place_with_a_word(page: Page) -> None:
    open_study(page, "thick")
    page.locator("#go").click()
    page.wait_for_selector("#canvas-axial[data-drawn$=made]", timeout=60_000)
    page.get_by_role("button", name="t1", exact=True).click()
    expect(page.locator("#canvas-axial")).to_have_attribute("data-drawn", re.compile("^t1 axial .* made$"))
    expect(page.locator(".note", has_text="For a mask on this series, segment again")).to_be_visible()


def test_an_empty_label_is_shown_with_a_word(page: Page, server: Server, phantom: Phantom, tmp_path: Path) -> None:
    write_volume(tmp_path / "empty.nii.gz", np.zeros_like(phantom.label), phantom.grid)
    saved = server.put(
        "/datastore/label?image=two_t1", files={"label": ("empty.nii.gz", (tmp_path / "empty.nii.gz").read_bytes())}
    )
    assert saved.ok, saved.text
    open_study(page, "two")
    page.locator("#mask-first").select_option("label")
    expect(page.locator("#result .note")).to_contain_text("empty")


def test_a_training_shows_its_steps_and_when_it_ended(page: Page, server: Server) -> None:
    page.get_by_role("link", name="Training").click()
    status = page.locator(".status")
    wanted = {"max_epochs": 1, "steps": 300, "patch": 32, "publish_margin": 1, "publish_collapse": 1}
    assert server.post("/train/ccsd", json=wanted).ok
    expect(status).to_have_text(re.compile(r"RUNNING since .*: epoch 1 of 1, step \d+ of 300, about"), timeout=90_000)
    assert server.get("/train/").json()["progress"]["doing"]
    expect(page.locator("progress")).to_be_visible()
    keep_picture(page, "page_training_steps")
    expect(status).to_have_text(re.compile(r"DONE at .*, started at .*: "), timeout=120_000)
    expect(page.locator("progress")).to_be_hidden()
    assert server.get("/train/").json()["progress"] is None
    for text in page.locator(".chart text").all():
        inside = text.evaluate(
            "t => { const a = t.getBoundingClientRect(), b = t.ownerSVGElement.getBoundingClientRect();"
            " return a.left >= b.left - 0.5 && a.right <= b.right + 0.5 }"
        )
        assert inside, text.text_content()
    keep_picture(page, "page_training_done")
