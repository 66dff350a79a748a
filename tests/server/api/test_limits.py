"""Bodies that are too long get 413 with a sentence, declared or not; others pass untouched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI, UploadFile
from starlette.testclient import TestClient

from ccsd.common.errors import InputError
from ccsd.server.api.limits import BodyLimit, read_limit


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.add_middleware(BodyLimit, limit=1000)

    @app.post("/files")
    def files(file: UploadFile) -> int:
        return len(file.file.read())

    return TestClient(app, raise_server_exceptions=False)


def test_a_body_within_the_limit_arrives_whole(client: TestClient) -> None:
    assert client.post("/files", files={"file": b"x" * 500}).json() == 500


def test_a_declared_length_over_the_limit_is_refused(client: TestClient) -> None:
    answer = client.post("/files", files={"file": b"x" * 2000})
    assert answer.status_code == 413
    assert answer.json()["detail"].endswith("expected at most 9.31e-07 GiB")


def test_a_stream_without_a_length_is_cut_off(client: TestClient) -> None:
    sent = 0

    def stream() -> Iterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        for _ in range(100):
            sent += 100
            yield b"x" * 100

    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = client.post("/files", content=stream(), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize("wrong", ["", "many", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="expected a number of GiB above 0"):
        read_limit(wrong)


def test_the_limit_is_in_gibibytes() -> None:
    assert read_limit("0.5") == 2**29
