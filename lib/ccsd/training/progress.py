"""What a training is doing at this moment, in a file that others read."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ccsd.common.files import read_json, write_json
from ccsd.training.limit import TimeLimit

EVERY = 0.5  # s between two writings
STARTING, PREPARING, ENDING = "starting", "preparing studies", "ending"
BEFORE, STEPS, VALIDATING = "validating the weights before it", "training", "validating"


@dataclass
class Progress:
    """Told of each study that is prepared or validated and of each step.

    Args:
        file: to write (None: nobody reads it).
        limit: until when the training goes on (None: until its last epoch).
    """

    file: Path | None = None
    epochs: int = 1
    steps: int = 1
    limit: TimeLimit | None = None
    process: int = field(default_factory=os.getpid)
    done: int = 0  # steps, of a resumed training also those before
    _doing: str = ""
    _studies: int = 0
    _started: float = field(default_factory=time.monotonic)
    _stepping: float = 0.0  # s
    _stepped: int = 0
    _validating: float = 0.0  # s, the last whole one
    _written: float = float("-inf")

    def begin(self, doing: str, studies: int) -> None:
        """From now on it is `doing` this, with so many studies."""
        self._end()
        self._doing, self._studies, self._started = doing, studies, time.monotonic()

    def study(self, number: int) -> None:
        self._write({"study": number, "studies": self._studies})

    def step(self) -> None:
        now = time.monotonic()
        self._stepping, self._stepped = self._stepping + now - self._started, self._stepped + 1
        self._started = now
        self.done += 1
        self._write({})

    def close(self) -> None:
        """The last word: the process needs a moment to end."""
        self._doing, self._written = ENDING, float("-inf")
        self._write({})

    def _end(self) -> None:
        if self._doing in (BEFORE, VALIDATING):
            self._validating = time.monotonic() - self._started

    def _write(self, more: dict[str, int]) -> None:
        """At most every EVERY s, but the first of its kind at once."""
        now = time.monotonic()
        if self.file is None or (now - self._written < EVERY and more.get("study") != 1):
            return
        self._written = now
        known = self._doing != ENDING and (self.done or self._doing in (STEPS, VALIDATING))
        where = {**more, **(self._place() if known else {}), **(self._left() if self._doing != ENDING else {})}
        write_json(self.file, {"process": self.process, "doing": self._doing, **where})

    def _place(self) -> dict[str, int]:
        within = self.done % self.steps
        ended = self._doing == VALIDATING and not within  # an epoch that is validated is not over
        epoch = self.done // self.steps + (not ended)
        return {"epoch": epoch, "epochs": self.epochs, "step": self.steps if ended else within, "steps": self.steps}

    def _left(self) -> dict[str, float]:
        """Minutes to the end, as far as can be told: by the steps and validations to come, by the limit."""
        by_limit = (self.limit.ends - time.monotonic()) / 60 if self.limit else math.inf
        by_steps = math.inf
        if self._stepped:
            to_come = self.epochs * self.steps - self.done
            validations = math.ceil(to_come / self.steps) + (self._doing == VALIDATING or not to_come)
            by_steps = (to_come * self._stepping / self._stepped + validations * self._validating) / 60
        least = max(0.0, min(by_limit, by_steps))
        return {"minutes_left": round(least, 1)} if least < math.inf else {}


def told(file: Path, process: int) -> dict[str, Any]:
    """What the training in this process is doing, with `says`, the same in words."""
    found = read_json(file)
    if found.pop("process", None) != process:  # it is of an earlier one
        found = {"doing": STARTING}
    return {**found, "says": _in_words(found)}


def _in_words(found: dict[str, Any]) -> str:
    parts = []
    if "epoch" in found:
        parts.append("epoch {epoch} of {epochs}, step {step} of {steps}".format(**found))
    if found["doing"] != STEPS or not parts:
        parts.append(found["doing"])
    if "study" in found:
        parts.append(f"study {found['study']} of {found['studies']}")
    if "minutes_left" in found:
        minutes = math.ceil(found["minutes_left"])
        least = "about" if "epoch" in found else "at most"
        parts.append(f"{least} {minutes} {'minute' if minutes == 1 else 'minutes'} left")
    return ", ".join(parts)
