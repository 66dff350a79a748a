"""Requests of somebody who wants what is not theirs: a file outside the studies, other weights, another server."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from ccsd.common.errors import InputError
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models.served import ServedModel
from ccsd.models.versions import Versions
from tests.e2e.conftest import Server
from tests.faults.bad_images import brain, packed
from tests.faults.test_bad_images import is_sentence


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A readable image of the server's machine that is none of its studies."""
    path = tmp_path_factory.mktemp("private") / "secret_flair.nii.gz"
    path.write_bytes(packed(brain()))
    return path


def refused(server: Server, status: int, **request: Any) -> str:
    answer = server.post("/infer/ccsd", **request)
    assert answer.status_code == status, answer.text
    detail: str = answer.json()["detail"]
    assert is_sentence(detail)
    return detail


def test_no_id_and_no_parameter_reaches_a_file_outside(server: Server, secret: Path) -> None:
    climbing = os.path.relpath(secret, server.studies)
    for image in (str(secret), climbing, f"case/../{climbing}", f"file://{secret}", f"{secret}\0", "/etc/passwd"):
        assert "does not exist" in refused(server, 404, params={"image": image, "output": "json"})
    for params in ({"image": str(secret)}, {"modalities": {"flair": str(secret)}}, {"modalities": {"t1": climbing}}):
        answer = server.infer("case_flair", params=json.dumps(params))
        if answer.ok:  # `image` in the parameters is MONAI Label's own key, which ours are read without
            assert answer.json()["ccsd"]["study"] == "case"
        else:
            assert answer.status_code in (400, 404)


@pytest.mark.parametrize("session", ["../../etc", "..", "%2e%2e", "a/b", "x" * 300])
def test_a_session_is_found_by_its_name_alone(server: Server, session: str) -> None:
    assert "does not exist" in refused(server, 404, params={"session_id": session, "output": "json"})


@pytest.mark.parametrize(
    "params",
    [{"model_filename": "/etc/passwd"}, {"model_path": "/etc/passwd"}, {"network": "os.system"}, {"cache": "/etc"}],
)
def test_a_request_cannot_choose_weights_or_code(server: Server, params: dict[str, str]) -> None:
    usual = server.infer("case_flair").json()["ccsd"]["model"]
    answer = server.infer("case_flair", params=json.dumps(params))
    assert answer.ok, answer.text
    assert answer.json()["ccsd"]["model"] == usual


def test_weights_cannot_be_put_or_taken_by_request(server: Server) -> None:
    for method in (server.put, server.get, server.delete):
        assert method("/model/ccsd").status_code in (404, 405)


class _Harmful:
    """Runs a command wherever it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def version_of(server: Server) -> str:
    return str(server.get("/info/").json()["models"]["ccsd"]["version"])


@pytest.mark.parametrize("form", ["a pickle", "a checkpoint"])
def test_weights_with_code_in_them_are_not_run_and_the_weights_in_use_stay(
    server: Server, tmp_path: Path, form: str
) -> None:
    usual = version_of(server)
    mark, weights = tmp_path / "harmed", tmp_path / "w.pt"
    if form == "a pickle":
        weights.write_bytes(pickle.dumps(_Harmful(mark)))
    else:
        torch.save({"model": _Harmful(mark), "version": "x"}, weights)
    model = ServedModel(server.app / "model" / "ccsd.pt", server.app / "model" / "none.pt", BRATS, PRESETS["tiny"])
    with pytest.raises(InputError, match=r"w\.pt cannot be read as a CCSD checkpoint"):
        Versions(model).add(weights)  # ccsd versions add
    shutil.copy(weights, model.published)  # past the rules, by hand
    try:
        assert version_of(server) == usual
        assert server.infer("case_flair", params='{"modalities": "flair"}').json()["ccsd"]["model"] == usual
        assert "ccsd.pt cannot be read as a CCSD checkpoint" in server.log.read_text()
    finally:
        model.published.unlink()
    assert version_of(server) == usual
    assert not mark.exists()


@pytest.mark.parametrize("tag", ["../x", "a/b", "", " ", "final/../../x"])
def test_a_tag_is_a_word(server: Server, tag: str) -> None:
    files = {"label": ("label.nii.gz", packed(brain()))}
    answer = server.put("/datastore/label", params={"image": "case_flair", "tag": tag}, files=files)
    assert 400 <= answer.status_code < 500
    assert not list(server.studies.parent.glob("x*"))


def test_the_proxy_asks_no_server_that_is_not_configured(server: Server) -> None:
    for path in ("http://127.0.0.1:1/x", "..%2f..%2fetc/passwd", "//127.0.0.1:1/"):
        answer = server.get(f"/proxy/dicom/{path}")
        assert answer.status_code == 404, answer.text
