"""A page of another site, open in the same browser as the server's: a real Chromium asks on its behalf."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from tests.e2e.browser import open_chromium
from tests.e2e.conftest import Server, free_port, start_server

ASKS = """async ([url, method]) => {
  const body = method === "POST" ? new FormData() : undefined;
  try { return String((await fetch(url, {method, body})).status) } catch { return "nothing" }
}"""


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<p>a page of somebody else")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """The origin of another site."""
    site = ThreadingHTTPServer(("127.0.0.1", free_port()), Page)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{site.server_port}"
    site.shutdown()
    site.server_close()


def seen_from(page_at: str, server: Server, *asked: tuple[str, str]) -> list[str]:
    """The status that a script of a page reads for each (method, path), "nothing" where the browser gives it none."""
    with open_chromium() as browser:
        page = browser.new_page()
        page.goto(page_at)
        found: list[str] = [page.evaluate(ASKS, [server.url + path, method]) for method, path in asked]
    return found


def test_another_sites_page_reads_nothing_and_changes_nothing(server: Server, elsewhere: str) -> None:
    infer = "/infer/ccsd?image=case_flair&output=json"
    asked = [("GET", "/info/"), ("GET", "/datastore/image?image=case_flair"), ("POST", infer), ("DELETE", "/train/")]
    assert seen_from(elsewhere, server, *asked) == ["nothing"] * 4
    assert "Infer Request" not in server.log.read_text()
    assert seen_from(f"{server.url}/ccsd/", server, ("GET", "/info/"), ("POST", infer)) == ["200", "200"]
    assert "Infer Request" in server.log.read_text()


def test_who_is_no_browser_is_not_asked_where_it_comes_from(server: Server) -> None:
    answer = requests.post(f"{server.url}/infer/ccsd?image=case_flair&output=json", timeout=300)
    assert answer.status_code == 200


def test_a_site_that_the_administrator_names_may_use_the_server(
    server: Server, elsewhere: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    servers = start_server(server.studies, tmp_path_factory.mktemp("named"), conf={"origins": elsewhere})
    try:
        infer = "/infer/ccsd?image=case_flair&output=json"
        assert seen_from(elsewhere, next(servers), ("GET", "/info/"), ("POST", infer)) == ["200", "200"]
    finally:
        servers.close()  # type: ignore[attr-defined]  # a generator
