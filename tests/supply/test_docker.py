"""The Dockerfile without a Docker engine: what it copies is in its context, and what it starts answers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from fnmatch import fnmatch
from pathlib import Path

import pytest
import requests

from tests.conftest import REPOSITORY
from tests.e2e.conftest import free_port, wait_until

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")


def copied() -> list[tuple[str, str]]:
    """(source, target) of every COPY."""
    found = []
    for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE):
        *sources, target = [word for word in line.split() if not word.startswith("--")]
        found += [(source, target) for source in sources]
    return found


def in_context(path: str) -> bool:
    """Whether .dockerignore lets a path through: the last pattern that fits decides."""
    kept = True
    for line in (REPOSITORY / ".dockerignore").read_text().split():
        if fnmatch(path, line.removeprefix("!")):
            kept = line.startswith("!")
    return kept


def test_everything_that_is_copied_is_in_the_context() -> None:
    assert copied()
    assert [source for source, _ in copied() if not in_context(source) or not (REPOSITORY / source).exists()] == []


def test_nothing_else_is_sent_to_the_engine() -> None:
    for name in (".venv", ".git", "tests", "studies", "scripts", "lib/ccsd/__pycache__"):
        assert not in_context(name), name


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `app`, what COPY puts there, `studies`, and `python`, an environment of its own."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "studies").mkdir()
    for source, target in copied():
        if (REPOSITORY / source).is_dir():
            leave = shutil.ignore_patterns("__pycache__", "*.egg-info", "logs")
            shutil.copytree(REPOSITORY / source, folder / "app" / target, ignore=leave)
        else:
            (folder / "app" / target).mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / source, folder / "app" / target)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "python")], check=True)
    (packages,) = (folder / "python" / "lib").glob("*/site-packages")
    (packages / "here.pth").write_text(sysconfig.get_path("purelib"))  # what requirements.txt asks for is there already
    pip = folder / "python" / "bin" / "pip"
    pip.write_text('#!/bin/sh\nexec python -m pip "$@"\n')
    pip.chmod(0o755)
    return folder


def environment(image: Path) -> dict[str, str]:
    """The Dockerfile's variables. pip asks no index, and builds with the setuptools that is here."""
    own = dict(re.findall(r"(\w+)=(\S+)", " ".join(re.findall(r"^ENV (.+)$", DOCKERFILE, re.MULTILINE))))
    usual = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    pip = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_ARGS": ""}
    return {**usual, **own, **pip, "PATH": f"{image / 'python' / 'bin'}:{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def installed(image: Path) -> Path:
    """After the RUN lines; that of the user and its folders is for the engine alone."""
    lines = [line for line in re.findall(r"^RUN (.+)$", DOCKERFILE, re.MULTILINE) if "useradd" not in line]
    assert len(lines) == 2
    for line in lines:
        done = subprocess.run(
            ["sh", "-c", line], cwd=image / "app", env=environment(image), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return image


def test_the_command_is_that_of_the_copy(installed: Path) -> None:
    place = "import ccsd; print(ccsd.__file__)"
    said = subprocess.run(
        ["python", "-c", place], env=environment(installed), cwd="/", capture_output=True, text=True, check=True
    )
    assert Path(said.stdout.strip()).is_relative_to(installed / "app")
    assert shutil.which("ccsd", path=str(installed / "python" / "bin"))


def test_the_entry_point_serves_and_is_healthy(installed: Path) -> None:
    """`/app` and `/studies` are folders of this test, the port is a free one; the installed packages are those here."""
    port = str(free_port())

    def placed(text: str) -> str:
        text = text.replace("0.0.0.0", "127.0.0.1").replace("8000", port)
        return re.sub(r"^/studies", str(installed / "studies"), text)

    entry = re.search(r"^ENTRYPOINT (\[.+\])$", DOCKERFILE, re.MULTILINE)
    health = re.search(r"CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    assert entry
    assert health
    variables = {**environment(installed), "HOME": str(installed)}
    command, check = ([placed(word) for word in json.loads(found[1])] for found in (entry, health))
    log = installed / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=installed / "app", env=variables, stdout=stream, stderr=stream)

    def healthy() -> bool:
        assert process.poll() is None, log.read_text()
        return subprocess.run(check, env=variables, capture_output=True, check=False).returncode == 0

    try:
        wait_until(healthy, 200, "the entry point does not answer")
        assert requests.get(f"http://127.0.0.1:{port}/info/", timeout=20).json()["version"]
    finally:
        process.terminate()
        process.wait(30)
