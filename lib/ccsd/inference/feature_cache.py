"""What a network has seen of a study: each modality's features, kept for the next question about the same volumes."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from contextlib import suppress

from cachetools import LRUCache
from torch import Tensor

from ccsd.method.network import Features

LIMIT = 2**30  # bytes


FeatureCache = LRUCache[Hashable, Features]


def feature_cache(limit: int = LIMIT) -> FeatureCache:
    """Features by key, the longest unused forgotten first when they take more than `limit` bytes together."""
    return LRUCache(limit, getsizeof=size_of)


def keep(cache: FeatureCache, key: Hashable, features: Features) -> None:
    """Unless they alone are more than the limit."""
    with suppress(ValueError):
        cache[key] = features


def digest(volume: Tensor) -> str:
    """Changes with any value of a CPU tensor, and with its shape."""
    content = hashlib.blake2b(str(tuple(volume.shape)).encode(), digest_size=16)
    content.update(volume.contiguous().numpy().tobytes())
    return content.hexdigest()


def size_of(features: Features) -> int:
    """Bytes of all of its tensors."""
    tensors = [
        t for kind in (features.shared, features.specific, features.fused) for level in kind for t in level.values()
    ]
    return sum({t.data_ptr(): t.numel() * t.element_size() for t in tensors}.values())


def without_specific(features: Features) -> Features:
    """What decoding needs: an evaluating network never looks at the specific features again."""
    return Features(features.available, features.shared, [{} for _ in features.shared], features.fused)


def joined(parts: list[Features]) -> Features:
    """Features of one modality each -> those of all of them. Raises ValueError for none."""
    if not parts:
        raise ValueError("there are no features to join, expected those of one modality at least")
    available = 0
    for part in parts:
        available |= part.available

    def levels(kind: str) -> list[dict[int, Tensor]]:
        return [
            {m: t for part in parts for m, t in getattr(part, kind)[scale].items()}
            for scale in range(len(parts[0].shared))
        ]

    return Features(available, levels("shared"), levels("specific"), levels("fused"))
