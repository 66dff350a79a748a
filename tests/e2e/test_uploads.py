"""Studies that a client sends: sessions of one file, of several, of an archive; files sent with the request."""

from __future__ import annotations

import http.client
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nibabel as nib
import numpy as np
import pytest
import requests

from ccsd.demo.phantom import Phantom
from tests.e2e.conftest import Server
from tests.e2e.test_server import read_mask
from tests.studies.dicom_files import Made, write_series


def open_session(server: Server, files: list[Path], query: str = "") -> requests.Response:
    return server.put(f"/session/{query}", files=[("files", (f.name, f.read_bytes())) for f in files])


def infer_session(server: Server, session: str, **query: Any) -> requests.Response:
    return server.post("/infer/ccsd", params={"session_id": session, "output": "json", **query})


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(folder))
    return target


@pytest.fixture(scope="module")
def images(server: Server) -> list[Path]:
    """The images of the study `case`, without its label."""
    return [f for f in sorted((server.studies / "case").glob("case_*.nii.gz")) if "seg" not in f.name]


@pytest.mark.parametrize("form", ["files", "zip", "zip that is asked to be unpacked"])
def test_a_session_of_several_images_is_a_study(server: Server, images: list[Path], tmp_path: Path, form: str) -> None:
    query = ""
    if form != "files":
        (tmp_path / "study").mkdir()
        for image in images:
            (tmp_path / "study" / image.name).write_bytes(image.read_bytes())
        query = "?uncompress=true" if "asked" in form else ""
        opened = open_session(server, [zipped(tmp_path / "study", tmp_path / "study.zip")], query)
    else:
        opened = open_session(server, images)
    assert opened.status_code == 200, opened.text
    answer = infer_session(server, opened.json()["session_id"])
    assert answer.status_code == 200, answer.text
    assert set(answer.json()["ccsd"]["modalities"]["used"]) == {"t1", "t1ce", "t2", "flair"}
    mask = read_mask(infer_session(server, opened.json()["session_id"], output="image"), tmp_path)
    image = nib.loadsave.load(images[0])
    assert mask.shape == image.shape
    assert np.allclose(mask.affine, image.affine, atol=1e-4)


def test_a_session_of_one_volume_segments_from_it_alone(server: Server, images: list[Path]) -> None:
    flair = next(i for i in images if "flair" in i.name)
    session = open_session(server, [flair]).json()["session_id"]
    used = infer_session(server, session).json()["ccsd"]["modalities"]["used"]
    assert used == {"flair": flair.name}


def test_a_dicom_study_can_be_sent_as_an_archive(server: Server, phantom: Phantom, tmp_path: Path) -> None:
    for number, (name, echo) in enumerate({"t1": 10.0, "t2": 100.0}.items(), start=1):
        tags = {"SeriesDescription": f"{name.upper()} AX", "RepetitionTime": 40 * echo, "EchoTime": echo}
        tags |= {"ScanningSequence": "SE", "MRAcquisitionType": "2D"}
        made = Made(phantom.volumes[name].astype(np.uint16), spacing=(1, 1), gap=1, number=number, tags=tags)
        write_series(tmp_path / "dicom" / name, made)
    archive = zipped(tmp_path / "dicom", tmp_path / "dicom.zip")
    with archive.open("rb") as file:
        answer = server.post("/infer/ccsd?output=json", files={"file": ("dicom.zip", file)})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()["ccsd"]["modalities"]["used"]) == {"t1", "t2"}


def test_a_file_that_lost_its_name_is_what_the_request_says(server: Server, images: list[Path]) -> None:
    content = images[0].read_bytes()
    unknown = server.post("/infer/ccsd?output=json", files={"file": ("volume.nii.gz", content)})
    assert unknown.status_code == 400
    assert "cannot tell the modality" in unknown.json()["detail"]
    params = {"params": json.dumps({"modalities": ["flair"]})}
    known = server.post("/infer/ccsd?output=json", files={"file": ("volume.nii.gz", content)}, data=params)
    assert known.status_code == 200, known.text
    assert list(known.json()["ccsd"]["modalities"]["used"]) == ["flair"]


