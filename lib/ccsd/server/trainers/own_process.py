"""A training is a process of its own, beside the server: it comes second, ends with the server, and fails in one
sentence."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ccsd.common.errors import DivergedError, InputError, is_full
from ccsd.common.process import started

NICENESS = 10
_born: ContextVar[float | None] = ContextVar("start of this process", default=None)
OLD_WEIGHTS_STAY = "the weights before it stay"


@contextmanager
def own_process() -> Iterator[None]:
    """Inference comes first on the CPU; when the server is gone this process ends at once; an error that the user can
    understand ends it with a line `error: <sentence>`."""
    os.nice(NICENESS)
    token = _born.set(time.monotonic() - _age())
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        yield
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        sys.exit(f"error: {sentence}")
    finally:
        _born.reset(token)


def began() -> float:
    """When this work began, of `time.monotonic`: with its process, which needs seconds to load; outside of one now."""
    return _born.get() or time.monotonic()


def sentence_of(error: BaseException) -> str | None:
    """What to tell the user; None: it is a fault of ours."""
    if isinstance(error, InputError | DivergedError):
        return str(error)
    if isinstance(error, OSError) and is_full(error):
        written = error.filename or "while weights were written"
        return f"the disk is full ({written}), expected room for them; {OLD_WEIGHTS_STAY}"
    text = str(error)
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        return f"not enough memory, expected a smaller patch, train_batch_size or window; {OLD_WEIGHTS_STAY}"
    cause = error.__cause__ or error.__context__
    return sentence_of(cause) if cause else None


def _age() -> float:
    """Seconds since this process was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - (started(os.getpid()) or 0)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
