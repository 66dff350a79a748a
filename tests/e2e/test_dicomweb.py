"""Studies in a real Orthanc: one series is asked for, the study is segmented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ccsd.demo.phantom import Phantom
from ccsd.imaging.dicom import group_series
from ccsd.imaging.dicom_volume import read_series, series_grid
from ccsd.imaging.volumes import write_volume
from tests.conftest import SHARED_DATA
from tests.e2e.conftest import Server, start_server
from tests.e2e.orthanc import Orthanc, start_orthanc
from tests.e2e.test_server import read_mask
from tests.studies.dicom_files import Made, write_series

SPIN_ECHO = {"ScanningSequence": "SE", "MRAcquisitionType": "2D"}
SERIES = {
    "t1": {"SeriesDescription": "T1 AX", "RepetitionTime": 500.0, "EchoTime": 10.0, **SPIN_ECHO},
    "t1ce": {
        "SeriesDescription": "T1 AX",
        "RepetitionTime": 500.0,
        "EchoTime": 10.0,
        "ContrastBolusAgent": "GADOVIST",
        **SPIN_ECHO,
    },
    "t2": {"SeriesDescription": "T2 AX", "RepetitionTime": 4000.0, "EchoTime": 100.0, **SPIN_ECHO},
    "adc": {"SeriesDescription": "ADC map", "ImageType": ["DERIVED", "PRIMARY", "ADC"], **SPIN_ECHO},
}

PATIENT = {"PatientName": "Zyzwich^Marvin", "PatientID": "Zyzwich-4711", "PatientBirthDate": "19411213"}

Files = dict[str, list[Path]]


def uid(study: int, name: str) -> str:
    return f"1.2.826.0.1.{study}.{list(SERIES).index(name) + 1}"


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    yield from start_orthanc(tmp_path_factory.mktemp("orthanc"))


@pytest.fixture(scope="module")
def files(phantom: Phantom, orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Two studies of four series in the store; the files of the first."""
    folder = tmp_path_factory.mktemp("dicom")
    written = {}
    for study in (1, 2):
        for number, (name, tags) in enumerate(SERIES.items(), start=1):
            data = phantom.volumes["t2" if name == "adc" else name].astype(np.uint16)
            made = Made(
                data,
                origin=(20.0, -30.0, 10.0 * study),
                spacing=(1.0, 1.0),
                gap=1.0,
                study_uid=f"1.2.826.0.1.{study}",
                series_uid=uid(study, name),
                number=number,
                tags={**PATIENT, **tags},
            )
            paths = write_series(folder / f"{study}-{name}", made)
            if study == 1:
                written[name] = paths
            for path in paths:
                orthanc.store(path)
    return written