def test_a_file_keeps_its_name_and_leaves_nothing_behind(server: Server, images: list[Path]) -> None:
    before = set(Path(tempfile.gettempdir()).glob("ccsd-upload-*"))
    known = server.post("/infer/ccsd?output=json", files={"file": (images[0].name, images[0].read_bytes())})
    assert list(known.json()["ccsd"]["modalities"]["used"].values()) == [images[0].name]
    assert server.post("/infer/ccsd", files={"file": ("scan.nii.gz", b"damaged")}).status_code == 400
    assert set(Path(tempfile.gettempdir()).glob("ccsd-upload-*")) == before


def test_an_archive_of_one_file_is_that_file(server: Server, images: list[Path], tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "volume.nii.gz").write_bytes(images[0].read_bytes())
    archive = zipped(tmp_path / "one", tmp_path / "one.zip")
    session = open_session(server, [archive]).json()["session_id"]
    answer = infer_session(server, session)
    assert answer.status_code == 400
    told = server.post(
        f"/infer/ccsd?session_id={session}&output=json", data={"params": json.dumps({"modalities": "flair"})}
    )
    assert told.status_code == 200, told.text


def test_what_makes_no_session_is_refused_with_a_sentence(server: Server, images: list[Path]) -> None:
    content = images[0].read_bytes()
    same = server.put("/session/", files=[("files", ("scan.nii.gz", content))] * 2)
    assert (same.status_code, same.json()["detail"]) == (
        400,
        "files: two are named scan.nii.gz, expected a name for each",
    )
    assert server.put("/session/", files=[("files", ("study.zip", b"PK nothing"))]).status_code == 400
    several = open_session(server, images).json()["session_id"]
    assert server.get(f"/session/{several}").status_code == 200
    assert server.get(f"/session/{several}?image=true").status_code == 400
    ended = infer_session(server, "absent")
    assert (ended.status_code, ended.json()["detail"]) == (404, "session absent does not exist or has ended")


def test_files_of_other_programs_cannot_be_asked_for(server: Server, images: list[Path], tmp_path: Path) -> None:
    (tmp_path / images[0].name).write_bytes(images[0].read_bytes())
    assert server.infer(str(tmp_path / images[0].name)).status_code == 404


def test_archives_cannot_write_elsewhere_and_must_be_archives(server: Server, images: list[Path]) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../escaped_t1.nii.gz", images[0].read_bytes())
    escaping = server.put("/session/", files=[("files", ("study.zip", packed.getvalue()))])
    assert escaping.status_code == 400
    assert "expected names that stay inside the archive" in escaping.json()["detail"]
    broken = server.post("/infer/ccsd?output=json", files={"file": ("study.zip", b"PK nothing")})
    assert broken.status_code == 400
    assert "cannot be read as a zip archive" in broken.json()["detail"]


def test_a_label_is_found_from_every_image_of_its_study_and_the_study_is_done(
    server: Server, images: list[Path], tmp_path: Path
) -> None:
    before = server.get("/datastore/").json()
    reference = next((server.studies / "case").glob("*_seg.nii.gz"))
    saved = server.put(
        "/datastore/label?image=case_t1&tag=final", files={"label": (reference.name, reference.read_bytes())}
    )
    assert saved.status_code == 200, saved.text
    try:
        sister = server.get("/datastore/label?label=case_flair&tag=final")
        assert sister.status_code == 200
        assert read_mask(sister, tmp_path).shape == nib.loadsave.load(images[0]).shape
        after = server.get("/datastore/").json()
        assert (after["total"], after["completed"]) == (before["total"], before["completed"] + 1)
        assert not server.post("/activelearning/random", json={}).json()["id"].startswith("case")
    finally:
        server.delete("/datastore/label?id=case_t1&tag=final")


def test_a_request_that_announces_more_than_is_allowed_is_refused_at_once(server: Server) -> None:
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    connection.putrequest("POST", "/infer/ccsd")
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.putheader("Content-Length", str(5 * 2**30))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["detail"] == "the request is 5 GiB or more, expected at most 4 GiB"
    connection.close()
