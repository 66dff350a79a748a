"""Retraining through a real server: its status, its ends, what survives, scores and what is offered next."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import requests

from ccsd.demo.phantom import Phantom, write_phantom
from tests.e2e.conftest import Server, start_server, wait_until
from tests.e2e.test_server import label_file, save_label

LONG = {"max_epochs": 100000, "steps": 1, "patch": 32}
SHORT = {"max_epochs": 1, "steps": 2, "patch": 32, "publish_margin": 1, "publish_collapse": 1}


def make_studies(folder: Path, phantom: Phantom) -> None:
    for name, modalities in {"a": None, "b": ["t1ce", "flair"], "c": ["t2", "flair"], "d": ["t1"]}.items():
        write_phantom(phantom, folder / "studies" / name, name, modalities=modalities, label=False)


@pytest.fixture
def folder(tmp_path: Path, phantom: Phantom) -> Path:
    make_studies(tmp_path, phantom)
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    yield from start_server(folder / "studies", folder)


@pytest.fixture(scope="module")
def shared(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """For tests that do not mind what was labelled and trained before."""
    folder = tmp_path_factory.mktemp("retraining")
    make_studies(folder, phantom)
    yield from start_server(folder / "studies", folder)


def train(server: Server, **params: Any) -> requests.Response:
    return server.post("/train/ccsd", json=params)


def epochs_of(server: Server) -> int:
    return len(server.get("/info/").json()["train_stats"]["ccsd"].get("history", ()))


def training_process(server: Server) -> psutil.Process | None:
    children = psutil.Process(server.process).children(recursive=True)
    return next((c for c in children if _trains(c)), None)


def _trains(process: psutil.Process) -> bool:
    try:
        return "train" in process.cmdline()
    except psutil.NoSuchProcess:  # it just ended, or nobody has asked yet how
        return False


def test_the_model_is_compared_with_saved_labels(shared: Server, phantom: Phantom, tmp_path: Path) -> None:
    assert shared.post("/scoring/dice").ok
    wait_until(lambda: shared.get("/scoring/").json()["status"] == "ERROR", 60, "no error")
    assert "no label with the tag final" in shared.get("/scoring/").json()["details"][-1]
    assert save_label(shared, "a_flair", label_file(phantom, tmp_path)).ok
    whole = (phantom.label > 0).astype(np.uint8)
    only = {"params": json.dumps({"label_info": [{"name": "WT", "idx": 1}]})}
    files = {"label": ("label.nii.gz", label_file(phantom, tmp_path, whole))}
    answer = shared.put("/datastore/label?image=b_flair&tag=final", files=files, data=only)
    assert answer.ok, answer.text
    assert shared.post("/scoring/dice").ok
    wait_until(lambda: shared.get("/scoring/").json()["status"] == "DONE", 60, "not scored")
    found = shared.get("/ccsd/data/scores").json()
    assert [len(one["dice"]) for one in found["studies"].values()] == [15, 3]
    assert set(found["studies"]["b"]["dice"][0]) == {"modalities", "WT"}
    assert found["version"] == shared.get("/info/").json()["models"]["ccsd"]["version"]
    assert {"WT", "TC", "ET"} < set(found["mean"][0])
    assert shared.get("/scoring/").json()["scores"] == found


def test_one_training_at_a_time_and_stop_works_within_seconds(shared: Server, phantom: Phantom, tmp_path: Path) -> None:
    assert save_label(shared, "a_flair", label_file(phantom, tmp_path)).ok
    assert train(shared, **LONG).ok
    second = train(shared, **LONG)  # at once: the first has no process yet
    assert second.status_code == 429
    assert "a training is running since" in second.json()["detail"]
    assert int(second.headers["Retry-After"]) > 0
    started = time.monotonic()
    assert shared.delete("/train/").json()["status"] == "STOPPED"
    assert time.monotonic() - started < 15
    wait_until(lambda: training_process(shared) is None, 5, "the process did not end")
    assert shared.get("/train/").json()["outcome"] == "stopped; what was published stays"
    assert train(shared, max_epochs=0).status_code == 400
    assert train(shared, device="abacus").status_code == 400


def test_the_status_says_how_a_training_ended(shared: Server, phantom: Phantom, tmp_path: Path) -> None:
    assert save_label(shared, "a_flair", label_file(phantom, tmp_path)).ok
    train(shared, **SHORT)
    done = shared.wait_for_training({"DONE", "ERROR"})
    version = shared.get("/info/").json()["models"]["ccsd"]["version"]
    assert done["outcome"].startswith(f"published {version}: ")
    train(shared, **{**SHORT, "patch": 34})
    failed = shared.wait_for_training({"DONE", "ERROR"})
    assert failed["status"] == "ERROR"
    assert failed["outcome"] == "patch is 34 voxels, expected a multiple of 8"
    train(shared, **LONG)
    wait_until(lambda: training_process(shared), 30, "no process")
    process = training_process(shared)
    assert process is not None
    process.kill()
    killed = shared.wait_for_training({"DONE", "ERROR"})
    assert "ended without a word" in killed["outcome"]
    assert shared.infer("a_flair").json()["ccsd"]["model"] == version


def test_what_the_rule_keeps_back_is_listed_compared_pinned_and_rolled_back(
    server: Server, phantom: Phantom, tmp_path: Path
) -> None:
    assert save_label(server, "b_flair", label_file(phantom, tmp_path)).ok  # two modalities, three subsets
    train(server, **{**SHORT, "max_epochs": 40, "steps": 5, "learning_rate": 0.01})
    first = server.wait_for_training({"DONE"})["outcome"].split()[1].rstrip(":")
    train(server, **{**SHORT, "learning_rate": 0.9, "steps": 20, "publish_margin": 0})
    outcome = server.wait_for_training({"DONE"})["outcome"]
    assert outcome.startswith("kept back as candidate")
    assert "fell from" in outcome
    candidate, served = server.get("/ccsd/data/versions").json()["versions"][:2]
    assert candidate["kept_back"] in outcome
    assert (served["version"], served["served"]) == (first, True)

    query = {"first": first, "second": candidate["version"]}
    both = server.get("/ccsd/data/versions/compare", params=query).json()
    assert len(both["dice"]) == 3
    assert both["settings"]["learning_rate"] == [0.01, 0.9]
    assert both["only"] == [[], []]

    pinned = server.post(f"/ccsd/data/versions/{first}?pin=true").json()["versions"]
    assert [v["version"] for v in pinned if v["pinned"]] == [first]
    train(server, **SHORT)
    assert f"{first} is pinned and stays served" in server.wait_for_training({"DONE"})["outcome"]
    assert server.infer("a_flair").json()["ccsd"]["model"] == first
    assert server.post(f"/ccsd/data/versions/{candidate['version']}").status_code == 400
    assert server.delete("/ccsd/data/versions/pin").ok
    assert server.post(f"/ccsd/data/versions/{candidate['version']}").ok
    assert server.infer("a_flair").json()["ccsd"]["model"] == candidate["version"]


def test_a_server_that_was_killed_goes_on_with_the_training_when_asked(
    folder: Path, phantom: Phantom, tmp_path: Path
) -> None:
    first = start_server(folder / "studies", folder)
    server = next(first)
    assert save_label(server, "a_flair", label_file(phantom, tmp_path)).ok
    train(server, **LONG)
    wait_until(lambda: epochs_of(server) > 3, 60, "no epochs")
    process = training_process(server)
    assert process is not None
    served = server.get("/info/").json()["models"]["ccsd"]["version"]
    os.kill(server.process, signal.SIGKILL)
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, 10, "training lives on")
    first.close()  # type: ignore[attr-defined]  # a generator

    for again in start_server(folder / "studies", folder):
        assert again.get("/info/").json()["models"]["ccsd"]["version"].split("-")[0] == served.split("-")[0] == "ccsd"
        assert again.get("/datastore/").json()["completed"] == 1
        assert train(again, **LONG).ok
        wait_until(lambda: "resuming after epoch" in again.log.read_text(), 180, "not resumed")  # noqa: B023
        again.delete("/train/")


def test_two_processes_train_together_by_monai_labels_own_option(
    shared: Server, phantom: Phantom, tmp_path: Path
) -> None:
    for name in ("a_flair", "b_flair"):
        assert save_label(shared, name, label_file(phantom, tmp_path)).ok
    train(shared, **SHORT, multi_gpu=True, gpus="0,1", device="cpu")
    done = shared.wait_for_training({"DONE", "ERROR"})
    assert done["status"] == "DONE", done["details"]
    assert done["outcome"].startswith("published")
    assert "training with 2 processes" in shared.log.read_text()


def test_scores_are_made_in_the_background_and_the_best_study_is_offered(
    server: Server, phantom: Phantom, tmp_path: Path
) -> None:
    assert save_label(server, "a_flair", label_file(phantom, tmp_path)).ok
    first = server.post("/activelearning/subset_disagreement", json={}).json()
    assert (first["score"], first["scored"], first["of"]) == (None, 0, 3)

    def offered(strategy: str, client: str) -> dict[str, Any]:
        answer: dict[str, Any] = server.post(f"/activelearning/{strategy}", json={"client_id": client}).json()
        return answer

    wait_until(lambda: offered("subset_disagreement", "x")["scored"] == 3, 240, "not scored")
    runs = server.log.read_text().count("COMMAND")
    best = offered("subset_disagreement", "x")
    assert best["id"].startswith(("b", "c"))  # one modality cannot disagree with itself
    assert best["score"] > 0
    assert offered("subset_disagreement", "y")["id"] != best["id"]  # two users are not given the same study
    gain = offered("expected_gain", "z")
    assert gain["score"] >= best["score"]
    assert offered("random", "x")["id"]
    assert server.log.read_text().count("COMMAND") == runs  # scores are kept
