"""What the leave-one-out masks of a study say of its mask."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ccsd.inference.agreement import agreement_map, leave_one_out, region_agreement
from ccsd.method import subsets

MODALITIES = ("t1", "t1ce", "t2", "flair")


def cube(edge: int) -> Tensor:
    """A mask (1, 10, 10, 10) of a cube in the corner."""
    mask = torch.zeros(1, 10, 10, 10, dtype=torch.bool)
    mask[:, :edge, :edge, :edge] = True
    return mask


@given(st.integers(1, 15))
def test_leave_one_out_subsets_lack_one_modality_each(subset: int) -> None:
    lacking = leave_one_out(subset)
    assert all(subsets.size(subset & ~s) == 1 and s & ~subset == 0 and s for s in lacking)
    assert len(set(lacking)) == (subsets.size(subset) if subsets.size(subset) > 1 else 0)


def test_masks_that_are_the_same_agree_everywhere() -> None:
    found = {s: cube(4) for s in (0b1111, *leave_one_out(0b1111))}
    assert (agreement_map(found) == 1).all()
    region = region_agreement(found, ("WT",), MODALITIES)["WT"]
    assert (region.score, region.voxels, region.least, region.most) == (1, 64, 64, 64)
    assert set(region.without) == set(MODALITIES)


def test_the_modality_that_decides_is_named_and_its_voxels_agree_less() -> None:
    found = {s: cube(4) for s in (0b1111, *leave_one_out(0b1111))} | {0b0111: cube(2)}  # without FLAIR
    region = region_agreement(found, ("WT",), MODALITIES)["WT"]
    assert region.without == {"t1": 1, "t1ce": 1, "t2": 1, "flair": pytest.approx(2 * 8 / 72)}
    assert region.grows == {"t1": 0, "t1ce": 0, "t2": 0, "flair": 8 - 64}
    assert (region.voxels, region.least, region.most) == (64, 8, 64)
    agreed = agreement_map(found)
    assert agreed[0, 0, 0, 0] == 1
    assert agreed[0, 3, 3, 3] == 0.75
    assert agreed[0, 9, 9, 9] == 1


def test_subsets_of_a_study_with_two_modalities_are_compared_too() -> None:
    found = {0b1010: cube(3), 0b1000: cube(3), 0b0010: cube(0)}
    region = region_agreement(found, ("WT",), MODALITIES)["WT"]
    assert region.without == {"t1ce": 1, "flair": 0}
    assert region.score == 0.5


def test_empty_masks_agree() -> None:
    found = {s: cube(0) for s in (0b11, 0b01, 0b10)}
    assert region_agreement(found, ("WT",), MODALITIES)["WT"].score == 1


def test_one_modality_has_nothing_to_compare_with() -> None:
    with pytest.raises(ValueError, match="one modality"):
        agreement_map({0b100: cube(1)})
