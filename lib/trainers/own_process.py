"""A training is a process of its own, beside the server: it comes second, ends with the server, and fails in one
sentence."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lib.errors import InputError, is_full
from lib.training.run import DivergedError

NICENESS = 10
STAYS = "the weights before it stay"


@contextmanager
def own_process() -> Iterator[None]:
    """Inference comes first on the CPU; when the server is gone this process ends at once; an error that the user can
    understand ends it with a line `error: <sentence>`."""
    os.nice(NICENESS)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        yield
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        sys.exit(f"error: {sentence}")


def sentence_of(error: BaseException) -> str | None:
    """What to tell the user; None: it is a fault of ours."""
    if isinstance(error, InputError | DivergedError):
        return str(error)
    if isinstance(error, OSError) and is_full(error):
        return f"the disk is full ({error.filename or 'while weights were written'}), expected room for them; {STAYS}"
    text = str(error)
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        return f"not enough memory, expected a smaller patch, train_batch_size or window; {STAYS}"
    cause = error.__cause__ or error.__context__
    return sentence_of(cause) if cause else None


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
