"""Brains without a tumour, made from studies with one: the healthy half mirrored over the other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ccsd.models.card import MIRRORED
from ccsd.training.cases import Case, MadeCase

MIN_DISTANCE = 5  # voxels that the whole tumour keeps from the midline
MAX_SHIFT = 12  # voxels between the middle of the brain's box and the midline
STEP = 4  # voxels between the lines on which the halves are compared


@dataclass(frozen=True)
class MirroredCase(MadeCase):
    """A case with its healthy half in both halves and an empty label, in which all regions are known.

    Attributes:
        case: a study with its tumour on one side; the first axis is left to right (`ccsd.preprocessing.prepare`).
        centre: x goes to `centre - x`.
        healthy_is_high: whether the half with the larger x is the healthy one.
    """

    SUFFIX = MIRRORED
    centre: int
    healthy_is_high: bool

    @property
    def volumes(self) -> Tensor:
        edge = self.case.volumes.shape[1]
        x = torch.arange(edge, device=self.case.volumes.device)
        healthy = x * 2 >= self.centre if self.healthy_is_high else x * 2 <= self.centre
        source = torch.where(healthy, x, self.centre - x)
        inside = (source >= 0) & (source < edge)
        return self.case.volumes[:, source.clamp(0, edge - 1)] * inside[None, :, None, None]

    @property
    def label(self) -> Tensor:
        return torch.zeros_like(self.case.label)

    @property
    def tumour(self) -> Tensor:
        return self.case.tumour[:0]

    @property
    def annotated(self) -> Tensor:
        return torch.ones_like(self.case.annotated)


def mirrored(case: Case) -> MirroredCase | None:
    """The case without its tumour; None where the tumour is on both sides, or its whole extent is not known."""
    if not len(case.tumour) or not bool(case.annotated[0]):
        return None
    rows = torch.nonzero(case.label.flatten(1).any(dim=1)).flatten()
    centre = midline(case.volumes)
    if int(rows.max()) < centre / 2 - MIN_DISTANCE:
        return MirroredCase(case, centre, healthy_is_high=True)
    if int(rows.min()) > centre / 2 + MIN_DISTANCE:
        return MirroredCase(case, centre, healthy_is_high=False)
    return None


def midline(volumes: Tensor) -> int:
    """The plane about which (N, d, h, w) is most alike to its mirror image: x goes to `midline - x`."""
    image = volumes[:, :, ::STEP, ::STEP].float().sum(dim=0)
    edge = image.shape[0]
    centres = range(edge - 1 - 2 * MAX_SHIFT, edge + 2 * MAX_SHIFT)
    return max(centres, key=lambda centre: _likeness(image, centre))


def _likeness(image: Tensor, centre: int) -> float:
    """Correlation of the part that has a mirror image with it."""
    edge = image.shape[0]
    part = image[max(0, centre - edge + 1) : min(edge - 1, centre) + 1]
    return float(torch.corrcoef(torch.stack([part.flatten(), part.flip(0).flatten()]))[0, 1])
