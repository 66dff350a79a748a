"""A proxy in front of a DICOMweb server that fails on demand."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

ANSWERS = {  # what is asked for, by path
    "a search": re.compile(r"/series\?"),
    "headers": re.compile(r"/metadata"),
    "voxels": re.compile(r"/series/[0-9.]+/?$"),
}
SLOW = 5.0  # s


class BadStore(ThreadingHTTPServer):
    """Forwards to `behind`, but for the answers `spoilt`, to which `fault` happens."""

    daemon_threads = True
    fault = spoilt = ""

    def __init__(self, behind: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.behind = urlsplit(behind)
        self.happened = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{self.behind.path}"

    @contextmanager
    def failing(self, fault: str, spoilt: str) -> Iterator[None]:
        self.fault, self.spoilt, self.happened = fault, spoilt, 0
        try:
            yield
        finally:
            self.fault = ""


@contextmanager
def running(store: BadStore) -> Iterator[BadStore]:
    thread = threading.Thread(target=store.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield store
    finally:
        store.shutdown()
        store.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: BadStore
    protocol_version = "HTTP/1.0"  # a connection a request

    def do_GET(self) -> None:
        with suppress(ConnectionError):  # the client has left
            self._answer()

    do_POST = do_GET  # noqa: N815  # what http.server calls it

    def _answer(self) -> None:
        fault = self.server.fault
        if not (fault and ANSWERS[self.server.spoilt].search(self.path)):
            self._send(*self._ask())
            return
        self.server.happened += 1
        if fault == "silence":
            time.sleep(SLOW)
            self._send(*self._ask())
        elif fault == "500":
            self._send(500, {"Content-Type": "text/plain"}, b"out of order")
        elif fault == "another page":
            self._send(200, {"Content-Type": "text/html"}, b"<html>log in</html>")
        elif fault == "other JSON":
            self._send(200, {"Content-Type": "application/dicom+json"}, b'[{"00080005": {"vr": "CS"}}, 7]')
        elif fault.startswith("cut off"):
            status, headers, body = self._ask()
            length = {} if fault.endswith("without a length") else {"Content-Length": str(len(body))}
            self._send(status, {**headers, **length}, body[: len(body) * 6 // 10])
        # else the connection is closed without an answer

    def _ask(self) -> tuple[int, dict[str, str], bytes]:
        behind = self.server.behind
        connection = http.client.HTTPConnection(behind.hostname or "", behind.port, timeout=30)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        connection.request(self.command, self.path, body, {k: v for k, v in self.headers.items() if k != "Host"})
        answer = connection.getresponse()
        kept = {k: v for k, v in answer.getheaders() if k.lower() in ("content-type", "content-encoding")}
        content = answer.read()
        connection.close()
        return answer.status, kept, content

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output is its own."""
