"""Requests made up from the OpenAPI document of a running server, and what is wrong with its answers."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from tests.e2e.conftest import Server, wait_until
from tests.fuzz.values import BODIES, FIELDS, LIKELY, SHORT, files

TRACEBACK = "Traceback (most recent call last)"
SENTENCE = 1000  # characters at most
TRAIN = "POST /train/{model}"
TASKS = {  # operation that starts a process of its own -> where the process is asked for and stopped
    TRAIN: "/train/",
    "POST /batch/infer/{model}": "/batch/infer",
    "POST /scoring/{method}": "/scoring/",
    "POST /activelearning/{strategy}": "/scoring/",
}


@dataclass(frozen=True)
class Made:
    """A request: what `requests.request` takes, and whether to wait for the process that it starts."""

    sent: dict[str, Any]
    wait: bool

    def __str__(self) -> str:
        return " ".join(f"{k}={v!r:.400}" for k, v in self.sent.items() if v and k not in ("cookies", "headers"))


@dataclass
class Report:
    """What came back: `statuses` by operation, and `failures`, what was wrong -> the first request that showed it."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())

    def note(self, operation: str, wrong: str, made: object) -> None:
        self.failed[f"{operation}: {wrong}"] += 1
        self.failures.setdefault(f"{operation}: {wrong}", str(made))

    def by_status(self) -> dict[int, int]:
        found: Counter[int] = Counter()
        for (_, status), times in self.statuses.items():
            found[status] += times
        return dict(sorted(found.items()))


