"""Work that nobody waits for any more, or whose time is over, ends at its next step, wherever that is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol


class Asked(Protocol):
    """A `threading.Event`, or a `Deadline`."""

    def is_set(self) -> bool: ...


_asked: ContextVar[Asked | None] = ContextVar("stop asked", default=None)


class StoppedError(Exception):
    """The one who asked for the work is gone, or its time is over."""


@dataclass(frozen=True)
class Deadline:
    """Set from `ends` on, of `time.monotonic`; None: never."""

    ends: float | None

    def is_set(self) -> bool:
        return self.ends is not None and time.monotonic() >= self.ends


@contextmanager
def stoppable(asked: Asked) -> Iterator[None]:
    """Within, `check_cancelled` ends the work of this thread once `asked` is set."""
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def check_cancelled() -> None:
    """A step of long work. Raises StoppedError if it shall stop; does nothing outside `stoppable`."""
    asked = _asked.get()
    if asked is not None and asked.is_set():
        raise StoppedError
