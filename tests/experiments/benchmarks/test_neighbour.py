"""The neighbour computes while we do, answers when it is asked, and is gone afterwards."""

from __future__ import annotations

from ccsd.common.process_environment import WAIT_ASLEEP
from ccsd.experiments.benchmarks.neighbour import Load, beside, computing


def test_a_forward_is_timed_alone_and_beside_a_neighbour() -> None:
    small = Load(edge=16, threads=1)
    with computing(WAIT_ASLEEP, small, asked=True) as ask:
        alone, busy = beside(ask, WAIT_ASLEEP, small, repeats=1)
    assert min(alone, busy) > 0
