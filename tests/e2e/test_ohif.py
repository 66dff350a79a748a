"""OHIF in a real Chromium, over a real Orthanc: the segmentation is drawn where the mask is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, Response
from scipy import ndimage

from ccsd.demo.phantom import Phantom
from ccsd.method.task import BRATS
from ccsd.models.served import SHIPPED
from tests.e2e.browser import keep_picture, stay_local
from tests.e2e.conftest import Server, start_server
from tests.e2e.ohif import coloured_share, connect, label_map, open_study, run, show_series
from tests.e2e.orthanc import Orthanc, start_orthanc
from tests.e2e.test_dicomweb import SERIES, SPIN_ECHO
from tests.e2e.test_server import read_mask
from tests.studies.dicom_files import Made, write_series

FLAIR = {"SeriesDescription": "FLAIR AX", "RepetitionTime": 9000.0, "EchoTime": 120.0, "InversionTime": 2500.0}
STUDY = {m: SERIES[m] for m in ("t1", "t1ce", "t2")} | {"flair": {**FLAIR, **SPIN_ECHO}}


@pytest.fixture(scope="module")
def orthanc(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """A study of four series of the patient Ward^Seven, the T2 in slices of 2 mm; one of a single series; and one of
    Ward^Nine, whose T2 has another frame of reference."""
    stores = start_orthanc(tmp_path_factory.mktemp("orthanc"))
    orthanc = next(stores)
    folder = tmp_path_factory.mktemp("dicom")
    for number, (name, tags) in enumerate(STUDY.items(), start=1):
        for patient, names in (("Seven", STUDY), ("Eight", {"t1"}), ("Nine", STUDY)):
            if name not in names:
                continue
            every = 2 if name == "t2" else 1
            frame = {"FrameOfReferenceUID": "1.2.826.0.9"} if (patient, name) == ("Nine", "t2") else {}
            made = Made(
                phantom.volumes[name].astype(np.uint16)[:, :, ::every],
                origin=(20.0, -30.0, 10.0),
                spacing=(1.0, 1.0),
                gap=float(every),
                study_uid=f"1.2.826.0.{len(patient)}.{patient == 'Seven':d}",
                number=number,
                tags={"PatientID": patient, "PatientName": f"Ward^{patient}", "StudyDate": "20250102", **tags, **frame},
            )
            for path in write_series(folder / f"{patient}-{name}", made):
                orthanc.store(path)
    yield orthanc
    stores.close()  # type: ignore[attr-defined]  # a generator


@pytest.fixture(scope="module")
def server(orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from start_server(orthanc.dicomweb, tmp_path_factory.mktemp("ohif_server"), weights=SHIPPED)


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1500, "height": 900})
    stay_local(page, server.url)
    yield page
    page.close()


def test_a_user_runs_ccsd_on_a_study_and_it_is_drawn_where_the_mask_is(
    page: Page, server: Server, tmp_path: Path
) -> None:
    open_study(page, server.url, "Ward, Seven")
    assert page.input_value("#monailabelServerURL") == f"{server.url}/"  # nothing to type
    show_series(page, "FLAIR AX")
    assert connect(page) == ["ccsd"]
    before = page.screenshot()
    answer = run(page)
    assert answer.status == 200, answer.text()
    keep_picture(page, "ohif-segmented")
    assert page.screenshot() != before

    core, outside = compare_with_mask(page, server, answer, tmp_path)
    share, number = coloured_share(page, core, thickness=1.0)
    assert number > 50
    assert share > 0.95
    share, number = coloured_share(page, outside, thickness=1.0)
    assert number > 500
    assert share < 0.02
    share, number = coloured_share(page, core + 12.0, thickness=1.0)  # had it been drawn elsewhere, this would say so
    assert number > 50
    assert share < 0.6


def test_after_a_change_of_series_the_mask_is_still_where_the_tumour_is(
    page: Page, server: Server, tmp_path: Path
) -> None:
    open_study(page, server.url, "Ward, Seven")
    show_series(page, "FLAIR AX")
    connect(page)
    show_series(page, "T2 AX")
    answer = run(page)
    assert answer.status == 200, answer.text()
    page.get_by_text("The mask has the slices of series 4 FLAIR AX").first.wait_for()
    keep_picture(page, "ohif-other-series")
    core, outside = compare_with_mask(page, server, answer, tmp_path)
    share, number = coloured_share(page, core, thickness=1.0)
    assert number > 50
    assert share > 0.9
    assert coloured_share(page, outside, thickness=1.0)[0] < 0.02


def test_a_mask_is_drawn_on_each_series_that_comes_on_view(page: Page, server: Server, tmp_path: Path) -> None:
    open_study(page, server.url, "Ward, Seven")
    show_series(page, "FLAIR AX")
    connect(page)
    answer = run(page)
    assert answer.status == 200, answer.text()
    for description in ("T2 AX", "FLAIR AX"):
        show_series(page, description)
        page.wait_for_timeout(4000)  # until it is drawn
        keep_picture(page, f"ohif-mask-on-{description[:2].lower()}")
        core, outside = compare_with_mask(page, server, answer, tmp_path)
        share, number = coloured_share(page, core, thickness=1.0)
        assert number > 50
        assert share > 0.9, description
        assert coloured_share(page, outside, thickness=1.0)[0] < 0.02


def test_a_mask_is_not_drawn_on_a_series_of_another_frame_of_reference(page: Page, server: Server) -> None:
    open_study(page, server.url, "Ward, Nine")
    show_series(page, "FLAIR AX")
    connect(page)
    assert run(page).status == 200
    show_series(page, "T2 AX")
    page.get_by_text("The mask of series 4 FLAIR AX is not drawn on series 3 T2 AX").first.wait_for(timeout=20_000)
    shown = "id => window.services.segmentationService.getSegmentationRepresentations(id).length"
    assert page.evaluate(shown, "mpr-axial") == 0
    show_series(page, "FLAIR AX")
    page.wait_for_timeout(3000)
    assert page.evaluate(shown, "mpr-axial") == 1


def test_the_servers_sentence_is_shown(page: Page, server: Server) -> None:
    open_study(page, server.url, "Ward, Seven")
    connect(page)
    page.get_by_text("Update Model").first.click()
    page.get_by_text("no label with the tag final is saved").first.wait_for()
    page.wait_for_timeout(1000)  # it slides in
    keep_picture(page, "ohif-error")


def compare_with_mask(
    page: Page, server: Server, answer: Response, folder: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The label map in the viewer is the server's mask, by voxel and name; points in RAS mm well inside the tumour
    and well outside."""
    series = answer.url.split("image=")[1].split("&")[0]
    mask = read_mask(server.infer(series, output="image"), folder)
    expected = np.asarray(mask.dataobj)
    drawn = label_map(page)
    to_mask = np.rint(np.linalg.inv(mask.affine) @ drawn.affine).astype(int)
    index = np.indices(drawn.data.shape).reshape(3, -1)
    i, j, k = to_mask[:3, :3] @ index + to_mask[:3, 3:]
    for name, value in BRATS.labels.items():  # the viewer numbers segments in an order of its own
        assert np.array_equal(expected[i, j, k] == value, drawn.data.ravel() == drawn.names[name])
    assert expected.any()
    core = ndimage.binary_erosion(expected > 0)
    outside = ~ndimage.binary_dilation(expected > 0, iterations=3)
    return world(mask.affine, core), world(mask.affine, outside)


