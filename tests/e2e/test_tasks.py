"""Other tasks than brain tumours, by configuration alone: the same app with `--conf task FILE`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ccsd.common.settings import read_task
from ccsd.demo.organ import make_organ
from ccsd.demo.phantom import write_phantom
from ccsd.method.task import Task
from tests.conftest import REPOSITORY
from tests.e2e.conftest import Server, start_server


@pytest.fixture(scope="module", params=["prostate", "stroke"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Task]]:
    """A server of an example task over one labelled study of it."""
    file = REPOSITORY / "configs" / "tasks" / f"{request.param}.toml"
    task = read_task(file)
    folder = tmp_path_factory.mktemp(request.param)
    write_phantom(make_organ(task, seed=1, shape=(48, 48, 40)), folder / "studies" / "case", "case")
    for server in start_server(folder / "studies", folder, conf={"task": str(file)}):
        yield server, task


def test_another_task_is_served_trained_and_served_again(served: tuple[Server, Task]) -> None:
    server, task = served
    info = server.get("/info/").json()
    assert info["models"]["ccsd"]["labels"] == dict(task.labels)
    first = server.infer(f"case_{task.modalities[-1]}").json()["ccsd"]
    assert set(first["modalities"]["used"]) == set(task.modalities)
    assert set(first["volumes_ml"]) == set(task.regions)

    label = server.studies / "case" / "case_seg.nii.gz"
    with label.open("rb") as stream:
        query = {"image": f"case_{task.modalities[0]}", "tag": "final"}
        saved = server.put("/datastore/label", params=query, files={"label": (label.name, stream)})
    assert saved.status_code == 200, saved.text
    assert server.post("/train/ccsd", json={"max_epochs": 1, "steps": 20, "patch": 32}).status_code == 200
    status = server.wait_for_training({"DONE", "ERROR"})
    assert status["status"] == "DONE", status["details"]

    alone = server.infer("case_adc", params='{"modalities": ["adc"]}').json()["ccsd"]
    assert alone["model"] != first["model"]
    assert alone["modalities"]["missing"] == [m for m in task.modalities if m != "adc"]
    assert not any("t1ce" in warning for warning in alone["warnings"])


def test_a_modality_of_brain_studies_is_unknown_to_another_task(served: tuple[Server, Task]) -> None:
    server, task = served
    refused = server.infer("case_adc", params='{"modalities": ["t1ce"]}')
    assert refused.status_code == 400
    assert f"expected names from {', '.join(task.modalities)}" in refused.json()["detail"]
