"""Processes of this machine, told apart by when they started: their numbers are used again."""

from __future__ import annotations

import psutil

GONE = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def started(number: int) -> float | None:
    """When process `number` started, in seconds since the machine did; None if it does not live.

    Not the time of day, which is set while processes run.
    """
    try:
        process = psutil.Process(number)
        if process.status() in GONE:
            return None
        return round(process.create_time() - psutil.boot_time(), 2)  # the kernel counts hundredths
    except psutil.Error:
        return None
