"""A real server process as `ccsd serve` starts it, with a free port and an app folder: for tests and what measures."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import requests

from ccsd.common.process_environment import VARIABLES

ROOT = Path(__file__).resolve().parents[4]
START_SECONDS = 120  # until a server must answer
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass
class Server:
    """A running server: its address, studies, app folder, log and process, and the seconds that its start took."""

    url: str
    studies: Path
    app: Path
    log: Path
    process: int
    started_in: float = 0.0

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=60, **kwargs)

    def put(self, path: str, **kwargs: Any) -> requests.Response:
        return requests.put(self.url + path, timeout=60, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> requests.Response:
        return requests.delete(self.url + path, timeout=60, **kwargs)

    def post(self, path: str, **kwargs: Any) -> requests.Response:
        return requests.post(self.url + path, timeout=600, **kwargs)

    def infer(self, image: str, *, output: str = "json", params: str = "{}") -> requests.Response:
        query = {"image": image, "output": output}
        return self.post("/infer/ccsd", params=query, data={"params": params})

    def wait_for_training(self, statuses: set[str], *, seconds: float = 180) -> dict[str, Any]:
        """The status of the last training once it is one of `statuses`."""
        return wait_until(lambda: self._training(statuses), seconds, "training did not become " + "/".join(statuses))

    def _training(self, statuses: set[str]) -> dict[str, Any] | None:
        status: dict[str, Any] = self.get("/train/").json()
        return status if status.get("status") in statuses else None

    def mask(self, image: str) -> float:
        """Seconds from the request to the mask. Raises requests.HTTPError for an answer that is none."""
        began = time.perf_counter()
        self.infer(image, output="image").raise_for_status()
        return time.perf_counter() - began

    def masks(self, images: list[str], clients: int) -> tuple[float, list[float]]:
        """Seconds until all of the clients, an image each, have their mask; and those of each."""
        began = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            each = list(pool.map(lambda i: self.mask(images[i % len(images)]), range(clients)))
        return time.perf_counter() - began, each

    def peak_gib(self) -> float:
        return peak_gib(self.process)


def start_server(
    studies: Path | str,
    folder: Path,
    *,
    preset: str = "tiny",
    weights: Path | None = None,
    conf: Mapping[str, str] = NOTHING,
    variables: Mapping[str, str] = NOTHING,
) -> Iterator[Server]:
    """Run a server until the generator is closed. Its app folder, log, cache and sessions lie in `folder`, the code is
    this checkout's.

    Raises:
        RuntimeError: it ended. TimeoutError: it does not answer in time.
    """
    app, log = _app_folder(folder, weights), folder / "server.log"
    port, began = free_port(), time.perf_counter()
    command = [sys.executable, "-m", "ccsd.server", "start_server", "--app", str(app), "--studies", str(studies)]
    command += ["--uvicorn_app", "ccsd.server.app:app", "--host", "127.0.0.1", "--port", str(port)]
    for key, value in {"models": "ccsd", "preset": preset, "cache": str(folder / "cache"), **conf}.items():
        command += ["--conf", key, value]
    environment = {**_environment(folder), **variables}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
    server = Server(f"http://127.0.0.1:{port}", Path(studies), app, log, process.pid)
    try:
        wait_until(lambda: _answers(server, process), START_SECONDS, "server did not start", every=0.05)
        server.started_in = time.perf_counter() - began
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


running = contextmanager(start_server)


def _app_folder(folder: Path, weights: Path | None) -> Path:
    app = folder / "ccsd"
    (app / "model").mkdir(parents=True, exist_ok=True)
    if not (app / "main.py").exists():  # else a server is started again over what it left
        (app / "main.py").symlink_to(ROOT / "apps" / "ccsd" / "main.py")
    if weights:
        shutil.copy(weights, app / "model" / "pretrained_ccsd.pt")
    return app


def _environment(folder: Path) -> dict[str, str]:
    return {
        **VARIABLES,
        **os.environ,
        "PATH": f"{_binaries()}{os.pathsep}{os.environ['PATH']}",
        "MONAI_LABEL_TRACKING_ENABLED": "false",
        "MONAI_LABEL_SESSION_PATH": str(folder / "sessions"),
        "MONAI_LABEL_DICOMWEB_CACHE_EXPIRY": "1",
        "MONAI_LABEL_DICOMWEB_CACHE_PATH": str(folder / "dicomweb"),
    }


def _binaries() -> Path:
    return Path(sys.executable).parent


def _answers(server: Server, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"server ended with {process.returncode}:\n{server.log.read_text()[-3000:]}")
    try:
        return server.get("/openapi.json").ok
    except requests.ConnectionError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(check: Callable[[], Any], seconds: float, message: str, *, every: float = 0.3) -> Any:
    """The first true result of `check`, which is called `every` so many seconds. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = check()
        if result:
            return result
        time.sleep(every)
    raise TimeoutError(f"{message} within {seconds:.0f} s")


def peak_gib(process: int) -> float:
    """The most memory that a process held. Not ru_maxrss, which a child inherits from its parent."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 2**20 if found else float("nan")
