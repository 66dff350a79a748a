"""How much a model's masks of one study differ with the modalities that it is given."""

from __future__ import annotations

import torch
from torch import Tensor

from ccsd.inference.predict import WindowConfig, predict
from ccsd.method import subsets
from ccsd.method.network import CCSDNetwork

MIN_ML = 1.0  # of tumour: where hardly any is found the disagreement is not blown up


def subset_disagreement(network: CCSDNetwork, volumes: Tensor, present: Tensor, *, window: WindowConfig) -> float:
    """Variance of the region probabilities over all subsets of what is present, from one encoder pass a window.

    Summed over voxels and divided by the tumour's volume, so that large tumours do not win by size; mean over regions.

    Args:
        volumes: (N, d, h, w) as `ccsd.preprocessing.prepare` makes it; present: boolean (N,).

    Returns:
        0 (all subsets agree, or there is one modality only) up to 1/4 and a little more.
    """
    chosen = subsets.lattice(subsets.from_present(present))
    found = torch.stack(list(predict(network, volumes, present, chosen, window).values()))  # (S, R, d, h, w)
    least = MIN_ML * 1000 / network.task.spacing**3
    variance = found.var(dim=0, unbiased=False).sum(dim=(1, 2, 3))  # (R,)
    volume = found.mean(dim=0).sum(dim=(1, 2, 3))
    return float((variance / (volume + least)).mean())
