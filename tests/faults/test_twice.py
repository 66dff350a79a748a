"""The same sent twice, one after the other and at once: it is kept once, and what differs is told apart."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import requests

from ccsd.demo.phantom import Phantom
from tests.e2e.conftest import Server
from tests.faults.bad_images import brain, packed
from tests.faults.test_bad_images import is_sentence


def at_once(requests_: Sequence[Callable[[], requests.Response]]) -> list[requests.Response]:
    start = threading.Barrier(len(requests_))

    def send(request: Callable[[], requests.Response]) -> requests.Response:
        start.wait()
        return request()

    with ThreadPoolExecutor(len(requests_)) as pool:
        return list(pool.map(send, requests_))


def add(server: Server, name: str, content: bytes) -> requests.Response:
    return server.put("/datastore/image", params={"image": name}, files={"file": (f"{name}.nii.gz", content)})


def kept(server: Server) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in Path(server.studies, "uploads").rglob("*") if f.is_file()}


def test_one_image_sent_often_is_one_image(server: Server, temporary: Path) -> None:
    studies, content = server.get("/datastore/").json()["total"], packed(brain())
    first = at_once([lambda: add(server, "one_t1", content)] * 6)
    again = add(server, "one_t1", content)
    assert {answer.status_code for answer in (*first, again)} == {200}
    assert {answer.json()["image"] for answer in first} == {"one_t1"}
    assert kept(server) == {"one_t1.nii.gz": content}
    assert server.get("/datastore/").json()["total"] == studies + 1
    assert not list(temporary.glob("ccsd-*"))


def test_of_two_images_of_one_name_at_once_one_is_kept_and_the_other_refused(server: Server) -> None:
    contents = [packed(brain() + (brain() > 0) * step) for step in range(4)]
    answers = at_once([lambda content=content: add(server, "two_t1", content) for content in contents])
    taken = [content for content, answer in zip(contents, answers, strict=True) if answer.ok]
    assert [kept(server)["two_t1.nii.gz"]] == taken
    for answer in answers:
        if not answer.ok:
            assert answer.status_code == 400
            assert is_sentence(answer.json()["detail"])
            assert "exists with other content" in answer.json()["detail"]


def test_two_sessions_of_one_image_are_two(server: Server) -> None:
    files = [("files", ("x_flair.nii.gz", packed(brain())))]
    answers = at_once([lambda: server.put("/session/", files=files)] * 3)
    sessions = {answer.json()["session_id"] for answer in answers}
    assert len(sessions) == 3
    for session in sessions:
        assert server.delete(f"/session/{session}").ok


def test_labels_saved_at_once_are_one_of_them_with_what_was_said_of_it(server: Server, phantom: Phantom) -> None:
    said = {"params": json.dumps({"label_info": [{"name": "WT", "idx": 1}]})}
    whole, everything = (phantom.label > 0).astype(np.uint8), phantom.label

    def save(values: np.ndarray, data: dict[str, str]) -> requests.Response:
        content = gzip.compress(nib.nifti1.Nifti1Image(values, phantom.grid.affine).to_bytes())
        query = {"image": "case_flair", "tag": "final"}
        return server.put("/datastore/label", params=query, files={"label": ("l.nii.gz", content)}, data=data)

    answers = at_once([lambda: save(whole, said), lambda: save(everything, {})] * 3)
    assert {answer.status_code for answer in answers} == {200}
    query = {"label": "case_flair", "tag": "final"}
    content = gzip.decompress(server.get("/datastore/label", params=query).content)
    values = np.asarray(nib.nifti1.Nifti1Image.from_bytes(content).dataobj)
    partial = server.get("/datastore/label/info", params=query).json().get("regions") == ["WT"]
    assert len(np.unique(values)) == (2 if partial else 4)
    assert server.get("/datastore/").json()["label_tags"] == {"final": 1}
