"""How well a mask agrees with a reference: Dice and HD95 by MONAI, with BraTS's conventions for empty regions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ccsd.method.task import Task

HD95_ONE_EMPTY = 373.13  # mm, the diagonal of BraTS's 240 x 240 x 155 mm field of view (docs/method.md: Evaluation)
ET_RULE_REGION = "ET"
ET_RULE_ML = 0.5  # BraTS participants' rule: predicted ET under 500 voxels of 1 mm is relabelled as core


def dice(predicted: Tensor, reference: Tensor) -> Tensor:
    """Dice of boolean (R, D, H, W) against (R, D, H, W): (R,). Both empty: 1, one empty: 0 (BraTS convention)."""
    from monai.metrics import compute_dice  # seconds, as in `ccsd.inference.predict`

    mask, truth = crop_to_union(predicted, reference)
    value = compute_dice(mask[None].float(), truth[None].float(), ignore_empty=False)
    return value[0].float()


def hd95(predicted: Tensor, reference: Tensor, spacing: Sequence[float]) -> Tensor:
    """95th percentile Hausdorff distance in mm, the larger of the two directions: (R,).

    Both empty: 0 mm, one empty: HD95_ONE_EMPTY (BraTS convention).

    Args:
        predicted, reference: boolean (R, D, H, W).
        spacing: mm along D, H, W.
    """
    from monai.metrics import compute_hausdorff_distance  # as in `dice`

    values = torch.zeros(len(predicted))
    for region in range(len(predicted)):
        mask, truth = crop_to_union(predicted[region : region + 1], reference[region : region + 1])
        filled = bool(mask.any()), bool(truth.any())
        if all(filled):
            found = compute_hausdorff_distance(
                mask[None], truth[None], include_background=True, percentile=95, spacing=list(spacing)
            )
            values[region] = float(found)
        elif any(filled):
            values[region] = HD95_ONE_EMPTY
    return values


def crop_to_union(predicted: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Both masks, boolean (R, D, H, W), in the box around whatever either of them fills, with a margin of one voxel.

    Metrics are the same there and several times faster. Two empty masks keep one voxel.
    """
    either = (predicted | reference).any(dim=0)
    box = []
    for axis in range(3):
        others = [a for a in range(3) if a != axis]
        filled = torch.nonzero(either.any(dim=others[1]).any(dim=others[0])).flatten().tolist()
        box.append(slice(max(0, filled[0] - 1), filled[-1] + 2) if filled else slice(0, 1))
    return predicted[:, box[0], box[1], box[2]], reference[:, box[0], box[1], box[2]]


def apply_et_rule(label: Tensor, task: Task, voxel_ml: float) -> Tensor:
    """The label map (D, H, W) with a predicted ET of less than ET_RULE_ML relabelled as the region around it.

    A task without a region of that name, or with nothing around it, is left as it is.

    Args:
        voxel_ml: volume of a voxel in mL.
    """
    names = list(task.regions)
    if ET_RULE_REGION not in names[1:]:
        return label
    values = torch.tensor(task.regions[ET_RULE_REGION], dtype=label.dtype)
    inside = torch.isin(label, values)
    if round(int(inside.sum()) * voxel_ml, 6) >= ET_RULE_ML:  # rounded: an affine's 1 mm may be 0.9999999
        return label
    around = task.region_labels[names[names.index(ET_RULE_REGION) - 1]]
    return torch.where(inside, torch.as_tensor(around, dtype=label.dtype), label)
