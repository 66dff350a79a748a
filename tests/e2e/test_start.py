"""Starts by MONAI Label's own command; one that cannot go on ends with one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from ccsd.experiments.benchmarks.server import wait_until
from tests.conftest import REPOSITORY
from tests.e2e.conftest import free_port

PATHS = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
OWN = ["--uvicorn_app", "ccsd.server.app:app"]


def command(folder: Path, port: int, *options: str) -> list[str]:
    """As a user starts MONAI Label with this app, over an empty folder of studies."""
    (folder / "app").mkdir()
    (folder / "app" / "main.py").symlink_to(REPOSITORY / "apps" / "ccsd" / "main.py")
    (folder / "studies").mkdir()
    monailabel = str(Path(sys.executable).with_name("monailabel"))
    where = ["--app", str(folder / "app"), "--studies", str(folder / "studies"), "--host", "127.0.0.1"]
    return [monailabel, "start_server", *where, "--port", str(port), *options]


def said(folder: Path, *options: str) -> tuple[int, list[str]]:
    """Exit status and the lines of stderr of a start that ends."""
    given = command(folder, free_port(), *options)
    ended = subprocess.run(given, cwd=folder, env=PATHS, capture_output=True, text=True, timeout=120, check=False)
    return ended.returncode, [line for line in ended.stderr.splitlines() if line.startswith(("error", "Traceback"))]


def test_monai_labels_own_command_serves_the_app(tmp_path: Path) -> None:
    port = free_port()
    with subprocess.Popen(command(tmp_path, port, *OWN), cwd=tmp_path, env=PATHS, start_new_session=True) as process:
        try:
            wait_until(lambda: "ccsd" in models(port), 120, "no answer")
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def models(port: int) -> set[str]:
    try:
        return set(requests.get(f"http://127.0.0.1:{port}/info/", timeout=5).json()["models"])
    except requests.ConnectionError:
        return set()


def test_a_start_with_the_web_server_of_monai_label_says_which_option_is_missing(tmp_path: Path) -> None:
    sentence = (
        "error: this app has a web server of its own, expected "
        "`monailabel start_server --uvicorn_app ccsd.server.app:app`, or ccsd serve"
    )
    assert said(tmp_path) == (1, [sentence])


@pytest.mark.parametrize(
    ("conf", "sentence"),
    [
        (("models", "unet"), "--conf models: unet is not known, expected ccsd or all"),
        (("hosts", "https://a.example"), "--conf hosts has 'https://a.example', expected names such as viewer.example"),
    ],
)
def test_a_wrong_option_ends_the_start_with_one_sentence(tmp_path: Path, conf: tuple[str, str], sentence: str) -> None:
    status, (line,) = said(tmp_path, *OWN, "--conf", *conf)
    assert status == 1
    assert sentence in line
