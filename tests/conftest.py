"""What several tests share: small phantoms on disk, and the real studies of ../shared/data where there are any."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from ccsd.common.process_environment import WAIT_ASLEEP

os.environ.update({**WAIT_ASLEEP, **os.environ})  # before torch is loaded

from ccsd import cli
from ccsd.demo.phantom import Phantom, PhantomConfig, make_phantom, write_phantom
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint

settings.register_profile("repeatable", derandomize=True)  # `--hypothesis-profile default` looks further each time
settings.load_profile("repeatable")

REPOSITORY = Path(__file__).resolve().parents[1]
TESTS = REPOSITORY / "tests"
SHARED_DATA = REPOSITORY.parent / "shared" / "data"

# What starts servers, browsers or other processes, or computes for long; `./scripts/test.sh --fast` leaves it out. In
# this order, the longest first, so that the workers of pytest-xdist end together. Everything else comes after it.
SLOW = [
    "e2e/test_ohif.py",
    "e2e/test_retraining.py",
    "preprocessing/test_raw.py",
    "e2e/test_raw_server.py",
    "e2e/test_server.py",
    "models/test_bundle.py",
    "fuzz/test_requests.py",
    "e2e",
    "upgrade",
    "faults",
    "fuzz",
    "experiments",
    "commands/test_segment_cluster.py",
    "commands/test_segment.py",
    "training/test_scripts.py",
    "training/test_training.py",
    "evaluation/test_script.py",
    "server/trainers",
    "supply/test_docker.py",
    "supply/test_wheel.py",
    "supply/test_lock.py",
    "server/infers/test_provenance.py",
    "method/test_export.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is slow, and puts it first."""
    items.sort(key=_place)
    for item in items:
        if _place(item) < len(SLOW):
            item.add_marker("slow")


def _place(item: pytest.Item) -> int:
    """In SLOW; after its end if it is not there."""
    path = item.path.relative_to(TESTS)
    names = [str(path), *map(str, path.parents)]
    return next((SLOW.index(name) for name in names if name in SLOW), len(SLOW))


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    """48 mm of brain at 1 mm with a tumour."""
    return make_phantom(PhantomConfig(seed=1, shape=(48, 48, 48)))


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the smallest network, untrained, and said to be a model."""
    path = tmp_path_factory.mktemp("weights") / "tiny.pt"
    checkpoint.save(path, checkpoint.untrained(BRATS, PRESETS["tiny"]).network, name="tiny")
    return path


@pytest.fixture
def study_folder(phantom: Phantom, tmp_path: Path) -> Path:
    """A folder with the study `case`: four modalities and their label."""
    write_phantom(phantom, tmp_path / "case", "case")
    return tmp_path / "case"


@pytest.fixture
def ccsd(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`ccsd ARGUMENTS` in this process, which has imported torch already; what it prints. Raises SystemExit."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["ccsd", *arguments])
        cli.main()
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="session")
def tcga_study() -> Path:
    """The folder of the prepared TCGA study."""
    folder = SHARED_DATA / "sri24" / "TCGA-FG-6692"
    if not folder.is_dir():
        pytest.skip("the real study TCGA-FG-6692 is not on this machine (../shared/data)")
    return folder
