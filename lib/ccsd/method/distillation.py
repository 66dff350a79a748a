"""HMSD and DMCD: the available full set teaches its subsets, each set its next smaller one (docs/method.md: Losses).

`z` is subset -> (B, C, D, H, W), fused features or logits, looked up only where it is needed (`Lazy`). Teachers are
detached here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ccsd.method import subsets

Path = Literal["most", "random", "least"]
Divergence = Callable[[Tensor, Tensor, float], Tensor]


class Lazy(dict[int, Tensor]):
    """subset -> tensor, each made once, when it is first asked for."""

    def __init__(self, make: Callable[[int], Tensor]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, subset: int) -> Tensor:
        value = self[subset] = self._make(subset)
        return value


def divergence(teacher: Tensor, student: Tensor, tau: float) -> Tensor:
    """tau^2 * KL(p(teacher) || p(student)), p the softmax over channels at each location; mean over B and locations.

    Args:
        teacher, student: features (B, C, D, H, W); the teacher is detached.
        tau: temperature, > 0.
    """
    log_p = F.log_softmax(_full(teacher.detach()) / tau, dim=1)
    log_q = F.log_softmax(_full(student) / tau, dim=1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=1).mean() * tau**2


def normalised_divergence(teacher: Tensor, student: Tensor, tau: float) -> Tensor:
    """`divergence` of features whose channels were brought to zero mean and unit deviation over locations first: a
    softmax over channels of plain features is decided by the few whose values are large."""
    return divergence(_normalised(teacher), _normalised(student), tau)


def _normalised(z: Tensor) -> Tensor:
    z = _full(z)
    deviation, mean = torch.std_mean(z, dim=(2, 3, 4), keepdim=True, correction=0)
    return (z - mean) / (deviation + 1e-5)


def _full(z: Tensor) -> Tensor:
    """In single precision at least: differences of logarithms are lost in the half precision of mixed precision."""
    return z.to(torch.promote_types(z.dtype, torch.float32))


def region_divergence(teacher: Tensor, student: Tensor, tau: float) -> Tensor:
    """`divergence` for region logits (B, R, D, H, W): regions overlap, so each is a two-class distribution of its own
    (a softmax over regions would not see a shift that all of them share); mean over B, R and locations."""
    teacher = _full(teacher.detach()) / tau
    student = _full(student) / tau
    p = torch.sigmoid(teacher)
    inside = F.logsigmoid(teacher) - F.logsigmoid(student)
    outside = F.logsigmoid(-teacher) - F.logsigmoid(-student)
    return (p * inside + (1 - p) * outside).mean() * tau**2


def hmsd(
    z: Mapping[int, Tensor],
    available: int,
    *,
    tau: float,
    teacher: Tensor | None = None,
    per_level: int | None = None,
    generator: torch.Generator | None = None,
    diverge: Divergence = divergence,
) -> Tensor:
    """Hierarchical modality self-distillation: the mean over sizes k < |A| of the mean over |S| = k of KL(A || S).

    Zero when only one modality is available.

    Args:
        teacher: what teaches in the place of z[available].
        per_level: at most this many subsets of each size, drawn uniformly by `generator` (None: all of them). The
            expectation over the draw is the value with all of them.
    """
    teacher = z[available] if teacher is None else teacher
    levels = []
    for k in range(1, subsets.size(available)):
        chosen = _level(available, k, per_level, generator)
        levels.append(torch.stack([diverge(teacher, z[s], tau) for s in chosen]).mean())
    return torch.stack(levels).mean() if levels else teacher.new_zeros(())


def criticality(z: Mapping[int, Tensor], subset: int) -> dict[int, Tensor]:
    """How much Z changes when modality m leaves `subset`: -cos(Z(S), Z(S \\ {m})) of each study, (B,), for m in S.

    Detached. Not by `no_grad`: what a `Lazy` z first makes here is what the losses learn from later.
    """
    whole = z[subset].detach().flatten(1)
    without = {m: z[subset & ~(1 << m)].detach().flatten(1) for m in subsets.members(subset)}
    return {m: -F.cosine_similarity(whole, rest, dim=1) for m, rest in without.items()}


def chain(
    z: Mapping[int, Tensor], available: int, *, study: int = 0, path: Path, generator: torch.Generator
) -> list[int]:
    """The decremental chain A = S_0, S_1, ..., |S_last| = 1 of one study of the batch; a tie goes to the first one."""
    order = [available]
    while subsets.size(order[-1]) > 1:
        own = subsets.members(order[-1])
        if path == "random":
            removed = own[int(torch.randint(len(own), (1,), generator=generator))]
        else:
            scores = torch.stack([score[study] for score in criticality(z, order[-1]).values()])
            removed = own[int(scores.argmax() if path == "most" else scores.argmin())]
        order.append(order[-1] & ~(1 << removed))
    return order


def dmcd(
    z: Mapping[int, Tensor],
    available: int,
    *,
    tau: float,
    generator: torch.Generator,
    path: Path = "most",
    features: Mapping[int, Tensor] | None = None,
    diverge: Divergence = divergence,
) -> Tensor:
    """Decremental modality combination distillation: mean over the chain of KL(S_t || S_{t+1}), a chain a study.

    Zero when only one modality is available.

    Args:
        features: what criticality is read from, where that is not `z` itself.
    """
    if subsets.size(available) == 1:
        return z[available].new_zeros(())
    judged = z if features is None else features
    chains = [chain(judged, available, study=i, path=path, generator=generator) for i in range(z[available].shape[0])]
    steps = [_step(z, order, i, tau, diverge) for i, order in enumerate(chains)]
    return torch.stack(steps).mean()


def _step(z: Mapping[int, Tensor], order: Sequence[int], study: int, tau: float, diverge: Divergence) -> Tensor:
    """Mean divergence along the chain of one study."""
    one = slice(study, study + 1)
    return torch.stack([diverge(z[a][one], z[b][one], tau) for a, b in pairwise(order)]).mean()


def _level(available: int, k: int, count: int | None, generator: torch.Generator | None) -> list[int]:
    if count is None:
        return subsets.level(available, k)
    if generator is None:
        raise ValueError("hmsd: drawing subsets needs a generator")
    return subsets.sample_level(available, k, count, generator)
