"""Images and masks in memory: those used last, up to so many bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

from cachetools import LRUCache

from ccsd.server.page.slices import Layer


class LayerCache:
    """The newest stays whatever its size. For several threads.

    Args:
        limit: bytes of all layers together.
    """

    def __init__(self, limit: int) -> None:
        self._layers: LRUCache[Hashable, Layer] = LRUCache(limit, getsizeof=lambda one: min(one.nbytes, limit))
        self._guard = threading.Lock()
        self._making = threading.Lock()  # one at a time: who wants the same waits for it, and memory is bounded

    def get(self, key: Hashable) -> Layer | None:
        with self._guard:
            return self._layers.get(key)

    def put(self, key: Hashable, layer: Layer) -> None:
        with self._guard:
            self._layers[key] = layer

    def get_or_make(self, key: Hashable, make: Callable[[], Layer]) -> Layer:
        """The layer, made where it is not there; those who ask meanwhile wait."""
        layer = self.get(key)
        if layer is None:
            with self._making:
                layer = self.get(key)
                if layer is None:
                    layer = make()
                    self.put(key, layer)
        return layer
