"""What several tests share: small phantoms on disk, and the real studies of ../shared/data where there are any."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from ccsd.common.process_environment import WAIT_ASLEEP

os.environ.update({**WAIT_ASLEEP, **os.environ})  # before torch is loaded

from ccsd.demo.phantom import Phantom, PhantomConfig, make_phantom, write_phantom

settings.register_profile("repeatable", derandomize=True)  # `--hypothesis-profile default` looks further each time
settings.load_profile("repeatable")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    """48 mm of brain at 1 mm with a tumour."""
    return make_phantom(PhantomConfig(seed=1, shape=(48, 48, 48)))


@pytest.fixture
def study_folder(phantom: Phantom, tmp_path: Path) -> Path:
    """A folder with the study `case`: four modalities and their label."""
    write_phantom(phantom, tmp_path / "case", "case")
    return tmp_path / "case"


@pytest.fixture(scope="session")
def tcga_study() -> Path:
    """The folder of the prepared TCGA study."""
    folder = SHARED_DATA / "sri24" / "TCGA-FG-6692"
    if not folder.is_dir():
        pytest.skip("the real study TCGA-FG-6692 is not on this machine (../shared/data)")
    return folder
