"""A start that cannot go on ends with one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.e2e.conftest import free_port

OWN = ["--uvicorn_app", "ccsd.server.app:app"]


def said(folder: Path, *options: str) -> tuple[int, list[str]]:
    """Exit status and the lines of stderr of a start of MONAI Label."""
    (folder / "app").mkdir()
    (folder / "app" / "main.py").symlink_to(REPOSITORY / "apps" / "ccsd" / "main.py")
    (folder / "studies").mkdir()
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--host", "127.0.0.1", "--port"]
    command += [str(free_port()), "--app", str(folder / "app"), "--studies", str(folder / "studies"), *options]
    ended = subprocess.run(
        command, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=120, check=False
    )
    return ended.returncode, [line for line in ended.stderr.splitlines() if line.startswith(("error", "Traceback"))]


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
