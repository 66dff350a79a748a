"""POST /batch/infer at a real server: every study once, resumable."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccsd.demo.phantom import Phantom, write_phantom
from tests.e2e.conftest import Server, start_server
from tests.e2e.test_server import read_mask


@pytest.fixture(scope="module")
def server(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Studies a, b and c; an image of b is damaged."""
    folder = tmp_path_factory.mktemp("batch")
    for name in "abc":
        write_phantom(phantom, folder / "studies" / name, name, modalities=["t1", "flair"], label=False)
    (folder / "studies" / "b" / "b_t1.nii.gz").write_bytes(b"damaged")
    yield from start_server(folder / "studies", folder)


def run(server: Server, **params: Any) -> list[str]:
    """The lines of a batch that was run to its end."""
    started = server.post("/batch/infer/ccsd", json=params or None)
    assert started.status_code == 200, started.text
    refused = False
    for _ in range(300):
        task = server.get("/batch/infer").json()
        if task["status"] == "RUNNING" and not refused:
            refused = server.post("/batch/infer/ccsd").status_code == 429
            assert refused  # one at a time
        if task["status"] not in {"SUBMITTED", "RUNNING"}:
            return [str(task["status"]), *task["details"]]
        time.sleep(0.3)
    raise TimeoutError(str(task))


def test_every_study_gets_a_mask_and_asking_again_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    lines = run(server, max_batch_size=1)
    assert lines[0] == "DONE"
    assert any("1 of 1: a_" in line and "from t1, flair" in line for line in lines), lines
    text = "\n".join(run(server))
    assert "1 of 3: a_" in text
    assert "passed over" in text
    assert "2 of 3: b_" in text
    assert "failed, b_t1.nii.gz" in text
    assert "batch inference of 3 studies: 1 done, 1 passed over, 1 failed" in text
    labels = server.get("/datastore/").json()["label_tags"]
    assert labels == {"original": 2}
    assert server.get("/datastore/").json()["completed"] == 0  # they are nobody's labels yet
    mask = read_mask(server.get("/datastore/label?label=c_t1&tag=original"), tmp_path)
    own = read_mask(server.infer("c_t1", output="image"), tmp_path)
    assert np.array_equal(np.asarray(mask.dataobj), np.asarray(own.dataobj))
    info = server.get("/datastore/label/info?label=c_flair&tag=original").json()
    assert set(info["params"]["modalities"]["used"]) == {"t1", "flair"}


def test_labels_of_users_are_never_overwritten(server: Server) -> None:
    lines = run(server, label_tag="final")
    assert lines[0] == "ERROR"
    assert lines[-1].startswith("error: label_tag is final, expected another")


@pytest.mark.parametrize("way", ["/batch/infer/ccsd", "/scoring/dice", "/scoring/subset_disagreement"])
@pytest.mark.parametrize("modalities", [[], " , ", "[]", ["t9"]])
def test_modalities_that_name_nothing_are_refused_before_anything_is_started(
    server: Server, way: str, modalities: object
) -> None:
    before = [server.get(path).json() for path in ("/batch/infer", "/scoring/")]
    answer = server.post(way, json={"modalities": modalities})
    assert answer.status_code == 400
    assert "expected names from t1, t1ce, t2, flair" in answer.json()["detail"]
    assert before == [server.get(path).json() for path in ("/batch/infer", "/scoring/")]
