"""The Dockerfile without a Docker engine: what it copies is in its context, and what it starts answers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

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
    for name in (".venv", ".git", "tests", "studies", "lib/ccsd/__pycache__"):
        assert not in_context(name), name


def test_the_entry_point_serves_from_a_folder_that_holds_only_what_is_copied(tmp_path: Path) -> None:
    """`/app` and `/studies` are folders of this test, the port is a free one; the installed packages are those here."""
    app, studies, port = tmp_path / "app", tmp_path / "studies", str(free_port())
    app.mkdir()
    studies.mkdir()
    for source, target in copied():
        destination = app / target / (source if (REPOSITORY / source).is_file() else "")
        if (REPOSITORY / source).is_dir():
            shutil.copytree(REPOSITORY / source, destination, dirs_exist_ok=True)
        else:
            shutil.copy(REPOSITORY / source, destination)
    entry = re.search(r"^ENTRYPOINT (\[.+\])$", DOCKERFILE, re.MULTILINE)
    variables = dict(re.findall(r"(\w+)=(\S+)", " ".join(re.findall(r"^ENV (.+)$", DOCKERFILE, re.MULTILINE))))
    assert entry

    def placed(text: str) -> str:
        return re.sub(r"^/studies", str(studies), re.sub(r"^/app", str(app), text))

    own = {name: placed(value) for name, value in variables.items()}
    environment = {**os.environ, **own, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [port if word == "8000" else placed(word) for word in json.loads(entry[1])]
    command = ["127.0.0.1" if word == "0.0.0.0" else word for word in command]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=app, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def answers() -> bool:
        assert process.poll() is None, (tmp_path / "log").read_text()
        with suppress(requests.ConnectionError):
            return "ccsd" in requests.get(f"http://127.0.0.1:{port}/info/", timeout=20).json()["models"]
        return False

    try:
        wait_until(answers, 120, "the entry point does not answer")
    finally:
        process.terminate()
        process.wait(30)
