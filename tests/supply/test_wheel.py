"""The package as `pip install .` makes it, from a copy of what it is made of."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import requests

from ccsd.imaging.volumes import read_volume
from tests.conftest import REPOSITORY
from tests.e2e.conftest import free_port, wait_until


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


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment variables of a user who has the wheel and no checkout; their home is empty."""
    home = tmp_path_factory.mktemp("home")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(home / "site"), str(wheel)]
    subprocess.run(pip, check=True, capture_output=True, text=True)
    return {**os.environ, "PYTHONPATH": str(home / "site"), "HOME": str(home)}


def test_an_installed_wheel_finds_its_weights_and_its_version(installed: dict[str, str]) -> None:
    said = (
        "import ccsd; from ccsd.models import served, checkpoint; from ccsd.method.task import BRATS;"
        "print(ccsd.__file__, checkpoint.load(served.SHIPPED, task=BRATS).version)"
    )
    done = subprocess.run([sys.executable, "-c", said], env=installed, capture_output=True, text=True, check=True)
    place, version = done.stdout.split()
    assert Path(place).is_relative_to(installed["HOME"])
    assert version.startswith("small-")


def test_an_installed_wheel_makes_a_study_and_serves_its_mask(installed: dict[str, str]) -> None:
    home, port = Path(installed["HOME"]), free_port()
    ccsd = [sys.executable, "-P", "-m", "ccsd"]
    made = [*ccsd, "phantom", "--out", "studies/case", "--name", "case", "--shape", "48", "48", "48"]
    subprocess.run(made, cwd=home, env=installed, check=True, capture_output=True)
    serve = [*ccsd, "serve", "--studies", "studies", "--port", str(port)]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(serve, cwd=home, env=installed, stdout=log, stderr=log)

    def answers() -> bool:
        assert process.poll() is None, (home / "log").read_text()
        try:
            return requests.get(f"http://127.0.0.1:{port}/info/", timeout=20).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(answers, 120, "the installed server does not answer")
        url = f"http://127.0.0.1:{port}/infer/ccsd?image=case_t1&output=image"
        (home / "mask.nii.gz").write_bytes(requests.post(url, timeout=120).content)
    finally:
        process.terminate()
        process.wait(30)
    assert 0 < np.count_nonzero(read_volume(home / "mask.nii.gz").data) < 48**3 / 2
