from __future__ import annotations

import pytest
import torch

from lib.ccsd.task import BRATS, Task
from lib.evaluation.metrics import HD95_ONE_EMPTY, apply_et_rule, dice, hd95

EMPTY = torch.zeros(1, 8, 8, 8, dtype=torch.bool)


def with_voxels(*voxels: tuple[int, int, int]) -> torch.Tensor:
    mask = EMPTY.clone()
    for d, h, w in voxels:
        mask[0, d, h, w] = True
    return mask


def test_dice_of_known_masks() -> None:
    predicted, reference = torch.zeros(3, 2, 2, 2).bool(), torch.zeros(3, 2, 2, 2).bool()
    predicted[0, 0] = True  # 4 voxels
    reference[0, 0, 0] = True  # 2 of them
    predicted[1, 0] = True  # reference empty
    assert dice(predicted, reference).tolist() == pytest.approx([2 * 2 / 6, 0.0, 1.0])


def test_hd95_of_two_voxels_is_their_distance_in_millimetres() -> None:
    found = hd95(with_voxels((1, 1, 1)), with_voxels((4, 1, 5)), [2.0, 1.0, 1.0])
    assert found.tolist() == pytest.approx([(6**2 + 4**2) ** 0.5])


def test_hd95_is_the_same_wherever_the_masks_lie_in_a_larger_volume() -> None:
    small = torch.rand(1, 8, 8, 8) > 0.7, torch.rand(1, 8, 8, 8) > 0.7
    large = [torch.nn.functional.pad(m, (9, 3, 5, 11, 2, 8)) for m in small]
    assert torch.allclose(hd95(*small, [1.0, 1.0, 3.0]), hd95(large[0], large[1], [1.0, 1.0, 3.0]))


def test_empty_regions_follow_the_brats_convention() -> None:
    some = with_voxels((1, 1, 1))
    cases = torch.cat([EMPTY, some, EMPTY]), torch.cat([EMPTY, EMPTY, some])
    assert dice(*cases).tolist() == [1.0, 0.0, 0.0]
    assert hd95(*cases, [1.0, 1.0, 1.0]).tolist() == pytest.approx([0.0, HD95_ONE_EMPTY, HD95_ONE_EMPTY])


@pytest.mark.parametrize(("voxels", "left"), [(499, 0), (500, 500)])
def test_an_enhancing_tumour_under_half_a_millilitre_becomes_core(voxels: int, left: int) -> None:
    label = torch.full((20, 20, 20), 2, dtype=torch.uint8)
    label.view(-1)[:voxels] = 3
    after = apply_et_rule(label, BRATS, voxel_ml=0.001)
    assert int((after == 3).sum()) == left
    assert int((after == 1).sum()) == voxels - left
    assert int((after == 2).sum()) == 8000 - voxels


def test_the_rule_leaves_a_task_without_that_region_alone() -> None:
    task = Task("x", ("a",), {"gland": 1, "lesion": 2}, {"gland": (1, 2), "lesion": (2,)}, {"gland": 1, "lesion": 2})
    label = torch.tensor([[[0, 1, 2]]], dtype=torch.uint8)
    assert torch.equal(apply_et_rule(label, task, voxel_ml=0.001), label)
