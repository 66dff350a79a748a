"""A datastore and weights of older releases, opened by a server of today's code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ccsd.imaging.volumes import read_grid
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from tests.e2e.conftest import Server, start_server
from tests.e2e.test_server import read_mask
from tests.upgrade.release import unpack


@pytest.fixture(scope="module", params=["first", "landed"])
def left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as that release left it."""
    folder = tmp_path_factory.mktemp(request.param)
    unpack(request.param, folder)
    return folder


@pytest.fixture(scope="module")
def version(left: Path) -> str:
    content = torch.load(left / "ccsd" / "model" / "ccsd.pt", weights_only=True)
    return str(content["version"])


@pytest.fixture(scope="module")
def server(left: Path, version: str) -> Iterator[Server]:
    yield from start_server(left / "studies", left)


def test_studies_and_labels_are_listed(server: Server) -> None:
    found = server.get("/datastore/?output=all").json()["objects"]
    assert set(found) == {*(f"case_{m}" for m in BRATS.modalities), "poor_t2", "poor_flair"}
    assert {i for i, entry in found.items() if "final" in entry["labels"]} == {"case_flair"}
    assert server.get("/info/").json()["datastore"]["completed"] == 1


def test_the_label_is_read_as_it_was_saved(server: Server, tmp_path: Path) -> None:
    response = server.get("/datastore/label", params={"label": "case_flair", "tag": "final"})
    assert response.status_code == 200, response.text
    label = read_mask(response, tmp_path)
    assert set(np.unique(np.asarray(label.dataobj))) == {0, 1, 2, 3}
    image = read_grid(server.studies / "case" / "case_flair.nii.gz")
    assert label.shape == image.shape
    assert np.allclose(label.affine, image.affine, atol=1e-4)


def test_the_weights_are_served(server: Server, version: str) -> None:
    answer = server.infer("poor_flair")
    assert answer.status_code == 200, answer.text
    assert answer.json()["ccsd"]["model"] == version


def test_a_training_goes_on_from_the_weights(server: Server, version: str) -> None:
    wanted = {"max_epochs": 1, "steps": 2, "patch": 32, "publish_margin": 1, "publish_collapse": 1}
    assert server.post("/train/ccsd", json=wanted).ok
    done = server.wait_for_training({"DONE", "ERROR"})
    assert done["status"] == "DONE", done
    published = server.infer("case_t1").json()["ccsd"]["model"]
    assert done["outcome"].startswith(f"published {published}: ")
    assert checkpoint.card_in(server.app / "model" / "ccsd.pt").parent == version
