"""A disk without room under everything that a server writes: a request that needs some is 507 in one sentence, what was
stored before is as it was, nothing half-written stays, and with room again the same request works."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import requests

from ccsd.common.errors import is_full
from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.volumes import Volume
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.models.served import ServedModel
from ccsd.models.versions import Versions
from ccsd.preprocessing.common_space_cache import cached_common_space
from tests.e2e.conftest import Server, start_server
from tests.faults.small_disk import full, small_disk
from tests.faults.test_bad_images import is_sentence

Request = Callable[[Server], requests.Response]


def model_of(folder: Path) -> ServedModel:
    return ServedModel(folder / "ccsd.pt", folder / "pretrained_ccsd.pt", BRATS, PRESETS["tiny"])


def network(seed: int) -> checkpoint.CCSDNetwork:
    return checkpoint.untrained(BRATS, PRESETS["tiny"], seed=seed).network


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small_disk(tmp_path_factory.mktemp("full") / "disk", mebibytes=32) as folder:
        yield folder


@pytest.fixture(scope="module")
def server(disk: Path, phantom: Phantom) -> Iterator[Server]:
    """Serves the study `case`, with a label and the second of two versions; all that it writes is on the disk."""
    write_phantom(phantom, disk / "studies" / "case", "case", modalities=["flair", "t2"], label=False)
    (disk / "temporary").mkdir()
    versions = Versions(model_of(disk / "ccsd" / "model"))
    for seed, name in enumerate(("first", "second")):
        versions.publish(network(seed), name=name)
    for running in start_server(disk / "studies", disk, variables={"TMPDIR": str(disk / "temporary")}):
        saved = label(phantom.label)(running)
        assert saved.status_code == 200, saved.text
        yield running


def label(values: np.ndarray) -> Request:
    def save(server: Server) -> requests.Response:
        image = nib.loadsave.load(server.studies / "case" / "case_flair.nii.gz")
        content = gzip.compress(nib.nifti1.Nifti1Image(values, image.affine).to_bytes())
        files = {"label": ("label.nii.gz", content)}
        return server.put("/datastore/label", params={"image": "case_flair", "tag": "final"}, files=files)

    return save


def image(server: Server) -> bytes:
    return (server.studies / "case" / "case_flair.nii.gz").read_bytes()


def large() -> bytes:
    """An image of more bytes than Starlette keeps in memory."""
    values = np.random.default_rng(0).normal(500, 60, (70, 70, 70)).astype(np.float32)
    return bytes(nib.nifti1.Nifti1Image(values, np.eye(4)).to_bytes())


def other_version(server: Server) -> requests.Response:
    known = server.get("/ccsd/data/versions").json()["versions"]
    return server.post(f"/ccsd/data/versions/{next(v['version'] for v in known if not v['served'])}")


REQUESTS: dict[str, Request] = {
    "a label is saved": label(np.pad(np.ones((8, 8, 8), np.uint8), 20)),
    "a mask is made": lambda s: s.infer("case_flair"),
    "a mask is made as NRRD": lambda s: s.infer("case_flair", params='{"result_extension": ".nrrd"}'),
    "an image is sent to be segmented": lambda s: s.post(
        "/infer/ccsd?output=json", files={"file": ("x_flair.nii.gz", image(s))}
    ),
    "a large one is": lambda s: s.post("/infer/ccsd?output=json", files={"file": ("x_flair.nii", large())}),
    "an image is added": lambda s: s.put("/datastore/image?image=new_t1", files={"file": ("x.nii.gz", image(s))}),
    "a session is opened": lambda s: s.put("/session/", files=[("files", ("x_flair.nii.gz", image(s)))]),
    "what is known of an image changes": lambda s: s.put(
        "/datastore/image/info?image=case_t2", data={"info": '{"seen": "' + "x" * 5000 + '"}'}
    ),
    "the data set is downloaded": lambda s: s.get("/datastore/dataset"),
    "another version is served": other_version,
}


def state(server: Server) -> dict[str, object]:
    """Everything that is stored, and what the server says of it."""
    folder = server.studies.parent
    own = {"filler", "server.log", "app.log"}
    files = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file() and f.name not in own}
    told = [server.get(f"/datastore/image/info?image={i}").json() for i in ("case_flair", "case_t2")]
    told += [server.get("/datastore/label/info?label=case_flair&tag=final").json(), server.get("/datastore/").json()]
    return {"files": files, "told": told, "model": server.get("/info/").json()["models"]["ccsd"]["version"]}


@pytest.mark.parametrize("what", REQUESTS)
def test_without_room_nothing_changes_and_the_request_works_later(server: Server, disk: Path, what: str) -> None:
    before = state(server)
    with full(disk):
        answer = REQUESTS[what](server)
        assert answer.status_code == 507, answer.text
        assert is_sentence(answer.json()["detail"])
        assert "disk is full" in answer.json()["detail"]
        assert state(server) == before
    assert state(server) == before
    again = REQUESTS[what](server)
    assert again.status_code == 200, again.text


def test_a_session_that_is_used_without_room_is_not_lost(server: Server, disk: Path) -> None:
    session = REQUESTS["a session is opened"](server).json()["session_id"]
    address = f"/infer/ccsd?output=json&session_id={session}"
    with full(disk):
        assert server.post(address).status_code == 507
    assert server.post(address).status_code == 200
    assert server.delete(f"/session/{session}").ok


def test_weights_that_do_not_fit_are_not_published(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mebibytes=16) as disk:
        versions = Versions(model_of(disk))
        first = versions.publish(network(0), name="first")
        checkpoint.save(tmp_path / "other.pt", network(1), name="other")
        files = sorted(disk.rglob("*"))
        for publish in (
            lambda: versions.publish(network(2), name="second"),
            lambda: versions.add(tmp_path / "other.pt"),
            lambda: versions.pin(first),
        ):
            with full(disk), pytest.raises((OSError, RuntimeError)) as caught:  # torch: an error about the error
                publish()
            assert is_full(caught.value)
            assert versions.model.current().version == first
            assert sorted(disk.rglob("*")) == files


def test_a_study_that_cannot_be_cached_is_prepared_all_the_same(tmp_path: Path, phantom: Phantom) -> None:
    volumes = {"flair": Volume(phantom.volumes["flair"] + 100.0, phantom.grid)}
    with small_disk(tmp_path / "disk", mebibytes=8) as disk, full(disk):
        result = cached_common_space(volumes, target="flair", folder=disk / "cache", mode="full")
        assert set(result.volumes) == {"flair"}
        assert not list((disk / "cache").glob("*"))
