"""Correcting a mask on the page, saving it, training on it, and its report, in a real Chromium over a real server."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, Route, expect

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.volumes import read_grid, read_volume, write_volume
from ccsd.pictures.planes import to_ras
from tests.conftest import SHARED_DATA
from tests.e2e.browser import keep_picture, watched_page
from tests.e2e.conftest import Server, start_server
from tests.e2e.test_server import read_mask
from tests.e2e.viewing import open_study
from tests.pictures.test_report import words

REAL = SHARED_DATA / "sri24" / "TCGA-FG-6692"
SHORT = {"max_epochs": 1, "steps": 1, "patch": 32}
SLOW = 240_000  # ms, on a machine with other work
# Where on the page the middle of a voxel of the picture is, counted from its upper left corner.
PLACE = """(canvas, [column, row]) => {
  const [x, y, across, down] = canvas.dataset.place.split(' ').map(Number);
  const { left, top } = canvas.getBoundingClientRect();
  const at = [x + across * (column + 0.5), y + down * (row + 0.5)];
  return [left + at[0] / devicePixelRatio, top + at[1] / devicePixelRatio];
}"""
# A mask of 9 x 9 x 3 voxels, and what is done with it; gives the values of its middle slice.
CORRECT = """async () => {
  const { Correction, regionsOf } = await import('/ccsd/static/correction.js');
  const model = await (await fetch('/ccsd/data/model')).json();
  const mask = new Correction(new Uint8Array(9 * 9 * 3), { shape: [9, 9, 3], spacing: [1, 1, 1] }, regionsOf(model));
  const stroke = (region, voxels, erase = false, radius = 0.5) => {
    mask.begin('axial', 1);
    for (const voxel of voxels) mask.paint([...voxel, 1], { region, erase, radius });
    return mask.end();
  };
  const told = await (WORK)(mask, stroke);
  const outside = mask.values.filter((value, i) => value && (i < 81 || i >= 162)).length;
  return { values: Array.from(mask.values.slice(81, 162)), outside, told };
}"""


@pytest.fixture(scope="module")
def server(phantom: Phantom, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The phantoms `one` and `two`, and the real study, where there is one; a small network."""
    folder = tmp_path_factory.mktemp("correct")
    for name in ("one", "two"):
        write_phantom(phantom, folder / "studies" / name, name, label=False)
    if REAL.is_dir():
        shutil.copytree(REAL, folder / "studies" / REAL.name, ignore=shutil.ignore_patterns("*silver*"))
    yield from start_server(folder / "studies", folder, weights=weights)


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with watched_page(browser, f"{server.url}/ccsd/", height=1100, failures=False) as page:
        yield page


def click(page: Page, column: int, row: int) -> None:
    """With the brush, on a voxel of the axial picture."""
    x, y = page.locator("#canvas-axial").evaluate(PLACE, [column, row])
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.up()


def smallest_brush(page: Page) -> None:
    for _ in range(8):
        page.keyboard.press("[")
    expect(page.locator("#editor output")).to_have_text("1 mm")


def on_disk(server: Server, image: str) -> tuple[NDArray[np.float32], Path]:
    """The saved label along the patient's axes, and its file."""
    file = next((server.studies / "labels" / "final").glob(f"{image}.*"))
    volume = read_volume(file)
    return to_ras(volume.data, volume.grid)[0], file


def train(page: Page) -> None:
    """One press, and a sentence in the end."""
    page.route("**/train/ccsd", lambda route: shortly(route))
    page.get_by_role("button", name="Train on the saved labels").click()
    ends = re.compile(r"^(New weights are served: mean Dice on 1 study|The old weights stay served, because)")
    expect(page.locator("#trained")).to_have_text(ends, timeout=3 * SLOW)
    page.locator("#trained").scroll_into_view_if_needed()
    keep_picture(page, "page_trained")


def shortly(route: Route) -> None:
    route.continue_(post_data=json.dumps(SHORT))


