"""Work that overlaps: in order, few at a time, and an error in its turn."""

from __future__ import annotations

import threading

import pytest

from ccsd.common.overlap import overlapped


def test_results_come_in_order_and_the_next_begins_before_the_last_is_done() -> None:
    second = threading.Event()

    def work(number: int) -> int:
        if number == 1:
            second.set()
        return number if second.wait(60) else -1

    assert list(overlapped(work, range(7), at_once=2)) == [*range(7)]


def test_no_more_are_begun_than_may_be_at_once() -> None:
    begun: list[int] = []
    results = overlapped(begun.append, range(9), at_once=3)
    next(results)
    next(results)
    assert len(begun) <= 4


def test_an_error_comes_in_its_turn_and_ends_the_rest() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return 1 // (number - 2)

    results = overlapped(work, range(100), at_once=2)
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(begun) <= 4
