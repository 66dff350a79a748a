"""Specks are left out, whatever touches the tumour or is large enough stays."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ccsd.common.errors import InputError
from ccsd.inference.label_map import label_map
from ccsd.method.task import BRATS


def probabilities(label: torch.Tensor) -> torch.Tensor:
    return 0.9 * BRATS.to_regions(label[None])[0]


@pytest.fixture
def label() -> torch.Tensor:
    """A tumour of 1000 voxels, a satellite of 125 and a speck of 8."""
    values = torch.zeros(32, 32, 32, dtype=torch.long)
    values[2:12, 2:12, 2:12] = 2
    values[5:8, 5:8, 5:8] = 3
    values[20:25, 20:25, 20:25] = 1
    values[28:30, 2:4, 28:30] = 3
    return values


@pytest.mark.parametrize(
    ("min_component_fraction", "removed"), [(0.0, 0), (0.008, 0), (0.1, 8), (0.2, 133), (1.0, 133)]
)
def test_parts_smaller_than_the_share_are_left_out(
    label: torch.Tensor, min_component_fraction: float, removed: int
) -> None:
    found, count = label_map(probabilities(label), BRATS, min_component_fraction=min_component_fraction)
    assert count == removed
    assert int((label > 0).sum() - (found > 0).sum()) == removed
    assert torch.equal(found[2:12, 2:12, 2:12].long(), label[2:12, 2:12, 2:12])


def test_what_touches_at_a_corner_is_no_speck(label: torch.Tensor) -> None:
    label[12, 12, 12] = 2
    assert label_map(probabilities(label), BRATS, min_component_fraction=0.1)[0][12, 12, 12] == 2


def test_an_empty_mask_stays_empty() -> None:
    found, count = label_map(torch.zeros(3, 8, 8, 8), BRATS)
    assert count == 0
    assert not found.any()


@given(st.integers(0, 2**31), st.floats(0, 1))
def test_nothing_is_added_and_the_largest_part_stays(seed: int, min_component_fraction: float) -> None:
    label = torch.randint(0, 8, (6, 7, 8), generator=torch.Generator().manual_seed(seed)).clamp_max(3) % 4
    found, count = label_map(probabilities(label), BRATS, min_component_fraction=min_component_fraction)
    kept = found > 0
    assert torch.equal(found[kept].long(), label[kept])
    assert int((label > 0).sum()) == int(kept.sum()) + count
    assert bool(kept.any()) == bool((label > 0).any())


@pytest.mark.parametrize("wrong", [-0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(InputError, match="expected 0 to 1"):
        label_map(torch.zeros(3, 4, 4, 4), BRATS, min_component_fraction=wrong)
