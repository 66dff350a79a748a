from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ccsd.imaging.grid import Grid
from ccsd.server.page.layer_cache import LayerCache
from ccsd.server.page.slices import Layer


def block(kilobytes: int) -> Layer:
    return Layer(np.zeros((kilobytes, 32, 32), np.uint8), Grid((kilobytes, 32, 32), np.eye(4)))


def test_what_was_used_longest_ago_goes_first() -> None:
    kept = LayerCache(3 * 1024)
    for name in "abc":
        kept.put(name, block(1))
    kept.get("a")
    kept.put("d", block(1))
    assert [name for name in "abcd" if kept.get(name) is not None] == ["a", "c", "d"]


def test_the_newest_stays_whatever_its_size() -> None:
    kept = LayerCache(1024)
    kept.put("small", block(1))
    kept.put("large", block(5))
    assert kept.get("small") is None
    assert kept.get("large") is not None


def test_many_who_want_the_same_get_it_made_once() -> None:
    kept = LayerCache(1024)
    made = []
    together = threading.Barrier(8)

    def make() -> Layer:
        made.append(1)
        return block(1)

    def want(_: int) -> np.ndarray:
        together.wait()
        return kept.get_or_make("volume", make)

    with ThreadPoolExecutor(8) as pool:
        assert len({id(value) for value in pool.map(want, range(8))}) == 1
    assert made == [1]
