from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from ccsd.common.errors import BusyError
from ccsd.common.stopping import StoppedError, check_cancelled
from ccsd.server.api.queue import InferenceQueue


class Clinic:
    """Requests to a queue whose work ends when the test says so; `done` is the order in which work was begun."""

    def __init__(self, waiting: int = 16) -> None:
        self.queue = InferenceQueue(waiting)
        self.done: list[str] = []
        self.may_end = threading.Event()
        self.leaving: dict[str, asyncio.Event] = {}

    def ask(self, name: str, *, user: str = "a") -> asyncio.Task[str]:
        self.leaving[name] = asyncio.Event()

        def work() -> str:
            self.done.append(name)
            while not self.may_end.wait(0.005):
                check_cancelled()
            return name

        return asyncio.ensure_future(self.queue.run(work, user=user, gone=self.leaving[name].wait, ticket=name))

    async def under_way(self, name: str) -> None:
        while name not in self.done:
            await asyncio.sleep(0.001)


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 20))  # type: ignore[arg-type]  # any awaitable


def test_the_event_loop_is_free_while_one_works_and_others_wait_in_order() -> None:
    async def story() -> None:
        clinic = Clinic()
        asked = [clinic.ask(name) for name in "123"]
        await clinic.under_way("1")
        assert clinic.done == ["1"]
        clinic.may_end.set()
        assert await asyncio.gather(*asked) == ["1", "2", "3"]
        assert clinic.done == ["1", "2", "3"]

    run(story)


def test_who_waits_is_told_how_many_come_before() -> None:
    async def story() -> None:
        clinic = Clinic()
        asked = [clinic.ask(name, user=name[0]) for name in ("a1", "a2", "a3", "b1")]
        await clinic.under_way("a1")
        ahead = {name: clinic.queue.ahead(name) for name in ("a1", "a2", "a3", "b1", "nobody")}
        assert ahead == {"a1": None, "b1": 1, "a2": 2, "a3": 3, "nobody": None}
        clinic.may_end.set()
        await asyncio.gather(*asked)
        assert clinic.done == ["a1", "b1", "a2", "a3"]

    run(story)


def test_users_take_turns_whoever_came_with_more() -> None:
    async def story() -> None:
        clinic = Clinic()
        asked = [clinic.ask(name, user="a") for name in ("a1", "a2", "a3")]
        await clinic.under_way("a1")
        asked += [clinic.ask(name, user="b") for name in ("b1", "b2")]
        await asyncio.sleep(0.01)
        clinic.may_end.set()
        await asyncio.gather(*asked)
        assert clinic.done == ["a1", "b1", "a2", "b2", "a3"]

    run(story)


def test_a_full_queue_says_when_to_come_again_and_keeps_room_for_another_user() -> None:
    async def story() -> None:
        clinic = Clinic(waiting=4)
        asked = [clinic.ask(f"a{i}", user="a") for i in range(4)]  # one works, three wait
        await clinic.under_way("a0")
        with pytest.raises(BusyError, match="3 inferences are waiting, 3 of them yours") as refused:
            await clinic.ask("a4", user="a")
        assert refused.value.retry_after > 0
        asked.append(clinic.ask("b0", user="b"))
        await asyncio.sleep(0.01)
        with pytest.raises(BusyError, match="4 inferences are waiting, 0 of them yours"):
            await clinic.ask("c0", user="c")
        clinic.may_end.set()
        assert len(await asyncio.gather(*asked)) == 5

    run(story)


def test_who_leaves_while_waiting_frees_the_place_at_once() -> None:
    async def story() -> None:
        clinic = Clinic(waiting=2)
        first, second = clinic.ask("1"), clinic.ask("2")
        third = clinic.ask("3", user="b")
        await clinic.under_way("1")
        clinic.leaving["2"].set()
        with pytest.raises(StoppedError):
            await second
        fourth = clinic.ask("4")
        await asyncio.sleep(0.01)
        clinic.may_end.set()
        assert await asyncio.gather(first, third, fourth) == ["1", "3", "4"]
        assert "2" not in clinic.done

    run(story)


def test_work_under_way_ends_at_its_next_step_when_the_client_leaves() -> None:
    async def story() -> None:
        clinic = Clinic()
        first, second = clinic.ask("1"), clinic.ask("2")
        await clinic.under_way("1")
        clinic.leaving["1"].set()
        with pytest.raises(StoppedError):
            await first
        await clinic.under_way("2")
        clinic.may_end.set()
        assert await second == "2"

    run(story)


def test_an_error_of_the_work_reaches_who_asked_and_the_next_one_starts() -> None:
    async def story() -> None:
        clinic = Clinic()

        def fail() -> str:
            raise ValueError("broken")

        first = asyncio.ensure_future(clinic.queue.run(fail, user="a", gone=asyncio.Event().wait))
        second = clinic.ask("2")
        clinic.may_end.set()
        with pytest.raises(ValueError, match="broken"):
            await first
        assert await second == "2"

    run(story)


def test_outside_a_queue_nothing_stops() -> None:
    check_cancelled()
