"""HMSD and DMCD: the available full set teaches its subsets, and each set its next smaller one (METHOD: Losses).

All functions take `z`: subset -> (B, C, D, H, W), fused features or logits. Teachers are detached here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.ccsd import subsets

Path = Literal["most", "random", "least"]


def divergence(teacher: Tensor, student: Tensor, tau: float) -> Tensor:
    """tau^2 * KL(p(teacher) || p(student)), p the softmax over channels at each location; mean over B and locations.

    Args:
        teacher, student: (B, C, D, H, W); the teacher is detached.
        tau: temperature, > 0.
    """
    log_p = F.log_softmax(teacher.detach() / tau, dim=1)
    log_q = F.log_softmax(student / tau, dim=1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=1).mean() * tau**2


def hmsd(z: Mapping[int, Tensor], available: int, *, tau: float) -> Tensor:
    """Hierarchical modality self-distillation: the mean over sizes k < |A| of the mean over |S| = k of KL(A || S).

    Zero when only one modality is available.
    """
    teacher = z[available]
    levels = [
        torch.stack([divergence(teacher, z[s], tau) for s in subsets.level(available, k)]).mean()
        for k in range(1, subsets.size(available))
    ]
    return torch.stack(levels).mean() if levels else teacher.new_zeros(())


def criticality(z: Mapping[int, Tensor], subset: int) -> dict[int, float]:
    """How much Z changes when modality m leaves `subset`: -cos(Z(S), Z(S \\ {m})), for each m in S (|S| >= 2).

    `z` holds one study (B = 1).
    """
    whole = z[subset].detach().flatten()
    without = {m: z[subset & ~(1 << m)].detach().flatten() for m in subsets.members(subset)}
    return {m: -float(F.cosine_similarity(whole, rest, dim=0)) for m, rest in without.items()}


def chain(z: Mapping[int, Tensor], available: int, *, path: Path, generator: torch.Generator) -> list[int]:
    """The decremental chain A = S_0, S_1, ..., |S_last| = 1 of one study; ties go to the first modality in order."""
    order = [available]
    while subsets.size(order[-1]) > 1:
        removed = _PATHS[path](z, order[-1], generator)
        order.append(order[-1] & ~(1 << removed))
    return order


def dmcd(
    z: Mapping[int, Tensor], available: int, *, tau: float, generator: torch.Generator, path: Path = "most"
) -> Tensor:
    """Decremental modality combination distillation: mean over the chain of KL(S_t || S_{t+1}), a chain a study.

    Zero when only one modality is available.
    """
    steps = []
    for i in range(z[available].shape[0]):
        study = {s: value[i : i + 1] for s, value in z.items()}
        order = chain(study, available, path=path, generator=generator)
        steps += [divergence(study[a], study[b], tau) for a, b in pairwise(order)]
    return torch.stack(steps).mean() if steps else z[available].new_zeros(())


def _most_critical(z: Mapping[int, Tensor], subset: int, generator: torch.Generator) -> int:
    scores = criticality(z, subset)
    return max(scores, key=scores.__getitem__)


def _least_critical(z: Mapping[int, Tensor], subset: int, generator: torch.Generator) -> int:
    scores = criticality(z, subset)
    return min(scores, key=scores.__getitem__)


def _random(z: Mapping[int, Tensor], subset: int, generator: torch.Generator) -> int:
    own = subsets.members(subset)
    return own[int(torch.randint(len(own), (1,), generator=generator))]


_PATHS: dict[Path, Callable[[Mapping[int, Tensor], int, torch.Generator], int]] = {
    "most": _most_critical,
    "random": _random,
    "least": _least_critical,
}
