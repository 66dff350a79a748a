"""Whatever is sent as an image: one sentence and 4xx, or a mask; nothing stays behind, and the server goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from tests.e2e.conftest import Server
from tests.faults.bad_images import BAD, GOOD, GZ


def send(server: Server, name: str, content: bytes) -> requests.Response:
    params = json.dumps({"modalities": ["flair"], "preprocess": "off"})
    return server.post(
        "/infer/ccsd", params={"output": "json"}, data={"params": params}, files={"file": (name, content)}
    )


def is_sentence(text: str) -> bool:
    return 0 < len(text) < 400 and "\n" not in text and "Traceback" not in text


@pytest.mark.parametrize("kind", BAD)
def test_an_image_that_cannot_be_used_is_refused_in_one_sentence(server: Server, temporary: Path, kind: str) -> None:
    bad = BAD[kind]
    before = sorted(temporary.rglob("*"))
    answer = send(server, bad.name, bad.make())
    assert 400 <= answer.status_code < 500, answer.text
    detail = answer.json()["detail"]
    assert is_sentence(detail), detail
    assert bad.says in detail
    assert sorted(temporary.rglob("*")) == before
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("kind", GOOD)
def test_an_unusual_image_that_can_be_used_gets_a_mask(server: Server, kind: str) -> None:
    answer = send(server, GZ, GOOD[kind]())
    assert answer.status_code == 200, answer.text
    assert answer.json()["ccsd"]["modalities"]["used"] == {"flair": GZ}
