"""Region probabilities -> the label map that a user gets, without the specks that networks leave far from a tumour."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ccsd.common.errors import InputError
from ccsd.method.task import Task

MIN_COMPONENT_FRACTION = 0.1  # docs/notebook.md has the measurement
TOUCHING = np.ones((3, 3, 3), dtype=bool)  # voxels that share a corner belong together


def label_map(
    probabilities: Tensor, task: Task, *, min_component_fraction: float = MIN_COMPONENT_FRACTION
) -> tuple[Tensor, int]:
    """(label map (D, H, W) uint8, voxels left out) from probabilities (R, D, H, W).

    Args:
        min_component_fraction: separate parts smaller than this share of the largest part are left out; 0 keeps all.
            Satellites of a tumour are kept as long as they are larger.

    Raises:
        InputError: a share outside [0, 1].
    """
    if not 0 <= min_component_fraction <= 1:
        raise InputError(f"specks is {min_component_fraction}, expected 0 to 1")
    label = task.to_label(probabilities > 0.5)
    if not min_component_fraction or not label.any():
        return label, 0
    values = label.cpu().numpy()
    (box,) = ndimage.find_objects((values > 0).view(np.uint8))
    parts, _ = ndimage.label(values[box] > 0, structure=TOUCHING)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    small = (sizes < min_component_fraction * sizes.max()) & (sizes > 0)
    values[box][small[parts]] = 0
    return torch.from_numpy(values).to(label.device), int(sizes[small].sum())
