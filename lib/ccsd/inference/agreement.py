"""How far the masks of one study agree when a modality is taken away: a map, and figures for each region.

The network answers for any subset of modalities from the same features, so the masks of the leave-one-out subsets cost
a decoder pass each. Where they say what the mask of all modalities says, no single series decides; where they do not,
one series does, and an error in it is an error in the mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ccsd.method import subsets


@dataclass(frozen=True)
class RegionAgreement:
    """One region of one study.

    Attributes:
        score: mean Dice of the leave-one-out masks with the mask of all modalities, 0 to 1; 1 where all are empty.
        voxels: of the mask of all modalities; least, most: of it and the leave-one-out masks.
        without: Dice with the mask of all modalities, by the modality that is taken away.
        grows: voxels more (or fewer, below 0) without that modality.
    """

    score: float
    voxels: int
    least: int
    most: int
    without: dict[str, float]
    grows: dict[str, int]


def leave_one_out(subset: int) -> list[int]:
    """The subsets that lack one modality of `subset`, in its order; none for a single modality."""
    members = subsets.members(subset)
    return [subset & ~(1 << m) for m in members] if len(members) > 1 else []


def agreement_map(masks: Mapping[int, Tensor]) -> Tensor:
    """(R, d, h, w) float in 0..1: the share of leave-one-out masks that say of a voxel what the whole mask says.

    Args:
        masks: regions (R, d, h, w), boolean, of the largest subset and of its leave-one-out subsets.

    Raises:
        ValueError: there is nothing to compare with: one modality alone.
    """
    whole, others = _split(masks)
    agreeing = torch.zeros(masks[whole].shape)
    for subset in others:
        agreeing += masks[subset] == masks[whole]
    return agreeing / len(others)


def region_agreement(
    masks: Mapping[int, Tensor], regions: Iterable[str], modalities: Sequence[str]
) -> dict[str, RegionAgreement]:
    """Figures by region. Arguments and errors as `agreement_map`; `regions` and `modalities` in the task's order."""
    whole, others = _split(masks)
    taken = {modalities[subsets.members(whole & ~subset)[0]]: subset for subset in others}
    return {region: _of_region(r, masks, whole, taken) for r, region in enumerate(regions)}


def _split(masks: Mapping[int, Tensor]) -> tuple[int, list[int]]:
    whole = max(masks, key=subsets.size)
    others = [subset for subset in leave_one_out(whole) if subset in masks]
    if not others:
        raise ValueError("there is one modality, expected two at least to compare masks")
    return whole, others


def _of_region(r: int, masks: Mapping[int, Tensor], whole: int, taken: Mapping[str, int]) -> RegionAgreement:
    mask = masks[whole][r]
    others = {m: masks[subset][r] for m, subset in taken.items()}
    volume = int(mask.sum())
    volumes = {m: int(other.sum()) for m, other in others.items()}
    without = {m: _dice(mask, other) for m, other in others.items()}
    return RegionAgreement(
        score=sum(without.values()) / len(without),
        voxels=volume,
        least=min(volume, *volumes.values()),
        most=max(volume, *volumes.values()),
        without=without,
        grows={m: v - volume for m, v in volumes.items()},
    )


def _dice(a: Tensor, b: Tensor) -> float:
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0