def correct(page: Page, work: str) -> tuple[NDArray[np.uint8], object]:
    """Values [x, y] of the slice, and what `work` gave."""
    found = page.evaluate(CORRECT.replace("WORK", work))
    assert found["outside"] == 0
    return np.array(found["values"], np.uint8).reshape(9, 9).T, found["told"]


def test_what_is_painted_inside_belongs_to_the_regions_around_and_erasing_goes_inwards(page: Page) -> None:
    values, _ = correct(
        page,
        """(mask, stroke) => {
          stroke('ET', [[1, 1]]); stroke('TC', [[1, 1]]); stroke('WT', [[1, 1]]);
          for (const [x, region] of [[3, 'ET'], [4, 'TC'], [5, 'WT']]) {
            stroke('ET', [[x, 1]]);
            stroke(region, [[x, 1]], true);
          }
          stroke('TC', [[7, 1]]);
        }""",
    )
    assert values[[1, 3, 4, 5, 7], 1].tolist() == [3, 1, 2, 0, 1]


def test_the_brush_is_a_disc_and_what_it_closes_can_be_filled_and_taken_back(page: Page) -> None:
    values, told = correct(
        page,
        """(mask, stroke) => {
          stroke('WT', [[4, 4]], false, 2);
          const disc = mask.counts[2];
          mask.undo();
          const ring = [[2, 2], [6, 2], [6, 6], [2, 6], [2, 2]];
          stroke('WT', ring);
          const filled = mask.fill('axial', 1, 'WT');
          const whole = mask.counts[2];
          mask.undo(); mask.undo(); mask.redo();
          return [disc, filled, whole, mask.dirty, mask.fill('axial', 1, 'ET')];
        }""",
    )
    assert told == [13, True, 25, True, False]
    assert (values[2:7, 2:7] == 2).sum() == 16
    assert values[4, 4] == 0


@pytest.mark.timeout(1200)
def test_all_of_it_is_done_by_keys_and_only_what_is_drawn_is_said_and_learned_from(page: Page, server: Server) -> None:
    open_study(page, "one")
    page.get_by_role("button", name="Draw a new one").click()
    page.locator("#canvas-axial").focus()
    smallest_brush(page)
    for key in ("1", "b", " ", "Shift+ArrowRight", " ", "Control+z", "e", "b", " "):
        page.keyboard.press(key)
    expect(page.locator("#editor .note")).to_contain_text(
        "The label will contain only WT. It says nothing about TC and ET"
    )
    page.keyboard.press("Control+s")
    expect(page.locator("#message")).to_contain_text("saved as the final label of one_flair", timeout=SLOW)
    label, _ = on_disk(server, "one_flair")
    assert np.argwhere(label).tolist() == [[23, 24, 24], [24, 24, 24]]
    assert set(label[label > 0]) == {2}
    assert server.get("/datastore/label/info?label=one_flair&tag=final").json()["regions"] == ["WT"]
    train(page)


def test_corrections_that_are_not_saved_stay_and_leaving_asks(page: Page) -> None:
    open_study(page, "two")
    page.get_by_role("button", name="Draw a new one").click()
    click(page, 20, 20)
    page.get_by_role("button", name="t1ce", exact=True).click()
    expect(page.locator("#canvas-axial")).to_have_attribute("data-drawn", re.compile("^t1ce .*draft$"))
    page.locator(".study", has_text="one").click()
    expect(page.locator("#controls h2")).to_have_text("one")
    open_study(page, "two")
    expect(page.locator("#canvas-axial")).to_have_attribute("data-drawn", re.compile("draft$"))
    expect(page.locator("#editor [role=status]").first).to_contain_text("Not saved yet.")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.get_by_role("link", name="Model").click()
    page.reload()
    assert asked == ["beforeunload"]


def test_a_correction_that_is_discarded_leaves_the_saved_label(page: Page, server: Server) -> None:
    open_study(page, "two")
    page.get_by_role("button", name="Draw a new one").click()
    click(page, 20, 20)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("button", name="Draw a new one")).to_be_visible()
    expect(page.locator("#canvas-axial")).to_have_attribute("data-drawn", re.compile("none$"))
    assert server.get("/datastore/label?label=two_flair&tag=final").status_code == 404