def fuzz(
    server: Server, number: int, *, first_seed: int = 0, told: Callable[[Report], None] = lambda _: None
) -> Report:
    """Send about `number` requests over all operations, some to each in turn; `told` is called after each turn.

    The server is taken to serve the study `values.STUDY`; what is sent into its studies folder is removed in between.
    """
    document = server.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    some_files, report, log = files(), Report(), _Log(server)
    for turn in count():
        each = min(10, -(-(number - report.requests) // len(operations)))
        for operation in operations:
            if report.requests >= number:
                return report
            wanted = max(1, each // 3) if operation.label in TASKS else each
            for made in _made(_requests(operation, document, some_files), wanted, first_seed + turn):
                _try(server, operation.label, made, report, log)
            shutil.rmtree(server.studies / "uploads", ignore_errors=True)
        told(report)
    return report


def _made(strategy: SearchStrategy[Made], wanted: int, number: int) -> Iterator[Made]:
    """As many requests as are wanted, or fewer where there are no more."""
    found: list[Made] = []

    @seed(number)
    @settings(
        max_examples=wanted,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(made: Made) -> None:
        found.append(made)

    collect()
    return iter(found[:wanted])


@st.composite
def _requests(draw: st.DrawFn, operation: Any, document: dict[str, Any], some_files: Any) -> Made:
    """What schemathesis makes of the document, most of its values replaced by ones that go further."""
    case = draw(operation.as_strategy(generation_mode=draw(st.sampled_from(list(GenerationMode)))))
    described = document["paths"][operation.path][operation.method.lower()]
    query = dict(case.query) if isinstance(case.query, dict) else {}
    for parameter in described.get("parameters", []):
        name = parameter["name"]
        if name in LIKELY and draw(st.integers(0, 3)):
            (case.path_parameters if parameter["in"] == "path" else query)[name] = draw(LIKELY[name])
    case.query = query
    sent = case.as_transport_kwargs(base_url="")
    if operation.label in BODIES and draw(st.integers(0, 3)):
        sent = {k: v for k, v in sent.items() if k not in ("json", "data", "files")}
        sent["data"] = json.dumps(draw(BODIES[operation.label])).encode()
        sent["headers"] = {**dict(sent["headers"]), "Content-Type": "application/json"}
    kinds = described.get("requestBody", {}).get("content", {})
    if draw(st.integers(0, 3)):
        sent = _with_fields(draw, sent, kinds, document, some_files)
    short = True
    if operation.label == TRAIN:
        sent, short = _cut_short(sent)
    return Made(sent, wait=short and draw(st.integers(0, 7)) == 0)


def _with_fields(draw: st.DrawFn, sent: dict[str, Any], kinds: Any, document: Any, some_files: Any) -> dict[str, Any]:
    """A form with fields and files of ours."""
    for kind, content in kinds.items():
        if kind == "application/json":
            return sent
        told = document["components"]["schemas"][content["schema"]["$ref"].rsplit("/", 1)[1]]["properties"]
        fields = {f: draw(FIELDS[f]) for f in told if f in FIELDS and draw(st.booleans())}
        headers = {k: v for k, v in dict(sent["headers"]).items() if k.lower() != "content-type"}
        sent = {k: v for k, v in sent.items() if k not in ("json", "data", "files")} | {"headers": headers}
        if kind == "application/x-www-form-urlencoded":
            return sent | {"data": fields}
        parts = [(f, (None, text)) for f, text in fields.items()]
        for name in ("file", "label", "files"):
            if name in told:
                parts += [(name, draw(some_files)) for _ in range(draw(st.integers(0, 2 if name == "files" else 1)))]
        return sent | {"files": parts or [("none", (None, ""))]}
    return sent


def _cut_short(sent: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """No fuzzed training is to take all memory before it is stopped; whether it is over soon."""
    content = json.loads(sent.get("data") or "null") if "json" not in sent else sent["json"]
    if isinstance(content, dict):
        for name in ("patch", "train_batch_size", "threads"):
            value = content.get(name)
            if isinstance(value, int | float | str) and str(value).strip().isdecimal() and float(value) > 64:
                content[name] = 64
        sent = {k: v for k, v in sent.items() if k != "json"} | {"data": json.dumps(content).encode()}
        return sent, SHORT.items() <= content.items()
    return sent, False


def _try(server: Server, operation: str, made: Made, report: Report, log: _Log) -> None:
    """Send it, look at the answer and the log, and stop what it started."""
    try:
        sent = {**made.sent, "url": server.url + made.sent["url"]}
        answer = requests.request(**sent, timeout=60)
    except requests.RequestException as error:
        report.statuses[operation, 0] += 1
        report.note(operation, f"no answer ({type(error).__name__})", made)
        return
    report.statuses[operation, answer.status_code] += 1
    wrong = what_is_wrong(answer)
    if wrong:
        report.note(operation, wrong, made)
    if operation in TASKS and answer.ok:
        problem = stop_tasks(server, TASKS[operation], wait=made.wait)
        if problem:
            report.note(operation, problem, made)
    if answer.status_code >= 500:
        time.sleep(0.1)  # the server logs the traceback after it has answered
    traced = log.traceback()
    if traced:
        report.note(operation, f"a traceback in the log: {traced}", made)


def what_is_wrong(answer: requests.Response) -> str | None:
    """None: an answer as it should be."""
    if answer.status_code >= 500:
        return f"answered {answer.status_code}: {answer.text:.150}"
    if answer.status_code < 400 or answer.request.method == "HEAD":
        return None
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return f"answered {answer.status_code} without a JSON detail: {answer.text:.100}"
    if not isinstance(detail, str) or not 0 < len(detail) <= SENTENCE or len(detail.splitlines()) != 1:
        return f"answered {answer.status_code} with no sentence: {detail!s:.60}... ({len(str(detail))} characters)"
    if answer.status_code == 429 and "Retry-After" not in answer.headers:
        return "answered 429 without Retry-After"
    return None


def stop_tasks(server: Server, path: str, *, wait: bool) -> str | None:
    """End the processes that run at a path, after they are done if `wait`; what is wrong with them."""

    def running() -> list[dict[str, Any]]:
        answer = server.get(path, params={"all": True})
        return [t for t in answer.json() if t["status"] in ("SUBMITTED", "RUNNING")] if answer.ok else []

    def stopped() -> bool:
        if running():
            server.delete(path)
        return not running()

    try:
        if wait:
            wait_until(lambda: not running(), 90, "not done")
        wait_until(stopped, 30, "not stopped")
    except (TimeoutError, requests.RequestException) as error:
        return f"the task at {path} is {error}"
    return None


class _Log:
    """The server's log, read on from where it was read last."""

    def __init__(self, server: Server) -> None:
        self.path = server.log
        self.read_to = 0

    def traceback(self) -> str | None:
        """The last line of a traceback that came since."""
        with self.path.open("rb") as stream:
            stream.seek(self.read_to)
            content = stream.read()
        self.read_to += len(content)
        if TRACEBACK not in (text := content.decode(errors="replace")):
            return None
        lines = text.split(TRACEBACK, 1)[1].splitlines()[1:]
        ends = [line for line in lines if line and not line.startswith((" ", "[")) and ":" in line[:60]]
        return ends[0][:120] if ends else "unfinished"