@pytest.fixture(scope="module")
def server(orthanc: Orthanc, files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from start_server(orthanc.dicomweb, tmp_path_factory.mktemp("dicomweb_server"))


def fetched(server: Server) -> list[str]:
    """The series whose voxels were fetched, as often as they were."""
    return re.findall(r"fetched ([0-9.]+):", server.log.read_text())


def test_two_users_at_once_get_the_study_of_one_series_fetched_once(
    server: Server, files: Files, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(server.infer, [uid(1, "t1"), uid(1, "t2")])
    assert first.status_code == second.status_code == 200, first.text + second.text
    used = first.json()["ccsd"]["modalities"]
    assert set(used["used"]) == {"t1", "t1ce", "t2"}
    assert used["missing"] == ["flair"]
    assert "series 4 ADC map" in used["ignored"]
    assert sorted(fetched(server)) == sorted(uid(1, m) for m in ("t1", "t1ce", "t2"))
    mask = read_mask(server.infer(uid(1, "t2"), output="image"), tmp_path)
    grid = read_series(files["t2"], "t2").grid
    assert mask.shape == grid.shape
    assert np.allclose(mask.affine, grid.affine, atol=1e-4)


def test_studies_count_once_and_other_modalities_are_not_listed(server: Server) -> None:
    assert server.get("/datastore/").json()["total"] == 2
    listed = server.get("/datastore/?output=all").json()["objects"]
    assert set(listed) == {uid(s, m) for s in (1, 2) for m in SERIES}


def test_a_series_can_be_downloaded_as_one_volume(server: Server, files: Files, tmp_path: Path) -> None:
    volume = read_mask(server.get(f"/datastore/image?image={uid(2, 't1')}"), tmp_path)
    assert np.array_equal(np.asarray(volume.dataobj), read_series(files["t1"], "t1").data)


def test_a_label_serves_the_whole_study(server: Server, files: Files, tmp_path: Path) -> None:
    volume = read_series(files["t1"], "t1")
    write_volume(tmp_path / "label.nii.gz", np.ones(volume.grid.shape, np.uint8), volume.grid)
    with (tmp_path / "label.nii.gz").open("rb") as file:
        saved = server.put(f"/datastore/label?image={uid(1, 't1')}&tag=final", files={"label": file})
    assert saved.status_code == 200, saved.text
    sister = server.get(f"/datastore/label?label={uid(1, 't2')}&tag=final")
    assert np.asarray(read_mask(sister, tmp_path).dataobj).all()
    assert server.get("/datastore/").json()["completed"] == 1
    info = server.get(f"/datastore/label/info?label={uid(1, 't2')}&tag=final").json()
    assert info == server.get(f"/datastore/label/info?label={uid(1, 't1')}&tag=final").json() != {}
    for _ in range(6):
        chosen = server.post("/activelearning/random", json={}).json()
        assert chosen["SeriesInstanceUID"] in {uid(2, m) for m in SERIES if m != "adc"}  # a map is nothing to draw on


def test_a_request_can_name_series_and_modalities(server: Server) -> None:
    named = {"modalities": {"t1": "1", "flair": "3"}}
    answer = server.infer(uid(2, "t1"), params=json.dumps(named))
    assert answer.status_code == 200, answer.text
    assert answer.json()["ccsd"]["modalities"]["used"] == {"t1": "series 1 T1 AX", "flair": "series 3 T2 AX"}


def test_a_series_that_nothing_tells_is_what_the_request_says(
    server: Server, orthanc: Orthanc, phantom: Phantom, tmp_path: Path
) -> None:
    made = Made(phantom.volumes["t1"].astype(np.uint16), spacing=(1.0, 1.0), gap=1.0, study_uid="1.2.826.0.1.3")
    for path in write_series(tmp_path, made):
        orthanc.store(path)
    unknown = server.infer(made.series_uid)
    assert unknown.status_code == 400
    assert "cannot tell the modality" in unknown.json()["detail"]
    told = server.infer(made.series_uid, params=json.dumps({"modalities": "t1"}))
    assert told.status_code == 200, told.text
    assert set(told.json()["ccsd"]["modalities"]["used"]) == {"t1"}
    assert server.get(f"/datastore/image?image={made.series_uid}").status_code == 200


def test_a_series_that_grew_is_fetched_anew(server: Server, orthanc: Orthanc, phantom: Phantom, tmp_path: Path) -> None:
    data = phantom.volumes["t2"].astype(np.uint16)
    made = Made(data, spacing=(1.0, 1.0), gap=1.0, study_uid="1.2.826.0.1.4", tags=SERIES["t2"])
    paths = write_series(tmp_path, made)
    for path in paths[:-8]:
        orthanc.store(path)
    address = f"/datastore/image?image={made.series_uid}"
    assert read_mask(server.get(address), tmp_path).shape == (48, 48, 40)
    for path in paths[-8:]:
        orthanc.store(path)
    assert read_mask(server.get(address), tmp_path).shape == (48, 48, 48)


def test_what_this_server_cannot_do_with_a_store_is_one_sentence(server: Server) -> None:
    added = server.put("/datastore/image?image=x", files={"file": ("x.nii.gz", b"")})
    assert added.status_code == 400


def test_a_clinical_study_of_ten_series_is_segmented_from_the_four_that_tell(
    server: Server, orthanc: Orthanc, tmp_path: Path
) -> None:
    folder = SHARED_DATA / "dicom" / "glioma-philips"
    if not folder.is_dir():
        pytest.skip("the DICOM study glioma-philips is not on this machine (../shared/data)")
    for path in sorted(folder.rglob("*.dcm")):
        orthanc.store(path)
    series = {one.number: one for one in group_series(sorted(folder.rglob("*.dcm")))}
    before = fetched(server)
    answer = server.infer(series["1201"].uid)
    assert answer.status_code == 200, answer.text
    used = answer.json()["ccsd"]["modalities"]["used"]
    assert {m: name.split()[1] for m, name in used.items()} == {
        "t1": "901",
        "t1ce": "1201",
        "t2": "401",
        "flair": "701",
    }
    assert sorted(fetched(server)[len(before) :]) == sorted(series[n].uid for n in ("901", "1201", "401", "701"))
    mask = read_mask(server.infer(series["701"].uid, output="image"), tmp_path)
    grid = series_grid([piece.path for piece in series["701"].slices], "series 701")
    assert mask.shape == grid.shape
    assert np.allclose(mask.affine, grid.affine, atol=1e-3)


def test_what_is_not_there_is_404(server: Server) -> None:
    missing = server.infer("1.2.3.4")
    assert missing.status_code == 404
    assert "image 1.2.3.4 does not exist" in missing.json()["detail"]
    escaping = server.infer("../../etc/passwd")
    assert escaping.status_code == 404


def test_a_store_that_is_away_is_502_with_its_name(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> None:
    stores = start_orthanc(tmp_path_factory.mktemp("away"))
    orthanc = next(stores)
    folder = tmp_path_factory.mktemp("away_series")
    made = Made(phantom.volumes["t1"].astype(np.uint16), spacing=(1.0, 1.0), gap=1.0, tags=SERIES["t1"])
    for path in write_series(folder, made):
        orthanc.store(path)
    servers = start_server(orthanc.dicomweb, tmp_path_factory.mktemp("away_server"))
    server = next(servers)
    try:
        orthanc.stop()
        answer = server.infer(made.series_uid)
        assert answer.status_code == 502
        assert answer.elapsed.total_seconds() < 5
        assert server.get("/proxy/dicom/studies").status_code == 502  # OHIF's way
        assert f"the DICOMweb server {orthanc.dicomweb} failed" in answer.json()["detail"]
    finally:
        servers.close()  # type: ignore[attr-defined]  # a generator
        stores.close()  # type: ignore[attr-defined]


def test_no_patient_is_named_in_the_log(server: Server) -> None:
    """Whatever the tests before have asked; and an answer that a patient's data are in, and errors about them."""
    assert server.post("/infer/ccsd", params={"image": uid(1, "t2"), "output": "dicom_seg"}).status_code == 200
    assert "Zyzwich" in server.get("/proxy/dicom/qido/studies").text
    assert server.infer(uid(1, "adc")).status_code in (200, 400)
    assert server.infer(uid(1, "t1"), params=json.dumps({"modalities": ["flair"]})).status_code == 400
    log = server.log.read_text()
    assert uid(1, "t2") in log
    for value in ("zyzwich", "marvin", "4711", "19411213"):
        assert value not in log.lower()
