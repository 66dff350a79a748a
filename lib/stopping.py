"""Work that nobody waits for any more ends at its next step, wherever that is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_asked: ContextVar[threading.Event | None] = ContextVar("stop asked", default=None)


class StoppedError(Exception):
    """The one who asked for the work is gone."""


@contextmanager
def stoppable(asked: threading.Event) -> Iterator[None]:
    """Within, `stop_here` ends the work of this thread once `asked` is set."""
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def stop_here() -> None:
    """A step of long work. Raises StoppedError if it shall stop; does nothing outside `stoppable`."""
    asked = _asked.get()
    if asked is not None and asked.is_set():
        raise StoppedError
