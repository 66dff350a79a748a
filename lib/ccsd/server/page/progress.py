"""How far a segmentation is that the page waits for, by the ticket that it gave it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ccsd.common.clock import heard

READING = "reading the images"
AFTER = {  # step of the pipeline that has ended -> what is done now
    "read": "aligning the images and removing the skull, if they need it",
    "prepare": "running the network",
    "network": "putting the mask on the grid of its image",
    "restore": "writing the mask",
}


class Progress:
    """What is done now for each ticket; tickets of what has ended are forgotten. For several threads."""

    def __init__(self) -> None:
        self._doing: dict[str, str] = {}
        self._guard = threading.Lock()

    def of(self, ticket: str) -> dict[str, Any]:
        """`doing`, in words, None while it has not begun; `done`, steps that have ended, `of` so many."""
        with self._guard:
            doing = self._doing.get(ticket)
        steps = [READING, *AFTER.values()]
        return {"doing": doing, "done": steps.index(doing) if doing else 0, "of": len(steps)}

    @contextmanager
    def follow(self, ticket: str) -> Iterator[None]:
        """Within, the steps of this thread's work are those of the ticket."""
        self._note(ticket, READING)
        try:
            with heard(lambda step: self._note(ticket, AFTER.get(step))):
                yield
        finally:
            with self._guard:
                self._doing.pop(ticket, None)

    def _note(self, ticket: str, doing: str | None) -> None:
        if doing:
            with self._guard:
                self._doing[ticket] = doing
