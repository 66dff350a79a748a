"""Work of several steps, of which others wait for none: the steps of some overlap."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def overlapped(work: Callable[[T], R], items: Iterable[T], *, at_once: int) -> Iterator[R]:
    """`work` of each item, in order, by so many threads; never more than `at_once` are begun and not yet given.

    Raises:
        What `work` raises, when its turn comes; what is not begun by then is not begun any more.
    """
    pool, begun = ThreadPoolExecutor(at_once), deque[Future[R]]()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) == at_once:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
