"""A real server as its users see it: start, first answer, what REST adds, several clients, peak memory."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[4]
PATIENCE = 120  # seconds until a server must answer


@dataclass(frozen=True)
class Running:
    """A server that answers: its address, its process, and how long it took to start."""

    url: str
    process: int
    started_in: float

    def mask(self, image: str, **query: str) -> float:
        """Seconds from the request to the mask. Raises requests.HTTPError for an answer that is none."""
        began = time.perf_counter()
        asked = {"image": image, "output": "image", **query}
        requests.post(f"{self.url}/infer/ccsd", params=asked, timeout=600).raise_for_status()
        return time.perf_counter() - began

    def masks(self, images: list[str], clients: int) -> tuple[float, list[float]]:
        """Seconds until all of the clients, an image each, have their mask; and those of each."""
        began = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            each = list(pool.map(lambda i: self.mask(images[i % len(images)]), range(clients)))
        return time.perf_counter() - began, each

    def peak_gib(self) -> float:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process}/status").read_text())
        return int(found[1]) / 2**20 if found else float("nan")


@contextmanager
def running(studies: Path) -> Iterator[Running]:
    """`scripts/serve.sh --studies STUDIES` on a free port, until the block ends.

    Raises:
        RuntimeError: it ended, or does not answer in time.
    """
    port = _free_port()
    began = time.perf_counter()
    command = [str(ROOT / "scripts" / "serve.sh"), "--studies", str(studies), "--port", str(port)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "CCSD_VENV": str(Path(sys.prefix))},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        while not _answers(url):
            if process.poll() is not None or time.perf_counter() - began > PATIENCE:
                raise RuntimeError(f"the server does not answer (exit status {process.poll()}), try it with serve.sh")
            time.sleep(0.05)
        yield Running(url, process.pid, time.perf_counter() - began)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/info/", timeout=10).ok
    except requests.ConnectionError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