def test_the_report_of_a_mask_is_one_page_of_pdf(page: Page) -> None:
    open_study(page, "two")
    page.locator("#go").click()
    expect(page.locator("#canvas-axial")).to_have_attribute("data-drawn", re.compile("made$"), timeout=SLOW)
    with page.expect_download() as found:
        page.get_by_role("button", name="Report (PDF)").click()
    pdf = Path(found.value.path()).read_bytes()
    assert found.value.suggested_filename == "two.pdf"
    assert len(re.findall(rb"/Type /Page\b(?!s)", pdf)) == 1


def test_a_report_on_a_mask_that_is_gone_or_lies_elsewhere_is_refused(server: Server) -> None:
    gone = server.get("/ccsd/data/report?mask=gone&image=two_flair&modality=flair")
    assert (gone.status_code, "not kept any more" in gone.json()["detail"]) == (404, True)


def test_the_report_of_a_saved_label_says_which_mask_was_corrected(
    server: Server, phantom: Phantom, tmp_path: Path
) -> None:
    write_volume(tmp_path / "label.nii.gz", phantom.label, phantom.grid)
    sent = {"label": ("label.nii.gz", (tmp_path / "label.nii.gz").read_bytes())}
    saved = server.put("/datastore/label?image=two_t1", files=sent, data={"params": '{"corrected_from": "w1"}'})
    assert saved.status_code == 200, saved.text
    label = server.get("/ccsd/data/view?image=two_t1&modality=t1").json()["label"]
    assert label["corrected_from"] == "w1"
    report = server.get("/ccsd/data/report", params={"mask": label["mask"], "image": "two_t1", "modality": "t1"})
    assert report.headers["Content-Type"] == "application/pdf"
    said = words(report.content)
    assert "Label that a person saved, corrected from the mask of w1." in said
    assert f"{label['volumes_ml']['WT']:.1f}" in said


@pytest.mark.timeout(1200)
def test_a_corrected_voxel_of_a_real_study_is_saved_where_it_is(
    page: Page, server: Server, tmp_path: Path, tcga_study: Path
) -> None:
    image = f"{tcga_study.name}_flair"
    open_study(page, tcga_study.name)
    page.locator("#go").click()
    expect(page.locator("#canvas-axial")).to_have_attribute("data-drawn", re.compile("made$"), timeout=SLOW)
    page.get_by_role("button", name="Correct this mask").click()
    page.locator("#canvas-axial").focus()
    smallest_brush(page)
    before = read_mask(server.infer(image, output="image"), tmp_path)
    model = to_ras(np.asarray(before.dataobj), read_grid(tcga_study / f"{image}.nii.gz"))[0]
    index = int(page.locator("#slider-axial").input_value())
    others = np.argwhere(model[:, :, index] != 3)
    x, y = (int(v) for v in others[np.abs(others - 120).sum(axis=1).argmin()])
    page.keyboard.press("3")
    click(page, model.shape[0] - 1 - x, model.shape[1] - 1 - y)
    expect(page.locator("#editor [role=status]").first).to_contain_text("Not saved yet.")
    keep_picture(page, "page_correct")
    page.keyboard.press("Control+s")
    expect(page.locator("#message")).to_contain_text(f"saved as the final label of {image}", timeout=SLOW)
    expect(page.locator(".study", has_text=tcga_study.name)).to_contain_text("labelled")
    label, file = on_disk(server, image)
    assert read_grid(file).matches(read_grid(tcga_study / f"{image}.nii.gz"))
    assert np.argwhere(label != model).tolist() == [[x, y, index]]
    assert label[x, y, index] == 3
    version = server.get("/info/").json()["models"]["ccsd"]["version"]
    told = server.get(f"/datastore/label/info?label={image}&tag=final").json()
    assert told["corrected_from"] == version
    keep_picture(page, "page_corrected")
