"""The server that most tests here ask, over small phantoms, and the launcher by which others start their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.experiments.benchmarks.server import Server, free_port, running, wait_until
from tests.conftest import REPOSITORY
from tests.e2e.browser import open_chromium

__all__ = ["Server", "free_port", "start_server", "wait_until"]

OURS = re.escape(str(REPOSITORY)) + r"/(?:lib|apps)/\S+"
WARNED = re.compile(rf"^{OURS}: \w+Warning: .*", re.MULTILINE)  # as Python writes it, by a line of ours


def start_server(
    studies: Path | str, folder: Path, *, variables: Mapping[str, str] | None = None, **options: Any
) -> Iterator[Server]:
    """As `ccsd.experiments.benchmarks.server.start_server`. At its end no line of ours has warned."""
    shown = {"PYTHONWARNINGS": "default,ignore::ResourceWarning", **(variables or {})}
    with running(studies, folder, variables=shown, **options) as server:
        yield server
        assert WARNED.findall(server.log.read_text()) == []


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_chromium() as browser:
        yield browser
