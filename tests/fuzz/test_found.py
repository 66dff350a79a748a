"""What fuzzing found, request by request: each was a 500, a file of somebody else's, or no sentence."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import requests

from tests.e2e.conftest import Server, wait_until
from tests.fuzz.fuzzing import stop_tasks, what_is_wrong

IMAGE, LABEL = "case_flair", "case_seg.nii.gz"
LONG = "/" + "y" * 5000


@pytest.fixture
def labelled(server: Server) -> None:
    label = (server.studies / "case" / LABEL).read_bytes()
    query = {"image": IMAGE, "tag": "final"}
    assert server.put("/datastore/label", params=query, files={"label": (LABEL, label)}).ok


def notes(kind: str, info: str) -> tuple[str, str, dict[str, Any]]:
    query = {"image": IMAGE} if kind == "image" else {"label": IMAGE, "tag": "final"}
    return "PUT", f"/datastore/{kind}/info", {"params": query, "data": {"info": info}}


def posted(path: str, body: str) -> tuple[str, str, dict[str, Any]]:
    return "POST", path, {"data": body, "headers": {"Content-Type": "application/json"}}


REFUSED: dict[str, tuple[tuple[str, str, dict[str, Any]], str]] = {
    "notes that are a list": (notes("image", "[1]"), "expected a JSON object"),
    "notes that are null": (notes("label", "null"), "expected a JSON object"),
    "notes of NaN": (notes("image", '{"a": NaN}'), "that JSON does not have"),
    "notes of an infinite number": (notes("image", '{"a": 1e999}'), "that JSON does not have"),
    "notes of half a character": (notes("image", '{"a": "\\ud800"}'), "that JSON does not have"),
    "notes that move an image": (notes("image", '{"file": "../../secret"}'), "has file, which the server writes"),
    "notes that replace a label's regions": (notes("label", '{"regions": 5}'), "has regions, which the server writes"),
    "notes nested deeply": (notes("image", "[" * 100_000), "nested too deeply"),
    "an image id that is too long": (posted("/ccsd/data/segment", json.dumps({"image": LONG})), "does not exist"),
    "a list of parameters": (
        ("POST", "/infer/ccsd", {"params": {"image": IMAGE}, "data": {"params": '["x"]'}}),
        "expected a JSON object",
    ),
    "more lines than there are numbers": (
        ("GET", "/logs/", {"params": {"lines": 2**70}}),
        "query.lines: input should be less than or equal to",
    ),
    "an infinite number of epochs": (posted("/train/ccsd", '{"max_epochs": 1e999}'), "that JSON does not have"),
    "a long list for a number": (posted("/train/ccsd", json.dumps({"seed": [0] * 3000})), "expected a number"),
    "a graphics card that is no text": (posted("/train/ccsd", '{"gpus": 5}'), "gpus is 5, expected text"),
    "a tag that is a list": (posted("/activelearning/random", '{"label_tag": [1]}'), "label_tag is [1], expected text"),
    "studies by number": (posted("/batch/infer/ccsd?run_sync=true", '{"images": [5]}'), "list of image ids"),
    "a table for a number": (posted("/batch/infer/ccsd?run_sync=true", '{"max_batch_size": {"a": 1}}'), "whole number"),
    "a line break in a version": (
        ("GET", "/ccsd/data/versions/compare", {"params": {"first": "a\nb", "second": "c"}}),
        "version a b is not kept",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_used_is_refused_in_a_sentence(server: Server, labelled: None, kind: str) -> None:
    (method, path, sent), says = REFUSED[kind]
    answer = requests.request(method, server.url + path, timeout=60, **sent)
    assert 400 <= answer.status_code < 500, answer.text[:500]
    assert what_is_wrong(answer) is None
    assert says in answer.json()["detail"]


def test_what_is_sent_with_an_image_or_label_does_not_reach_the_index(server: Server, labelled: None) -> None:
    label = (server.studies / "case" / LABEL).read_bytes()
    told = json.dumps({"regions": 5, "ts": "x", "params": 7, "mine": 8})
    query = {"image": IMAGE, "tag": "final"}
    assert server.put("/datastore/label", params=query, data={"params": told}, files={"label": (LABEL, label)}).ok
    kept = server.get("/datastore/label/info", params={"label": IMAGE, "tag": "final"}).json()
    assert kept["mine"] == 8
    assert "params" not in kept
    assert "regions" not in kept
    assert isinstance(kept["ts"], int)


def test_a_body_chooses_neither_the_model_nor_python_modules(server: Server, labelled: None) -> None:
    body = {"max_epochs": 1, "steps": 1, "patch": 32, "model": "other", "bundle_path": "/anywhere"}
    started = server.post("/train/ccsd", json=body)
    server.delete("/train/")
    assert started.ok, started.text
    assert started.json()["request"]["model"] == "ccsd"
    assert "bundle_path" not in started.json()["request"]


def test_a_task_that_is_running_says_when_to_ask_again(server: Server, labelled: None) -> None:
    def refused() -> list[str]:
        answer = server.post("/scoring/dice", json={})
        return [answer.headers.get("Retry-After", "never")] if answer.status_code == 429 else []

    (after,) = wait_until(refused, 20, "a second task was not refused")
    stop_tasks(server, "/scoring/", wait=False)
    assert int(after) > 0


@pytest.mark.parametrize("kind", ["SHA256", "SHA512", "MD5"])
def test_an_image_is_compared_with_a_checksum(server: Server, kind: str) -> None:
    content = server.get("/datastore/image", params={"image": IMAGE}).content

    def asked(check_sum: str) -> int:
        query = {"image": IMAGE, "check_sum": check_sum}
        return requests.head(f"{server.url}/datastore/image", params=query, timeout=60).status_code

    digest = hashlib.new(kind.lower(), content).hexdigest()
    assert asked(f"{kind}:{digest}") == 200
    assert asked(f"{kind}:{digest[::-1]}") == 404
    assert asked(f"X{kind}:{digest}") == 400
