"""Which modalities each voxel has, where a series covers part of the brain, and one mask from all of them.

The network takes a modality as there or not for a whole window. So it is asked once for each set that some voxel has;
each voxel takes the answer for its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lib.ccsd import subsets
from lib.preprocessing.prepare import Prepared


def subsets_by_place(prepared: Prepared, partial: Tensor) -> dict[int, Tensor]:
    """Subset -> boolean (d, h, w) where it is what there is; the first one is that of all modalities.

    Args:
        partial: boolean (N,), modalities that are zero where they were not scanned.
    """
    everything = subsets.from_present(prepared.present)
    held = torch.full(prepared.volumes.shape[1:], everything, dtype=torch.long)
    for slot in torch.nonzero(partial & prepared.present).flatten().tolist():
        held[prepared.volumes[slot] == 0] &= ~(1 << slot)
    held[held == 0] = everything
    found = [everything, *(s for s in held.unique().tolist() if s != everything)]
    return {subset: held == subset for subset in found}


def joined(found: Mapping[int, Tensor], places: Mapping[int, Tensor]) -> Tensor:
    """Region probabilities (R, d, h, w), each voxel by the subset that it has."""
    result = next(iter(found.values()))
    for subset, place in list(places.items())[1:]:
        result = torch.where(place, found[subset], result)
    return result
