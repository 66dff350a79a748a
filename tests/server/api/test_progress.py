from __future__ import annotations

from ccsd.common.clock import Clock
from ccsd.server.page.progress import AFTER, READING, Progress


def test_the_step_that_is_done_now_is_told_by_ticket_and_forgotten_at_the_end() -> None:
    progress, clock = Progress(), Clock()
    nothing = {"doing": None, "done": 0, "of": 1 + len(AFTER)}
    assert progress.of("mine") == nothing
    with progress.follow("mine"):
        assert progress.of("mine")["doing"] == READING
        clock.end("read")
        assert progress.of("mine") == {"doing": AFTER["read"], "done": 1, "of": 1 + len(AFTER)}
        clock.end("a step that nobody knows")
        assert progress.of("mine")["done"] == 1
        assert progress.of("another's") == nothing
    assert progress.of("mine") == nothing
