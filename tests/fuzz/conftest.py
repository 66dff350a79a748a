"""One server for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ccsd.demo.phantom import make_phantom, write_phantom
from tests.e2e.conftest import Server, start_server
from tests.fuzz.values import PHANTOM, STUDY


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("fuzz")
    write_phantom(make_phantom(PHANTOM), folder / "studies" / STUDY, STUDY)
    yield from start_server(folder / "studies", folder)
