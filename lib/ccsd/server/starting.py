"""How a start that cannot go on ends."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn


def end_start(sentence: str) -> NoReturn:
    """End the process with status 1 and one sentence. An exception would do it with a stack trace: uvicorn prints that
    of every error at start, SystemExit too."""
    logging.shutdown()
    print(f"error: {sentence}", file=sys.stderr, flush=True)
    os._exit(1)
