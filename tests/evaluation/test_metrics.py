from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import compute_dice, compute_hausdorff_distance

from ccsd.evaluation.metrics import HD95_ONE_EMPTY, apply_et_rule, crop_to_union, dice, hd95
from ccsd.method.task import BRATS, Task

EMPTY = torch.zeros(1, 8, 8, 8, dtype=torch.bool)
MM = (1.0, 1.0, 1.0)


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


@pytest.mark.parametrize(
    ("length", "expected"),
    # distances of the line's voxels are 0 and that of the stray one is 10: the 95th percentile of 21 values is the 20th
    # (0), of 20 values it lies 5 % of the way from the 19th (0) to the 20th (10)
    [(20, 0.0), (19, 0.5)],
)
def test_hd95_of_a_line_with_one_stray_voxel_is_the_95th_percentile(length: int, expected: float) -> None:
    reference = torch.zeros(1, 3, 13, 32, dtype=torch.bool)
    reference[0, 1, 1, 2 : 2 + length] = True
    predicted = reference.clone()
    predicted[0, 1, 11, 2] = True
    assert hd95(predicted, reference, MM).tolist() == pytest.approx([expected], abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.tuples(*[st.integers(0, 9)] * 6), st.sampled_from([MM, (0.5, 1.0, 3.0)]))
def test_metrics_in_the_cropped_box_are_those_of_the_whole_volume(
    seed: int, around: tuple[int, ...], spacing: tuple[float, float, float]
) -> None:
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(2, 1, 6, 5, 7, generator=generator) > 0.7
    masks[:, 0, 3, 3, 3] = True
    predicted, reference = (torch.nn.functional.pad(m, around) for m in masks)
    whole = compute_hausdorff_distance(
        predicted[None], reference[None], include_background=True, percentile=95, spacing=list(spacing)
    )
    assert hd95(predicted, reference, spacing).tolist() == pytest.approx(whole[0].tolist())
    assert dice(predicted, reference).tolist() == pytest.approx(compute_dice(predicted[None], reference[None])[0])


def test_the_cropped_box_holds_both_masks_and_a_margin_of_one_voxel() -> None:
    predicted, reference = crop_to_union(with_voxels((2, 3, 0)), with_voxels((4, 3, 6)))
    assert predicted.shape == reference.shape == (1, 5, 3, 8)
    assert torch.nonzero(predicted[0]).tolist() == [[1, 1, 0]]
    assert torch.nonzero(reference[0]).tolist() == [[3, 1, 6]]


def test_empty_regions_follow_the_brats_convention() -> None:
    some = with_voxels((1, 1, 1))
    cases = torch.cat([EMPTY, some, EMPTY]), torch.cat([EMPTY, EMPTY, some])
    assert dice(*cases).tolist() == [1.0, 0.0, 0.0]
    assert hd95(*cases, MM).tolist() == pytest.approx([0.0, HD95_ONE_EMPTY, HD95_ONE_EMPTY])


def test_masks_without_any_region_are_both_empty() -> None:
    assert dice(EMPTY, EMPTY).tolist() == [1.0]
    assert hd95(EMPTY, EMPTY, MM).tolist() == [0.0]


@pytest.mark.parametrize(
    ("voxels", "voxel_ml", "left"),
    [(499, 0.001, 0), (500, 0.001, 500), (500, 0.9999999e-3, 500), (249, 0.002, 0), (250, 0.002, 250)],
)
def test_an_enhancing_tumour_under_half_a_millilitre_becomes_core(voxels: int, voxel_ml: float, left: int) -> None:
    label = torch.full((20, 20, 20), 2, dtype=torch.uint8)
    label.view(-1)[:voxels] = 3
    after = apply_et_rule(label, BRATS, voxel_ml=voxel_ml)
    assert int((after == 3).sum()) == left
    assert int((after == 1).sum()) == voxels - left
    assert int((after == 2).sum()) == 8000 - voxels


def test_the_rule_leaves_a_task_without_that_region_alone() -> None:
    task = Task("x", ("a",), {"gland": 1, "lesion": 2}, {"gland": (1, 2), "lesion": (2,)}, {"gland": 1, "lesion": 2})
    label = torch.tensor([[[0, 1, 2]]], dtype=torch.uint8)
    assert torch.equal(apply_et_rule(label, task, voxel_ml=0.001), label)
