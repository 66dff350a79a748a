"""What the environment of a process that computes says: how memory is kept, and how threads wait. glibc reads its part
when the process starts, libgomp when torch is loaded."""

from __future__ import annotations

import os
import sys

KEEP_FREED = {  # what was freed stays for the next step instead of going back to the system
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "200000000",
    "MALLOC_ARENA_MAX": "1",  # one pool for all threads: each keeps what it freed, so several are several times as much
}
WAIT_ASLEEP = {"OMP_WAIT_POLICY": "PASSIVE"}  # a thread that waits gives its core to whoever computes
VARIABLES = {**KEEP_FREED, **WAIT_ASLEEP}


def start_with_variables() -> None:
    """Start this process anew with VARIABLES, under the same process id. What its environment says already stays."""
    if not VARIABLES.keys() <= os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**VARIABLES, **os.environ})


def wait_asleep() -> None:
    """For a process that others started, before it loads torch."""
    for name, value in WAIT_ASLEEP.items():
        os.environ.setdefault(name, value)
