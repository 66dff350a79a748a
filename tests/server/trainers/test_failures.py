"""A training that cannot go on ends in one sentence; what was published stays, nothing half-written is left."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ccsd.common.errors import DivergedError, InputError
from ccsd.demo.phantom import Phantom
from ccsd.server.trainers.own_process import sentence_of
from ccsd.training.run import Run
from tests.server.trainers.clinics import Clinic


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 12 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here (that needs root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_and_the_weights_before_are_served(small_disk: Path, phantom: Phantom) -> None:
    clinic = Clinic(small_disk, phantom, "a")
    clinic.save("a")
    clinic.train()
    before = clinic.model.current().version
    files = sorted(f for f in small_disk.rglob("*") if f.is_file())
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "filler").write_bytes(b"0" * (free - 20_000))
    with pytest.raises((OSError, RuntimeError)) as caught:  # torch: an error about the error
        clinic.train(learning_rate=0.01)
    sentence = sentence_of(caught.value)
    assert sentence is not None
    assert sentence.startswith("the disk is full (")
    assert sentence.endswith("the weights before it stay")
    assert clinic.model.current().version == before
    (small_disk / "filler").unlink()
    assert sorted(f for f in small_disk.rglob("*") if f.is_file()) == files
    assert clinic.train()["outcome"]


def test_no_memory_is_said(tmp_path: Path, phantom: Phantom, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic = Clinic(tmp_path, phantom, "a")
    clinic.save("a")
    before = clinic.model.current().version

    def greedy(self: Run, studies: object) -> dict[str, float]:
        torch.empty(2**50)
        return {}

    monkeypatch.setattr(Run, "step", greedy)
    with pytest.raises(RuntimeError) as caught:
        clinic.train()
    assert "not enough memory" in str(sentence_of(caught.value))
    assert clinic.model.current().version == before


@pytest.mark.parametrize(
    ("error", "start"),
    [
        (InputError("x is 1, expected 2"), "x is 1, expected 2"),
        (DivergedError("the loss became nan"), "the loss became nan"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."), "not enough memory"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_what_a_user_can_do_something_about_is_a_sentence(error: Exception, start: str) -> None:
    assert str(sentence_of(error)).startswith(start)


def test_a_fault_of_ours_is_none() -> None:
    assert sentence_of(KeyError("oops")) is None
