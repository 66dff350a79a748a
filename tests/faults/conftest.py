"""A server whose temporary files lie in a folder of its own, so that a test sees what stays behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ccsd.demo.phantom import Phantom, write_phantom
from tests.e2e.conftest import Server, start_server


@pytest.fixture(scope="session")
def server(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serves the study `case`; its temporary files are in `temporary`, beside its studies."""
    folder = tmp_path_factory.mktemp("faults")
    write_phantom(phantom, folder / "studies" / "case", "case")
    (folder / "temporary").mkdir()
    yield from start_server(folder / "studies", folder, variables={"TMPDIR": str(folder / "temporary")})


@pytest.fixture
def temporary(server: Server) -> Path:
    return server.studies.parent / "temporary"
