"""A real `monailabel` server process on a free port, over small phantoms and an app folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import requests

from ccsd.demo.phantom import Phantom, write_phantom
from tests.conftest import REPOSITORY


@dataclass
class Server:
    """A running server: its address, its studies, its app folder, its log, its process."""

    url: str
    studies: Path
    app: Path
    log: Path
    process: int

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=60, **kwargs)

    def put(self, path: str, **kwargs: Any) -> requests.Response:
        return requests.put(self.url + path, timeout=60, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> requests.Response:
        return requests.delete(self.url + path, timeout=60, **kwargs)

    def post(self, path: str, **kwargs: Any) -> requests.Response:
        return requests.post(self.url + path, timeout=300, **kwargs)

    def infer(self, image: str, *, output: str = "json", params: str = "{}") -> requests.Response:
        query = {"image": image, "output": output}
        return self.post("/infer/ccsd", params=query, data={"params": params})

    def wait_for_training(self, statuses: set[str], *, seconds: float = 180) -> dict[str, Any]:
        """The status of the last training once it is one of `statuses`."""
        return wait_until(lambda: self._training(statuses), seconds, "training did not become " + "/".join(statuses))

    def _training(self, statuses: set[str]) -> dict[str, Any] | None:
        status: dict[str, Any] = self.get("/train/").json()
        return status if status.get("status") in statuses else None


def start_server(
    studies: Path | str,
    folder: Path,
    *,
    preset: str = "tiny",
    weights: Path | None = None,
    conf: Mapping[str, str] = MappingProxyType({}),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    """Run a server until the generator is closed. Its weights are its own, the code is the repository's."""
    app = folder / "ccsd"
    (app / "model").mkdir(parents=True, exist_ok=True)
    if not (app / "main.py").exists():  # else a server is started again over what it left
        (app / "main.py").symlink_to(REPOSITORY / "apps" / "ccsd" / "main.py")
    if weights:
        shutil.copy(weights, app / "model" / "pretrained_ccsd.pt")
    port = free_port()
    log = folder / "server.log"
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "MONAI_LABEL_TRACKING_ENABLED": "false",
        "MONAI_LABEL_SESSION_PATH": str(folder / "sessions"),
        "MONAI_LABEL_DICOMWEB_CACHE_EXPIRY": "1",
        "MONAI_LABEL_DICOMWEB_CACHE_PATH": str(folder / "dicomweb"),
        **variables,
    }
    command = [str(binaries / "monailabel"), "start_server", "--app", str(app), "--studies", str(studies)]
    command += ["--uvicorn_app", "ccsd.server.app:app", "--host", "127.0.0.1", "--port", str(port)]
    for key, value in {"models": "ccsd", "preset": preset, "cache": str(folder / "cache"), **conf}.items():
        command += ["--conf", key, value]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
    server = Server(f"http://127.0.0.1:{port}", Path(studies), app, log, process.pid)
    try:
        wait_until(lambda: _answers(server, process, log), 120, "server did not start")
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def server(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serves the study `case` (four modalities) and `poor` (flair and t2, in BraTS 2023 spelling)."""
    folder = tmp_path_factory.mktemp("server")
    write_phantom(phantom, folder / "studies" / "case", "case")
    write_phantom(phantom, folder / "studies" / "poor", "poor", modalities=["t2", "flair"], label=False)
    poor = folder / "studies" / "poor"
    (poor / "poor_t2.nii.gz").rename(poor / "poor-t2w.nii.gz")
    (poor / "poor_flair.nii.gz").rename(poor / "poor-t2f.nii.gz")
    yield from start_server(folder / "studies", folder)


def _answers(server: Server, process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"server ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    try:
        return server.get("/openapi.json").ok
    except requests.ConnectionError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(check: Callable[[], Any], seconds: float, message: str) -> Any:
    """The first true result of `check`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = check()
        if result:
            return result
        time.sleep(0.3)
    raise TimeoutError(f"{message} within {seconds:.0f} s")
