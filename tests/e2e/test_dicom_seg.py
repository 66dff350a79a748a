"""DICOM SEG through a real Orthanc: out as an answer and as a label, in as training data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
import requests

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.dicom_volume import read_series
from ccsd.imaging.grid import Grid
from ccsd.imaging.seg_read import read_seg
from ccsd.imaging.seg_write import Author, make_seg
from ccsd.imaging.volumes import write_volume
from ccsd.method.task import BRATS
from ccsd.models.served import SHIPPED
from tests.e2e.conftest import Server, start_server
from tests.e2e.orthanc import Orthanc, start_orthanc
from tests.e2e.test_dicomweb import SERIES
from tests.e2e.test_server import read_mask
from tests.imaging.seg.test_round_trip import edited, read_by_dcmqi, read_by_highdicom, some_mask, stored
from tests.studies.dicom_files import Made, write_series

STUDY = "1.2.826.0.7"
T1, T2 = f"{STUDY}.1", f"{STUDY}.2"


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    yield from start_orthanc(tmp_path_factory.mktemp("orthanc"))


@pytest.fixture(scope="module")
def files(phantom: Phantom, orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """A study of T1 and T2 in the store; the slices of T2 are stored from the last to the first."""
    folder = tmp_path_factory.mktemp("dicom")
    written = {}
    for number, (name, uid) in enumerate({"t1": T1, "t2": T2}.items(), start=1):
        made = Made(
            phantom.volumes[name].astype(np.uint16),
            spacing=(1.0, 1.0),
            gap=1.0,
            study_uid=STUDY,
            series_uid=uid,
            number=number,
            order=None if name == "t1" else list(range(47, -1, -1)),
            tags={"PatientID": "p7", **SERIES[name]},
        )
        written[uid] = write_series(folder / name, made)
        for path in written[uid]:
            orthanc.store(path)
    return written


@pytest.fixture(scope="module")
def server(orthanc: Orthanc, files: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from start_server(orthanc.dicomweb, tmp_path_factory.mktemp("seg_server"), weights=SHIPPED)


def segmentations(orthanc: Orthanc) -> list[pydicom.Dataset]:
    """All SEG instances of the store."""
    found = requests.post(
        f"{orthanc.url}/tools/find", json={"Level": "Instance", "Query": {"Modality": "SEG"}}, timeout=30
    ).json()
    content = [requests.get(f"{orthanc.url}/instances/{i}/file", timeout=30).content for i in found]
    return [pydicom.dcmread(BytesIO(c)) for c in content]


def wait_for(server: Server, text: str) -> None:
    """Until the log has it; what is asked meanwhile lists the store anew."""
    deadline = time.monotonic() + 60
    while text not in server.log.read_text():
        assert time.monotonic() < deadline, server.log.read_text()[-2000:]
        assert server.get("/datastore/").ok
        time.sleep(0.3)


def kept_label(server: Server, image: str, folder: Path) -> tuple[np.ndarray, Grid]:
    """The final label that the server gives for an image."""
    mask = read_mask(server.get(f"/datastore/label?label={image}&tag=final"), folder)
    return np.asarray(mask.dataobj), Grid(mask.shape, mask.affine)


@pytest.mark.parametrize("image", [T1, T2])
def test_a_mask_as_dicom_seg_is_the_mask_for_every_reader(
    server: Server, orthanc: Orthanc, files: dict[str, list[Path]], image: str, tmp_path: Path
) -> None:
    answer = server.infer(image, output="dicom_seg")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/dicom"
    (tmp_path / "seg.dcm").write_bytes(answer.content)
    expected = np.asarray(read_mask(server.infer(image, output="image"), tmp_path).dataobj)
    assert expected.any()
    orthanc.store(tmp_path / "seg.dcm")  # a store takes it
    grid = read_series(files[image], image).grid
    assert np.array_equal(read_seg(pydicom.dcmread(tmp_path / "seg.dcm"), grid, BRATS), expected)
    assert np.array_equal(read_by_highdicom(tmp_path / "seg.dcm", files[image]), expected.transpose(2, 1, 0))
    assert np.array_equal(read_by_dcmqi(tmp_path / "seg.dcm", tmp_path / "dcmqi", grid), expected)
    segment = pydicom.dcmread(tmp_path / "seg.dcm").SegmentSequence[0]
    version = server.get("/info/").json()["models"]["ccsd"]["version"]
    assert segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == version


def test_automatic_segmentations_in_the_store_are_nobodys_labels(server: Server, tmp_path: Path) -> None:
    assert server.get("/datastore/").json()["completed"] == 0
    assert server.get(f"/datastore/label?label={T1}&tag=final").status_code == 404


def test_a_saved_label_is_in_the_store_too_and_a_fresh_server_has_it_from_there(
    server: Server,
    orthanc: Orthanc,
    files: dict[str, list[Path]],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    mask, grid = some_mask(files[T2])
    write_volume(tmp_path / "label.nii.gz", mask, grid)
    with (tmp_path / "label.nii.gz").open("rb") as file:
        said = {"params": '{"corrected_from": "w1"}'}  # as the page sends it
        saved = server.put(f"/datastore/label?image={T2}&tag=final", files={"label": file}, data=said)
    assert saved.status_code == 200, saved.text
    (seg,) = [s for s in segmentations(orthanc) if s.SegmentSequence[0].SegmentAlgorithmType == "MANUAL"]
    assert saved.json()["dicom_seg"] == seg.SOPInstanceUID
    assert seg.SeriesDescription == "brats, corrected from w1"
    assert np.array_equal(read_seg(seg, grid, BRATS), mask)
    fresh = start_server(orthanc.dicomweb, tmp_path_factory.mktemp("fresh"))
    other = next(fresh)
    try:
        wait_for(other, f"is the label of {T2}")
        label, where = kept_label(other, T2, tmp_path)
        assert np.array_equal(label, mask)
        assert where.matches(grid)
        (row,) = other.get("/datastore/?output=train").json()
        assert row["id"] == T2
        assert "is automatic, nobody has looked at it" in other.log.read_text()
    finally:
        fresh.close()  # type: ignore[attr-defined]  # a generator


def test_a_segmentation_edited_elsewhere_becomes_the_label_of_its_study(
    server: Server, orthanc: Orthanc, files: dict[str, list[Path]], tmp_path: Path
) -> None:
    mask, grid = some_mask(files[T1])
    mask[mask == 2] = 0
    time.sleep(1.1)  # its content's time, in s, is later than that of the label before
    orthanc.store(edited(files[T1], mask, tmp_path / "edited.dcm"))
    wait_for(server, f"is the label of {T1}")
    label, where = kept_label(server, T1, tmp_path)
    assert np.array_equal(label, mask)
    assert where.matches(grid)
    (row,) = server.get("/datastore/?output=train").json()  # the newest label of the study
    assert row["id"] == T1
    assert server.get("/datastore/").json()["completed"] == 1


def test_a_broken_segmentation_is_noted_and_disturbs_nobody(
    server: Server, orthanc: Orthanc, files: dict[str, list[Path]], tmp_path: Path
) -> None:
    before, _ = kept_label(server, T1, tmp_path)
    mask, _ = some_mask(files[T1])
    time.sleep(1.1)
    seg = make_seg(mask, files[T1], BRATS, Author("MANUAL", "1", "broken"))
    seg.SegmentationType = "FRACTIONAL"
    orthanc.store(stored(seg, tmp_path / "broken.dcm"))
    wait_for(server, "the segmentation is FRACTIONAL, expected BINARY")
    after, _ = kept_label(server, T1, tmp_path)
    assert np.array_equal(after, before)


def test_only_a_dicom_series_has_a_dicom_segmentation(phantom: Phantom, tmp_path: Path) -> None:
    write_phantom(phantom, tmp_path / "studies" / "case", "case", modalities=["t1"])
    files = write_series(
        tmp_path / "studies" / "dicom",
        Made(phantom.volumes["t2"].astype(np.uint16), spacing=(1.0, 1.0), gap=1.0, tags=SERIES["t2"]),
    )
    servers = start_server(tmp_path / "studies", tmp_path / "server")
    server = next(servers)
    try:
        refused = server.infer("case_t1", output="dicom_seg")
        assert refused.status_code == 400
        assert "case_t1.nii.gz is no DICOM series" in refused.json()["detail"]
        series = str(pydicom.dcmread(files[0]).SeriesInstanceUID)
        answer = server.infer(series, output="dicom_seg")  # of a folder
        assert answer.status_code == 200, answer.text
        assert pydicom.dcmread(BytesIO(answer.content)).Modality == "SEG"
        session = server.put("/session/", files=[("files", (f.name, f.read_bytes())) for f in files]).json()
        sent = server.post(f"/infer/ccsd?session_id={session['session_id']}&output=dicom_seg")
        assert sent.status_code == 200, sent.text
        assert pydicom.dcmread(BytesIO(sent.content)).Modality == "SEG"
    finally:
        servers.close()  # type: ignore[attr-defined]
