"""The lattice of modality subsets, each encoded as a bit mask: bit m stands for modality m of the task's order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

import torch
from torch import Tensor


def full(n: int) -> int:
    """The set of all n modalities."""
    return (1 << n) - 1


def members(subset: int) -> tuple[int, ...]:
    """Indices of the modalities in `subset`, ascending. Example: members(0b1010) == (1, 3)."""
    return tuple(m for m in range(subset.bit_length()) if subset >> m & 1)


def size(subset: int) -> int:
    """How many modalities `subset` has."""
    return subset.bit_count()


def from_members(indices: Iterable[int]) -> int:
    """The inverse of `members`."""
    subset = 0
    for m in indices:
        subset |= 1 << m
    return subset


def names(subset: int, modalities: Sequence[str]) -> tuple[str, ...]:
    """Names of the modalities in `subset`, in the task's order."""
    return tuple(modalities[m] for m in members(subset))


def from_present(present: Tensor) -> int:
    """`present`, a boolean (N,) tensor -> subset."""
    return from_members(torch.nonzero(present).flatten().tolist())


def to_present(subset: int, n: int) -> Tensor:
    """subset -> boolean (n,), the inverse of `from_present`."""
    return torch.tensor([bool(subset >> m & 1) for m in range(n)])


def lattice(available: int) -> list[int]:
    """All non-empty subsets of `available`, larger sets first and ascending within a size: 2^|A| - 1 of them."""
    return sorted(_submasks(available), key=lambda s: (-size(s), s))


def level(available: int, k: int) -> list[int]:
    """The subsets of `available` that have k modalities, in ascending order of their members."""
    return [from_members(chosen) for chosen in combinations(members(available), k)]


def sample_level(available: int, k: int, count: int, generator: torch.Generator) -> list[int]:
    """`count` distinct subsets of `available` with k modalities, drawn uniformly (all of them if there are no more)."""
    every = level(available, k)
    if len(every) <= count:
        return every
    return [every[i] for i in torch.randperm(len(every), generator=generator)[:count].tolist()]


def sample(available: int, generator: torch.Generator) -> int:
    """One proper subset of `available`, drawn uniformly over sizes 1..|A|-1, then within the size.

    With a single available modality there is no proper subset: that modality itself is returned.
    """
    if size(available) == 1:
        return available
    k = int(torch.randint(1, size(available), (1,), generator=generator))
    chosen = torch.randperm(size(available), generator=generator)[:k].tolist()
    own = members(available)
    return from_members(own[i] for i in chosen)


def _submasks(available: int) -> Iterator[int]:
    subset = available
    while subset:
        yield subset
        subset = (subset - 1) & available
