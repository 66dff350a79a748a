"""The lock files against the requirement files, and what scripts/environment.sh does with them on a small registry."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import venv
import zipfile
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import pytest

from scripts.dev import lock
from tests.conftest import REPOSITORY

CPU, CUDA = (lock.FOLDER / f"lock-{kind}.txt" for kind in ("cpu", "cuda"))


@pytest.mark.parametrize("file", [CPU, CUDA], ids=["cpu", "cuda"])
def test_a_lock_has_every_pin_of_the_requirement_files(file: Path) -> None:
    assert lock.differences(file)[0] == []


@pytest.mark.parametrize("file", [CPU, CUDA], ids=["cpu", "cuda"])
def test_a_lock_names_no_registry(file: Path) -> None:
    assert "://" not in file.read_text()


def test_a_changed_pin_is_told_from_the_lock(tmp_path: Path) -> None:
    for name in lock.WANTED:
        shutil.copy(REPOSITORY / name, tmp_path)
    changed = (tmp_path / "requirements.txt").read_text().replace("monai==", "monai==9")
    (tmp_path / "requirements.txt").write_text(changed)
    wrong, _ = lock.differences(CUDA, folder=tmp_path)
    assert len(wrong) == 1
    assert wrong[0].startswith("lock-cuda.txt has monai 1.")


def test_only_the_cuda_lock_has_cuda_libraries() -> None:
    cuda = {p.name for p in lock.read_lock(CUDA)}
    assert {"nvidia-cudnn-cu13", "triton"} <= cuda
    assert not [p.name for p in lock.read_lock(CPU) if p.name.startswith(lock.CUDA_ONLY)]


def test_what_is_installed_here_is_what_the_lock_has() -> None:
    found = {}
    for pin in lock.read_lock(CPU):
        if pin.applies():
            try:
                found[pin.name] = version(pin.name).split("+")[0], pin.version.split("+")[0]
            except PackageNotFoundError:
                found[pin.name] = None, pin.version
    assert {name: pair for name, pair in found.items() if pair[0] != pair[1]} == {}


def test_files_are_installed_when_they_are_those_of_the_lock(tmp_path: Path) -> None:
    done = start(tmp_path, registry(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "compared with its hash" in done.stderr
    assert "WARNING" not in done.stderr
    assert installed(tmp_path, "toy")


def test_a_file_that_was_exchanged_stops_the_start(tmp_path: Path) -> None:
    done = start(tmp_path, {**registry(tmp_path), "toy": "0" * 64})
    assert done.returncode == 1
    assert "toy==1.0" in done.stderr
    assert "error: the hash of a package differs from lock-cuda.txt, nothing was installed" in done.stderr
    assert not installed(tmp_path, "toy")


def test_where_the_lock_cannot_be_installed_versions_are_and_it_says_so(tmp_path: Path) -> None:
    done = start(tmp_path, {**registry(tmp_path), "gone": "0" * 64})
    assert done.returncode == 0, done.stderr
    assert "WARNING: lock-cuda.txt cannot be installed here" in done.stderr
    assert installed(tmp_path, "toy")


def test_the_lock_can_be_left_out(tmp_path: Path) -> None:
    done = start(tmp_path, {**registry(tmp_path), "toy": "0" * 64}, choice="off")
    assert done.returncode == 0, done.stderr
    assert installed(tmp_path, "toy")


def test_an_unknown_choice_of_lock_is_refused(tmp_path: Path) -> None:
    done = start(tmp_path, registry(tmp_path), choice="gpu")
    assert done.returncode == 1
    assert done.stderr.strip() == "error: CCSD_LOCK is gpu, expected cpu, cuda or off"


def registry(folder: Path) -> dict[str, str]:
    """A folder of two wheels; their hashes."""
    hashes = {}
    (folder / "wheels").mkdir()
    for name in ("toy", "other"):
        wheel = folder / "wheels" / f"{name}-1.0-py3-none-any.whl"
        info = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{name}.py", "")
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        hashes[name] = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return hashes


def start(folder: Path, hashes: dict[str, str], *, choice: str = "") -> subprocess.CompletedProcess[str]:
    """What serve.sh does first, in a repository of two requirements whose lock has `hashes`."""
    for part in ("scripts/environment.sh", "scripts/dev/lock.py"):
        (folder / part).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(REPOSITORY / part, folder / part)
    (folder / "requirements.txt").write_text("toy==1.0\n")
    (folder / "requirements-nodeps.txt").write_text("other==1.0\n")
    (folder / "requirements").mkdir()
    for kind in ("cpu", "cuda"):
        text = "".join(f"{name}==1.0 --hash=sha256:{digest}\n" for name, digest in hashes.items())
        (folder / "requirements" / f"lock-{kind}.txt").write_text(text)
    made = folder / ".venv"
    venv.create(made, with_pip=False)
    (site,) = made.glob("lib/python*/site-packages")
    for name in ("pip", "packaging"):  # as links: making pip anew takes seconds
        (site / name).symlink_to(Path(str(distribution(name).locate_file(name))))
    (made / "bin" / "pip").symlink_to("python")
    bare = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    environment = {**bare, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "wheels")}
    command = "set -euo pipefail; . scripts/environment.sh; ensure_environment requirements.txt requirements-nodeps.txt"
    environment.update({"CCSD_VENV": str(made), "CCSD_LOCK": choice})
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)


def installed(folder: Path, name: str) -> bool:
    return bool(list(folder.glob(f".venv/lib/python*/site-packages/{name}.py")))
