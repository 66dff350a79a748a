"""Several users at once at a running server: how long each waits, who gets how many masks, what fails."""

from __future__ import annotations

import json
import random
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

import psutil
import requests
from requests.adapters import HTTPAdapter

DEADLINE = 600  # s for one answer
DAY = ("mask", "label", "info", "mask", "next study", "mask", "info", "mask")  # what a user does, over and over
TRAINING = {"max_epochs": 1000, "steps": 5, "patch": 64}


@dataclass(frozen=True)
class Plan:
    """How long, and how much.

    Attributes:
        seconds: after which nobody asks for anything new who has made `least` requests; most: of all users together.
        images: what is segmented, an image a study.
        pause: s between an answer and the user's next request, on average.
        training: of `POST /train/ccsd`, once a third of the time is over (None: no training).
    """

    seconds: float
    users: int
    images: Sequence[str]
    least: int = 1
    most: int = 100_000
    pause: float = 1.0
    training: dict[str, Any] | None = field(default_factory=lambda: dict(TRAINING))


@dataclass
class Seen:
    """What the users saw: `waited` s by kind of request, the kinds that were `refused` with 429 and asked again,
    sentences of `errors`, and masks by user. `memory`: GiB of the server at the start, in the middle and at the end."""

    waited: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: Counter[str] = field(default_factory=Counter)
    errors: list[tuple[str, str]] = field(default_factory=list)
    masks: Counter[str] = field(default_factory=Counter)
    memory: list[float | None] = field(default_factory=list)
    training: str = "none"
    seconds: float = 0.0

    @property
    def requests(self) -> int:
        return sum(map(len, self.waited.values())) + len(self.errors)

    def table(self) -> str:
        """Markdown."""
        failed = Counter(kind for kind, _ in self.errors)
        lines = [
            "| request | answered | errors | 429, asked again | median s | longest s |",
            "|---|---|---|---|---|---|",
        ]
        for kind in sorted({*self.waited, *failed}):
            waited = self.waited.get(kind, [])
            times = f"{statistics.median(waited):.2f} | {max(waited):.2f}" if waited else "- | -"
            lines.append(f"| {kind} | {len(waited)} | {failed[kind]} | {self.refused[kind]} | {times} |")
        memory = ", ".join("not known" if gib is None else f"{gib:.2f}" for gib in self.memory)
        return "\n".join(
            [
                *lines,
                "",
                f"masks of a user, least and most: {min(self.masks.values())}, {max(self.masks.values())}",
                f"resident memory of the server at the start, in the middle, at the end, GiB: {memory}",
                f"training: {self.training}",
            ]
        )


def load(url: str, plan: Plan, memory: Callable[[], float | None]) -> Seen:
    """Let the users of a plan work at a server. They save labels and start a training: it is one for trying out."""
    seen, began = Seen(memory=[memory()]), time.monotonic()
    works = [_User(url, number, plan, seen, began) for number in range(plan.users)]
    seen.masks.update({user.name: 0 for user in works})
    middle = threading.Timer(plan.seconds / 2, lambda: seen.memory.append(memory()))
    middle.start()
    with ThreadPoolExecutor(plan.users + 1) as pool:
        work = [pool.submit(user.work) for user in works]
        if plan.training is not None:
            work.append(pool.submit(_train, works[0], plan, seen, began))
        for one in work:
            one.result()
    middle.join()
    seen.memory.append(memory())
    seen.seconds = time.monotonic() - began
    return seen


class _User:
    """A person: asks, waits for the answer, asks for the next. From an address of its own (127.0.0.2, ...), as far as
    the server is on this machine: by it, it tells users apart."""

    def __init__(self, url: str, number: int, plan: Plan, seen: Seen, began: float) -> None:
        self.name = f"127.0.0.{number + 2}"
        self.url, self.plan, self.seen, self.began = url, plan, seen, began
        self.session = requests.Session()
        if "//127.0.0.1" in url:
            self.session.mount("http://", _From(self.name))
        self._number = number
        self._made = 0
        self._random = random.Random(number)
        self._mask: tuple[str, bytes] | None = None
        self._images = cycle([*plan.images[number % len(plan.images) :], *plan.images[: number % len(plan.images)]])

    def work(self) -> None:
        for kind in islice(cycle(DAY), self._number % len(DAY), None):
            if self.over():
                return
            if kind != "label" or self._mask:
                self._do(kind)
                self._made += 1
            time.sleep(self._random.uniform(0, 2 * self.plan.pause))

    def over(self) -> bool:
        late = time.monotonic() - self.began > self.plan.seconds and self._made >= self.plan.least
        return late or self.seen.requests >= self.plan.most

    def _do(self, kind: str) -> None:
        image = next(self._images) if kind == "mask" else ""
        if kind == "mask":
            answer = self.ask(kind, "POST", "/infer/ccsd", params={"image": image, "output": "image"})
        elif kind == "info":
            answer = self.ask(kind, "GET", "/info/")
        elif kind == "next study":
            answer = self.ask(kind, "POST", "/activelearning/random", json={})
        else:
            assert self._mask is not None  # `work` asks for a mask before
            drawn, content = self._mask
            query = {"image": drawn, "tag": "final"}
            answer = self.ask(kind, "PUT", "/datastore/label", params=query, files={"label": ("m.nii.gz", content)})
        if kind == "mask" and answer is not None:
            self._mask = (image, answer.content)
            self.seen.masks[self.name] += 1

    def ask(self, kind: str, method: str, path: str, **sent: Any) -> requests.Response | None:
        """The answer, asked for again after a 429; None: an error, which is noted."""
        began = time.monotonic()
        try:
            while True:
                answer = self.session.request(method, self.url + path, timeout=DEADLINE, **sent)
                if answer.status_code != 429 or "Retry-After" not in answer.headers:
                    break
                self.seen.refused[kind] += 1
                time.sleep(float(answer.headers["Retry-After"]))
        except requests.RequestException as error:
            self.seen.errors.append((kind, f"{type(error).__name__}: {error}"))
            return None
        if not answer.ok:
            self.seen.errors.append((kind, f"{answer.status_code}: {answer.text[:300]}"))
            return None
        self.seen.waited[kind].append(time.monotonic() - began)
        return answer


class _From(HTTPAdapter):
    """Connections from an address of this machine."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, source_address=(self.address, 0), **kwargs)


def _train(user: _User, plan: Plan, seen: Seen, began: float) -> None:
    """Start a training a third into the time, as soon as a label is saved, and stop it when the time is over."""
    while time.monotonic() - began < plan.seconds / 3 or not seen.waited.get("label"):
        if user.over():
            seen.training = "not started, no label was saved in time"
            return
        time.sleep(0.2)
    started = user.ask("train", "POST", "/train/ccsd", json=plan.training)
    while started is not None and not user.over():
        time.sleep(0.5)
    status = user.session.get(f"{user.url}/train/", timeout=DEADLINE).json()
    user.session.delete(f"{user.url}/train/", timeout=DEADLINE)
    epochs = sum("epoch" in str(line) for line in status.get("details", ()))
    seen.training = f"{status.get('status')}, {epochs} lines of epochs in the last of its log"
    if status.get("status") == "ERROR":
        seen.errors.append(("train", json.dumps(status.get("outcome"))))


def resident_gib(process: int) -> float:
    """Memory that a process holds now."""
    return psutil.Process(process).memory_info().rss / 2**30
