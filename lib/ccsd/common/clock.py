"""Seconds of each step of long work."""

from __future__ import annotations

import time
from collections.abc import Callable

from ccsd.common.stopping import check_cancelled


class Clock:
    """`seconds`: step -> time taken, rounded to ms. Between two steps is where unwanted work ends.

    Args:
        now: what time it is, in s; `time.process_time` for that of the processor.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: dict[str, float] = {}
        self._now = now
        self._last = self._start = now()

    def step(self, name: str) -> None:
        """The step `name` ends now. Raises StoppedError if nobody waits for the next."""
        self._note(name)
        check_cancelled()

    def end(self, name: str) -> None:
        """The last step ends now: the `total` is known."""
        self._note(name)
        self.seconds["total"] = round(self._last - self._start, 3)

    def _note(self, name: str) -> None:
        now = self._now()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now
