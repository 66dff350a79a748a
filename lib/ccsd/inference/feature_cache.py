"""What a network has seen of a study: each modality's features, kept for the next question about the same volumes."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from torch import Tensor

from ccsd.method.network import Features

LIMIT = 2**30  # bytes


@dataclass
class FeatureMemory:
    """Features by key, the longest unused forgotten first when they take more than `limit` bytes together."""

    limit: int = LIMIT
    _kept: OrderedDict[Hashable, Features] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def get(self, key: Hashable) -> Features | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, features: Features) -> None:
        """Keep them, unless they alone are more than the limit."""
        size = size_of(features)
        with self._lock:
            if key in self._kept or size > self.limit:
                return
            self._kept[key] = features
            self._bytes += size
            while self._bytes > self.limit:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= size_of(oldest)

    def __len__(self) -> int:
        return len(self._kept)


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
