"""Two hundred requests later the server has the memory, files, threads and temporary files that it had before."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
import requests

from ccsd.demo.phantom import Phantom
from tests.e2e.conftest import Server
from tests.faults.bad_images import brain, packed
from tests.faults.test_bad_labels import nifti

ROUNDS = 20  # of ten requests
FACTOR = 1.1  # of the resident memory after the first rounds


def requests_of(server: Server, phantom: Phantom) -> list[tuple[int, Callable[[], requests.Response]]]:
    """One of each kind, with the status that it is to have."""
    good, bad, label = packed(brain()), packed(brain())[:-500], nifti(phantom, lambda y: y)
    other = gzip.compress(nib.nifti1.Nifti1Image(np.full((24, 24, 24), 9, np.uint8), np.eye(4)).to_bytes())
    alone = '{"modalities": "flair", "preprocess": "off"}'

    def save(content: bytes) -> requests.Response:
        query = {"image": "case_flair", "tag": "final"}
        return server.put("/datastore/label", params=query, files={"label": ("l.nii.gz", content)})

    def send(content: bytes, output: str) -> requests.Response:
        files = {"file": ("x_flair.nii.gz", content)}
        return server.post(f"/infer/ccsd?output={output}", files=files, data={"params": alone})

    def open_and_close() -> requests.Response:
        opened = server.put("/session/", files=[("files", ("x_flair.nii.gz", good))])
        return server.delete(f"/session/{opened.json()['session_id']}")

    return [
        (200, lambda: server.infer("case_flair", params=alone)),
        (200, lambda: send(good, "image")),
        (200, lambda: send(good, "all")),
        (400, lambda: send(bad, "json")),
        (404, lambda: server.infer("nobody")),
        (200, lambda: save(label)),
        (400, lambda: save(other)),
        (200, open_and_close),
        (200, lambda: server.get("/info/")),
        (200, lambda: server.get("/ccsd/data/view?image=case_flair&modality=flair")),
    ]


def test_nothing_leaks(server: Server, temporary: Path, phantom: Phantom) -> None:
    process = psutil.Process(server.process)

    def run(rounds: int) -> dict[str, float]:
        for _ in range(rounds):
            for status, send in requests_of(server, phantom):
                assert send().status_code == status
        server.get("/info/")  # what follows an answer in the background is done
        return {
            "memory": process.memory_info().rss,
            "files": process.num_fds(),
            "threads": process.num_threads(),
            "temporary": len(list(temporary.rglob("*"))),
        }

    base = run(5)
    after = run(ROUNDS)
    assert after["temporary"] == base["temporary"]
    assert after["files"] <= base["files"] + 2, (base, after)
    assert after["threads"] <= base["threads"] + 2, (base, after)
    assert after["memory"] <= base["memory"] * FACTOR, (base, after)
