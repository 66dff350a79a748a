"""Correcting a mask on the page over a real Orthanc: the label is in the store as DICOM SEG, voxel by voxel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from ccsd.demo.phantom import Phantom
from ccsd.imaging.dicom_volume import read_series
from ccsd.imaging.seg_read import read_seg
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.pictures.planes import to_ras
from tests.e2e.browser import keep_picture, watched_page
from tests.e2e.conftest import Server, start_server
from tests.e2e.orthanc import Orthanc, start_orthanc
from tests.e2e.test_dicom_seg import segmentations
from tests.e2e.test_dicomweb import SERIES
from tests.e2e.test_page_correct import SLOW, click, smallest_brush
from tests.e2e.test_server import read_mask
from tests.studies.dicom_files import Made, write_series

STUDY = "1.2.826.0.8"
T2 = f"{STUDY}.2"
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    yield from start_orthanc(tmp_path_factory.mktemp("orthanc"))


@pytest.fixture(scope="module")
def files(phantom: Phantom, orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of the T2: 16 sagittal slices of 3 mm; with a T1 on the same grid in the store."""
    folder = tmp_path_factory.mktemp("dicom")
    for number, name in enumerate(("t1", "t2"), start=1):
        made = Made(
            phantom.volumes[name].astype(np.uint16)[:, :, ::3],
            orientation=SAGITTAL,
            study_uid=STUDY,
            series_uid=f"{STUDY}.{number}",
            number=number,
            tags={"PatientID": "p8", **SERIES[name]},
        )
        written = write_series(folder / name, made)
        for path in written:
            orthanc.store(path)
    return written


@pytest.fixture(scope="module")
def server(orthanc: Orthanc, files: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    weights = folder / "tiny.pt"
    checkpoint.save(weights, checkpoint.untrained(BRATS, PRESETS["tiny"]).network, name="tiny")
    yield from start_server(orthanc.dicomweb, folder, weights=weights)


@pytest.mark.timeout(600)
def test_a_corrected_voxel_is_in_the_segmentation_that_the_store_gets(
    browser: Browser, server: Server, orthanc: Orthanc, files: list[Path], tmp_path: Path
) -> None:
    grid = read_series(files, T2).grid
    version = server.get("/info/").json()["models"]["ccsd"]["version"]
    with watched_page(browser, f"{server.url}/ccsd/", height=1100) as page:
        page.locator(".study", has_text="p8").click()
        page.get_by_role("button", name="t2", exact=True).click()
        expect(page.locator("#canvas-axial")).to_have_attribute("data-drawn", re.compile("^t2 "))
        page.locator("#go").click()
        expect(page.locator("#canvas-axial")).to_have_attribute("data-drawn", re.compile("made$"), timeout=SLOW)
        made = np.asarray(read_mask(server.infer(T2, output="image"), tmp_path).dataobj)
        mask, _ = to_ras(made, grid)
        page.get_by_role("button", name="Correct this mask").click()
        page.locator("#canvas-axial").focus()
        smallest_brush(page)
        page.keyboard.press("3")
        index = int(page.locator("#slider-axial").input_value())
        others = np.argwhere(mask[:, :, index] != 3)
        x, y = (int(v) for v in others[len(others) // 2])
        click(page, mask.shape[0] - 1 - x, mask.shape[1] - 1 - y)
        page.get_by_role("button", name="Save as label").click()
        expect(page.locator("#message")).to_contain_text(f"saved as the final label of {T2}", timeout=SLOW)
        assert "not stored" not in (page.locator("#message").text_content() or "")
        keep_picture(page, "page_corrected_dicom")
    (seg,) = segmentations(orthanc)
    assert seg.SegmentSequence[0].SegmentAlgorithmType == "MANUAL"
    assert seg.SeriesDescription == f"brats, corrected from {version}"
    label, _ = to_ras(read_seg(seg, grid, BRATS), grid)
    assert np.argwhere(label != mask).tolist() == [[x, y, index]]
    assert label[x, y, index] == 3
