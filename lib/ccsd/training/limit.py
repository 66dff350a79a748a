"""How long a training may go on: the steps end early enough for what must come after them."""

from __future__ import annotations

import time
from dataclasses import dataclass

ROOM = 1.2  # times what a validation was measured to take
FADING = 0.9  # of the longest step: one slow step is not remembered for long


@dataclass
class TimeLimit:
    """Until when a training may go on, its last validation and all that follows it included.

    Attributes:
        ends: of `time.monotonic`.
        after: s from the last validation to the end: weights are written, the process is over.
        step, validation: s that one takes, as measured so far.
    """

    ends: float
    after: float = 0.0
    step: float = 0.0
    validation: float = 0.0

    @property
    def left(self) -> float:
        """Seconds for further steps; 0 or less: with another step the training would not be over in time."""
        return self.ends - time.monotonic() - self.step - self.rest

    @property
    def rest(self) -> float:
        """Seconds that are needed after the last step."""
        return ROOM * self.validation + self.after

    def stepped(self, seconds: float) -> None:
        self.step = max(seconds, FADING * self.step)

    def validated(self, seconds: float) -> None:
        self.validation = max(seconds, self.validation)


def limit_of(minutes: float | None, *, spent: float = 0.0) -> TimeLimit | None:
    """From now on, of which `spent` s are over; None: no limit."""
    return TimeLimit(time.monotonic() + 60 * minutes - spent) if minutes else None
