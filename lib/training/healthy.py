"""Brains without a tumour, made from studies with one: the healthy half mirrored over the other."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from lib.training.cases import Case

MIN_DISTANCE = 5  # voxels that the whole tumour keeps from the midline
MAX_SHIFT = 12  # voxels between the middle of the brain's box and the midline


def mirrored(case: Case) -> Case | None:
    """The case with its healthy half in both halves and an empty label, in which all regions are known; None where the
    tumour is on both sides, or nothing is known of where it is. The first axis is left to right, as
    `lib.preprocessing.prepare` makes it.
    """
    if not len(case.tumour) or not bool(case.drawn[0]):
        return None
    centre = midline(case.volumes)  # in half voxels: x is mirrored to centre - x
    left = torch.nonzero(case.label.flatten(1).any(dim=1)).flatten()
    middle = centre / 2
    if int(left.max()) < middle - MIN_DISTANCE:
        healthy_is_high = True
    elif int(left.min()) > middle + MIN_DISTANCE:
        healthy_is_high = False
    else:
        return None
    return replace(
        case,
        id=f"{case.id}/mirrored",
        volumes=_mirror(case.volumes, centre, healthy_is_high),
        label=torch.zeros_like(case.label),
        tumour=case.tumour[:0],
        drawn=torch.ones_like(case.drawn),
    )


def midline(volumes: Tensor) -> int:
    """The plane about which (N, d, h, w) is most alike to its mirror image: x goes to `midline - x`."""
    image = volumes.float().sum(dim=0)[:, ::2, ::2]
    edge = image.shape[0]
    best, found = -2.0, edge - 1
    for centre in range(edge - 1 - 2 * MAX_SHIFT, edge + 2 * MAX_SHIFT):
        low, high = max(0, centre - edge + 1), min(edge - 1, centre)
        part = image[low : high + 1]
        alike = float(torch.corrcoef(torch.stack([part.flatten(), part.flip(0).flatten()]))[0, 1])
        if alike > best:
            best, found = alike, centre
    return found


def _mirror(volumes: Tensor, centre: int, healthy_is_high: bool) -> Tensor:
    edge = volumes.shape[1]
    x = torch.arange(edge)
    healthy = x * 2 >= centre if healthy_is_high else x * 2 <= centre
    source = torch.where(healthy, x, centre - x)
    inside = (source >= 0) & (source < edge)
    return volumes[:, source.clamp(0, edge - 1)] * inside[None, :, None, None]
