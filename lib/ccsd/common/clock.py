"""Seconds of each step of long work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ccsd.common.stopping import check_cancelled

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("who hears of steps", default=None)


@contextmanager
def heard(listener: Callable[[str], None]) -> Iterator[None]:
    """Within, `listener` gets the name of each step that ends on a clock of this thread."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


class Clock:
    """`seconds`: step -> time taken, rounded to ms. Between two steps is where unwanted work ends."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = self._start = time.perf_counter()

    def step(self, name: str) -> None:
        """The step `name` ends now. Raises StoppedError if nobody waits for the next."""
        self._note(name)
        check_cancelled()

    def end(self, name: str) -> None:
        """The last step ends now: the `total` is known."""
        self._note(name)
        self.seconds["total"] = round(self._last - self._start, 3)

    def _note(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now
        if (listener := _listener.get()) is not None:
            listener(name)
