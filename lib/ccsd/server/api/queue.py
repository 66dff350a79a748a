"""One inference at a time: who asked waits for a turn, users take turns, and who leaves frees the place."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

from ccsd.common.errors import BusyError
from ccsd.common.stopping import StoppedError, check_cancelled, stoppable

T = TypeVar("T")

WAITING = 16  # places; one user can take three quarters of them, so that there is room for another


@dataclass(eq=False)
class _Place:
    user: str
    turn: asyncio.Future[None]
    gone: threading.Event
    ticket: str


class InferenceQueue:
    """Lives on one event loop; the work itself runs in a thread, so that the loop answers others meanwhile.

    Args:
        waiting: how many may wait, all users together.
    """

    def __init__(self, waiting: int = WAITING) -> None:
        self.waiting = waiting
        self._places: list[_Place] = []  # in the order of arrival
        self._running: _Place | None = None
        self._starts: dict[str, int] = {}  # user -> number of the last start, for those who are here
        self._count = 0
        self._usual = 10.0  # s an inference, a moving average

    async def run(self, work: Callable[[], T], *, user: str, gone: Callable[[], Awaitable[Any]], ticket: str = "") -> T:
        """`work()` when it is the user's turn: of those who wait, the user whose last turn is longest ago.

        Args:
            ticket: what `ahead` knows the place by.
            gone: waits until the client has left; work that waits is then dropped, work under way ends at its next
                `ccsd.common.stopping.check_cancelled`.

        Raises:
            BusyError: no place is free.
            StoppedError: the client left.
        """
        place = self._join(user, ticket)
        watching = asyncio.ensure_future(_watch(place, gone()))
        try:
            await place.turn
            return await run_in_threadpool(self._timed, work, place.gone)
        finally:
            watching.cancel()
            self._leave(place)

    def ahead(self, ticket: str) -> int | None:
        """How many inferences come before the one that waits with this ticket, if nobody joins; None: none waits."""
        waiting, starts = list(self._places), dict(self._starts)
        for turn in range(len(waiting)):
            place = _first(waiting, starts)
            if place.ticket == ticket:
                return turn + (self._running is not None)
            waiting.remove(place)
            starts[place.user] = self._count + turn + 1
        return None

    def _join(self, user: str, ticket: str) -> _Place:
        own = sum(place.user == user for place in self._places)
        if len(self._places) >= self.waiting or own >= math.ceil(0.75 * self.waiting):
            seconds = math.ceil(self._usual * (len(self._places) + 1) / 2)
            raise BusyError(
                f"{len(self._places)} inferences are waiting, {own} of them yours, expected at most {self.waiting}: "
                f"try again in {seconds} s",
                retry_after=seconds,
            )
        place = _Place(user, asyncio.get_running_loop().create_future(), threading.Event(), ticket)
        self._places.append(place)
        self._next()
        return place

    def _leave(self, place: _Place) -> None:
        if place in self._places:
            self._places.remove(place)
        if self._running is place:
            self._running = None
        here = {p.user for p in self._places}
        self._starts = {user: start for user, start in self._starts.items() if user in here}
        self._next()

    def _next(self) -> None:
        able = [place for place in self._places if not place.turn.done()]
        if self._running is not None or not able:
            return
        place = _first(able, self._starts)
        self._places.remove(place)
        self._running = place
        self._count += 1
        self._starts[place.user] = self._count
        place.turn.set_result(None)

    def _timed(self, work: Callable[[], T], gone: threading.Event) -> T:
        started = time.perf_counter()
        with stoppable(gone):
            check_cancelled()
            result = work()
        self._usual += 0.3 * (time.perf_counter() - started - self._usual)
        return result


def _first(places: list[_Place], starts: Mapping[str, int]) -> _Place:
    """That of the user whose last turn is longest ago, the first of them."""
    return min(places, key=lambda place: starts.get(place.user, 0))


async def _watch(place: _Place, gone: Awaitable[Any]) -> None:
    await gone
    place.gone.set()
    if not place.turn.done():
        place.turn.set_exception(StoppedError())
