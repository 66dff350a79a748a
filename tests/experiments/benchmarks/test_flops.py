"""Counted operations follow from the sizes."""

from __future__ import annotations

import pytest

from ccsd.experiments.benchmarks.flops import count
from ccsd.method.network import PRESETS


def test_operations_grow_with_the_volume_and_a_step_costs_about_three_forwards_a_decoded_subset() -> None:
    forward, step = count(PRESETS["tiny"], 32)
    assert count(PRESETS["tiny"], 64)[0] == pytest.approx(8 * forward, rel=0.01)
    assert 2.5 * forward < step < 6.5 * forward
