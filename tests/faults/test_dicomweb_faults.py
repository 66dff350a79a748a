"""A DICOMweb server that is silent, broken or cut off in the midst: 502 in one sentence, nothing of it is kept, and the
same request works when it is well. A real Orthanc behind a proxy that fails on demand."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import nibabel as nib
import numpy as np
import pytest
import requests

from ccsd.imaging.dicom_volume import read_series
from ccsd.server.datastores.connection import DeadlineAdapter
from tests.e2e.conftest import Server, start_server
from tests.e2e.orthanc import Orthanc, start_orthanc
from tests.faults.bad_store import BadStore, running
from tests.faults.test_bad_images import is_sentence
from tests.studies.dicom_files import Made, write_series

FAULTS = [
    *[(f, a) for f in ("no answer", "500", "another page", "other JSON") for a in ("a search", "headers", "voxels")],
    *[(f"cut off{how}", a) for how in ("", " without a length") for a in ("a search", "headers", "voxels")],
    ("silence", "headers"),
    ("silence", "voxels"),
]
STUDIES = len(FAULTS) + 2
T2 = {
    "SeriesDescription": "T2 AX",
    "ScanningSequence": "SE",
    "MRAcquisitionType": "2D",
    "RepetitionTime": 4000.0,
    "EchoTime": 100.0,
}


def series_uid(study: int) -> str:
    return f"1.2.826.0.2.{study}.1"


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    yield from start_orthanc(tmp_path_factory.mktemp("orthanc"))


@pytest.fixture(scope="module")
def voxels(orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """What every series of the store holds; a study for each fault, so that none is kept from before."""
    folder = tmp_path_factory.mktemp("dicom")
    data = np.random.default_rng(0).integers(100, 900, (32, 32, 6)).astype(np.uint16)
    for study in range(STUDIES):
        uids = {"study_uid": f"1.2.826.0.2.{study}", "series_uid": series_uid(study)}
        made = Made(data, spacing=(2.0, 2.0), gap=5.0, tags={"PatientID": f"p{study}", **T2}, **uids)
        paths = write_series(folder / str(study), made)
        for path in paths:
            orthanc.store(path)
    return read_series(paths, "series").data


@pytest.fixture(scope="module")
def store(orthanc: Orthanc, voxels: np.ndarray) -> Iterator[BadStore]:
    with running(BadStore(orthanc.dicomweb)) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def server(store: BadStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    variables = {"MONAI_LABEL_DICOMWEB_READ_TIMEOUT": "2"}
    yield from start_server(store.url, tmp_path_factory.mktemp("bad_store"), variables=variables)


fresh = count()


@pytest.fixture
def series() -> str:
    """One that was not asked for before."""
    return series_uid(next(fresh))


def infer(server: Server, series: str) -> requests.Response:
    return server.infer(series, params='{"preprocess": "off"}')


def image_of(server: Server, series: str) -> np.ndarray:
    answer = server.get(f"/datastore/image?image={series}")
    assert answer.status_code == 200, answer.text
    return np.asarray(nib.nifti1.Nifti1Image.from_bytes(gzip.decompress(answer.content)).dataobj)


@pytest.mark.parametrize(("fault", "spoilt"), FAULTS)
def test_a_store_that_fails_is_502_and_nothing_of_it_is_kept(
    server: Server, store: BadStore, series: str, voxels: np.ndarray, fault: str, spoilt: str
) -> None:
    with store.failing(fault, spoilt):
        answer = infer(server, series)
        assert store.happened > 0
    assert answer.status_code == 502, answer.text
    assert is_sentence(answer.json()["detail"])
    assert "the DICOMweb server" in answer.json()["detail"]
    cache = server.app.parent / "dicomweb"
    assert not list(cache.rglob(".writing-*"))
    assert not list(cache.rglob(f"{series}/.complete"))
    assert infer(server, series).status_code == 200
    assert np.array_equal(image_of(server, series), voxels)


def test_an_answer_that_never_ends_is_given_up() -> None:
    listening = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        """A byte now and then, so that there is never silence for long."""
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            for _ in range(80):
                connection.sendall(b"x")
                time.sleep(0.05)

    thread = threading.Thread(target=drip)
    thread.start()
    session = requests.Session()
    session.mount("http://", DeadlineAdapter(read=0.5, whole=0.5))
    with pytest.raises(requests.ReadTimeout, match=r"not complete after 0\.5 s"):
        session.get(f"http://127.0.0.1:{listening.getsockname()[1]}/")
    listening.close()
    thread.join()


def test_a_store_that_was_away_is_asked_again(
    server: Server, store: BadStore, series: str, orthanc: Orthanc, voxels: np.ndarray
) -> None:
    port = store.server_address[1]  # this test comes last: the module's proxy ends here
    store.shutdown()
    store.server_close()
    assert infer(server, series).status_code == 502
    assert server.get("/info/").ok
    with running(BadStore(orthanc.dicomweb, port)):
        assert infer(server, series).status_code == 200
        assert np.array_equal(image_of(server, series), voxels)
