"""Loading many modules at the start of a process."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """For imports at the start of a process. Objects that modules make stay, and searching them for garbage takes a
    fifth of the time that torch and MONAI need to load. Later searches leave them out, too."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
