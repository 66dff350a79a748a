"""How good the weights are that a training starts from, found in no more than its share of the training's time."""

from __future__ import annotations

import logging
import time

from torch import Tensor

from ccsd.common.stopping import Deadline, StoppedError, stoppable
from ccsd.evaluation.lattice import mean_over
from ccsd.method.network import CCSDNetwork
from ccsd.training.cases import Case
from ccsd.training.limit import ROOM, TimeLimit
from ccsd.training.loop import dice_of
from ccsd.training.progress import BEFORE, Progress

logger = logging.getLogger(__name__)

SHARE = 0.5  # of the time that is left, for validation before and after: the other half is for steps


def validate_before(
    network: CCSDNetwork, cases: list[Case], progress: Progress
) -> tuple[dict[int, Tensor], list[Case]]:
    """Validation Dice (R,) by subset, and the cases, the first ones of `cases`, that there is time to validate on now
    and again at the end. The limit is told how long it took. Nothing and none: the time was over."""
    limit = progress.limit
    started, share = time.monotonic(), SHARE * max(0.0, limit.left) if limit else float("inf")
    found: list[dict[int, Tensor]] = []
    progress.begin(BEFORE, len(cases))
    try:
        with stoppable(Deadline(limit.ends if limit else None)):
            for number, case in enumerate(cases, start=1):
                if found and (1 + ROOM) * _with_another(started, number) > share:
                    logger.info("validating on %d of %d studies: more would not fit", len(found), len(cases))
                    break
                progress.study(number)
                found.append(dice_of(network, case))
    except StoppedError:
        return {}, []
    if limit:
        _tell(limit, time.monotonic() - started, len(found))
    return mean_over(found), cases[: len(found)]


def _with_another(started: float, number: int) -> float:
    """Seconds that `number` cases take, by what those before took."""
    return (time.monotonic() - started) * number / (number - 1)


def _tell(limit: TimeLimit, seconds: float, cases: int) -> None:
    """Until the first step is made, one is expected to take as long as a case."""
    limit.validated(seconds)
    limit.stepped(seconds / cases)
