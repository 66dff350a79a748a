"""How many modules are loaded at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collecting() -> Iterator[None]:
    """For imports at the start of a process. What modules make stays, and looking for garbage among it takes a fifth of
    the time that torch and MONAI need to load. It is not looked through later either."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
