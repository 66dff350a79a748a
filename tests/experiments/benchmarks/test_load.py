"""The load test itself, for some seconds."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ccsd.demo.phantom import Phantom, write_phantom
from tests.conftest import REPOSITORY
from tests.e2e.conftest import Server, start_server

LOAD = [sys.executable, "-m", "ccsd.experiments", "load"]


@pytest.fixture(scope="module")
def server(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("load")
    for name in ("first", "second"):
        write_phantom(phantom, folder / "studies" / name, name, label=False)
    yield from start_server(folder / "studies", folder)


def test_two_users_get_masks_without_an_error_and_their_labels_are_trained_on(server: Server) -> None:
    options = ["--minutes", "0.08", "--users", "2", "--pause", "0.1", "--least", "8"]
    done = subprocess.run(
        [*LOAD, "--url", server.url, "--process", str(server.process), *options],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = dict(re.findall(r"^\| (mask|info|label|next study|train) \| (\d+) \| 0 \|", done.stdout, re.MULTILINE))
    assert set(rows) == {"mask", "info", "label", "next study", "train"}
    least, most = map(int, re.search(r"least and most: (\d+), (\d+)", done.stdout).groups())  # type: ignore[union-attr]
    assert 0 < least <= most
    assert server.get("/datastore/").json()["completed"] > 0


def test_a_server_elsewhere_is_not_loaded_by_mistake() -> None:
    done = subprocess.run([*LOAD, "--url", "http://192.0.2.1:8000"], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 1
    assert "expected this machine (127.0.0.1), or --any-host" in done.stderr