def world(affine: NDArray[np.float64], voxels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """RAS mm (K, 3) of the set voxels, at most some thousands."""
    points = np.argwhere(voxels)
    points = points[:: max(1, len(points) // 20000)]
    found: NDArray[np.float64] = points @ affine[:3, :3].T + affine[:3, 3]
    return found


def test_the_list_of_studies_can_be_searched(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/ohif/")
    page.get_by_text("Ward, Eight", exact=True).first.wait_for(timeout=60_000)
    keep_picture(page, "ohif-list")
    page.locator('[data-cy="input-mrn"]').fill("Seven")
    page.get_by_text("Ward, Eight", exact=True).first.wait_for(state="detached", timeout=60_000)
    page.get_by_text("Ward, Seven", exact=True).first.wait_for(timeout=60_000)
    assert page.get_by_text("Ward, Eight", exact=True).count() == 0


def test_the_way_to_the_store_forwards_the_question_and_leads_nowhere_else(server: Server) -> None:
    found = server.get("/proxy/dicom/qido/studies?00100020=Seven").json()
    assert len(found) == 1
    assert len(server.get("/proxy/dicom/qido/studies?PatientName=*sev*").json()) == 1
    assert len(server.get("/proxy/dicom/qido/studies").json()) == 3
    accepted = server.get("/proxy/dicom/qido/studies", headers={"Accept": "application/dicom+xml"})
    assert "xml" in accepted.headers["content-type"]
    for way in ("..%2fsystem", "wado/..%2f..%2fsystem", "%2e%2e/system"):
        assert server.get(f"/proxy/dicom/{way}").status_code == 404


def test_files_of_the_viewer_in_folders_are_files(server: Server) -> None:
    icon = server.get("/ohif/assets/favicon-16x16.png")
    assert icon.headers["content-type"] == "image/png"
    assert "text/html" in server.get("/ohif/viewer").headers["content-type"]  # the viewer's own addresses
    outside = server.get("/ohif/..%2f..%2f__init__.py")
    assert outside.status_code == 404 or "text/html" in outside.headers["content-type"]
