"""The package as `pip install .` makes it, from a copy of what it is made of."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, folder / name)
    for name in ("lib/ccsd", "apps"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "apps" / "ccsd" / "model" / "ccsd.pt").write_bytes(b"published by a server of this checkout")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    subprocess.run(pip, cwd=folder, check=True, capture_output=True, text=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if name.startswith("ccsd/")}


def test_a_wheel_has_every_file_of_the_package_but_the_experiments(files: set[str]) -> None:
    package = REPOSITORY / "lib" / "ccsd"
    there = [f for f in package.rglob("*") if f.is_file() and f.suffix != ".pyc" and f.name != "pretrained_ccsd.pt"]
    expected = {f"ccsd/{f.relative_to(package).as_posix()}" for f in there}
    assert {f for f in expected if not f.startswith("ccsd/experiments/")} <= files
    assert not [f for f in files if f.startswith("ccsd/experiments/")]


def test_a_wheel_has_the_shipped_weights_and_no_others(files: set[str]) -> None:
    assert {f for f in files if f.endswith(".pt")} == {"ccsd/models/shipped/pretrained_ccsd.pt"}
    assert "ccsd/models/shipped/README.md" in files


def test_an_installed_wheel_finds_its_weights_and_its_version(wheel: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(tmp_path / "site"), str(wheel)]
    subprocess.run(pip, check=True, capture_output=True, text=True)
    said = (
        "import ccsd; from ccsd.models import served, checkpoint; from ccsd.method.task import BRATS;"
        "print(ccsd.__file__, checkpoint.load(served.SHIPPED, task=BRATS).version)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run([sys.executable, "-c", said], env=environment, capture_output=True, text=True, check=True)
    place, version = done.stdout.split()
    assert Path(place).is_relative_to(tmp_path)
    assert version.startswith("small-")
