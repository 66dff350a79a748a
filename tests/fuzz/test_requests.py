"""Made-up requests to a real server; `scripts/dev/fuzz.py` sends thousands of them."""

from __future__ import annotations

from tests.e2e.conftest import Server
from tests.fuzz.fuzzing import fuzz


def test_whatever_is_asked_for_the_answer_is_no_error_of_the_server_and_refusals_are_sentences(server: Server) -> None:
    report = fuzz(server, 400)
    assert report.failures == {}
    assert report.by_status()[200] > 50
    assert server.get("/info/").ok
