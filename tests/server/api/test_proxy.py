"""The way to the DICOMweb server, in front of a store that writes down what it is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import uvicorn
from fastapi import FastAPI
from monailabel.config import settings

from ccsd.server.api import ohif
from ccsd.server.api.errors import HANDLERS
from tests.e2e.conftest import free_port, wait_until


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths that the store behind the proxy was asked for, as they came."""
    paths: list[str] = []

    class Store(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    store = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=store.serve_forever, daemon=True).start()
    monkeypatch.setattr(settings, "MONAI_LABEL_STUDIES", f"http://127.0.0.1:{store.server_port}/dicom-web")
    monkeypatch.setattr(ohif, "_clients", [])
    yield paths
    store.shutdown()
    store.server_close()


@pytest.fixture
def proxy() -> Iterator[str]:
    """The address of the proxy, on a real web server: test clients decode a path once more than servers do."""
    app = FastAPI(exception_handlers=HANDLERS)
    app.include_router(ohif.router)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, 30, "the web server did not start")
    yield f"http://127.0.0.1:{port}/proxy/dicom"
    server.should_exit = True
    thread.join()


def test_a_search_goes_through_as_it_came(asked: list[str], proxy: str) -> None:
    requests.get(f"{proxy}/qido/studies?PatientName=*sev*&limit=3", timeout=10)
    assert asked == ["/dicom-web/studies?PatientName=*sev*&limit=3"]


def test_what_was_encoded_twice_is_no_way_out_of_the_store(asked: list[str], proxy: str) -> None:
    for way in ("%252e%252e/system", "wado/%252e%252e%252fsystem", "studies%3Fall=1", "studies%23x", "@127.0.0.2/x"):
        requests.get(f"{proxy}/{way}", timeout=10)
    assert asked == [
        "/dicom-web/%252e%252e/system",
        "/dicom-web/%252e%252e%252fsystem",
        "/dicom-web/studies%3Fall%3D1",
        "/dicom-web/studies%23x",
        "/dicom-web/%40127.0.0.2/x",
    ]


@pytest.mark.parametrize("way", ["..%2fsystem", "wado/..%2f..%2fsystem", "%2e%2e/system", "..%5csystem"])
def test_a_path_that_climbs_is_not_asked(asked: list[str], proxy: str, way: str) -> None:
    assert requests.get(f"{proxy}/{way}", timeout=10).status_code == 404
    assert asked == []
