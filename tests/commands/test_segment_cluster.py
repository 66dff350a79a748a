"""`ccsd segment --dask` with two worker processes, of which one is killed midway: nothing is lost or done twice."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import pytest
from distributed import LocalCluster

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint

NAMES = [f"case{number}" for number in range(8)]


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as started:
        yield started


@pytest.fixture
def command(phantom: Phantom, tmp_path: Path) -> list[str]:
    for name in NAMES:
        write_phantom(phantom, tmp_path / "studies" / name, name, label=False)
    network = checkpoint.untrained(BRATS, PRESETS["tiny"]).network
    checkpoint.save(tmp_path / "tiny.pt", network, name="tiny")
    paths = [tmp_path / "studies", "-o", tmp_path / "out", "--weights", tmp_path / "tiny.pt", "--device", "cpu"]
    return [sys.executable, "-m", "ccsd", "segment", *map(str, paths), "--dask"]


def test_a_worker_is_killed_midway(cluster: LocalCluster, command: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    started = subprocess.Popen([*command, cluster.scheduler_address], stderr=subprocess.PIPE, text=True)
    while not (before := {file: file.stat().st_mtime_ns for file in out.glob("*_seg.nii.gz")}):
        assert started.poll() is None
        time.sleep(0.01)
    os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
    said = started.communicate()[1]
    assert started.returncode == 0, said
    assert len(before) < len(NAMES)  # it was midway
    assert {file: file.stat().st_mtime_ns for file in before} == before
    with (out / "volumes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["study"], row["file"], row["error"]) for row in rows] == [(n, f"{n}_seg.nii.gz", "") for n in NAMES]
    assert sorted(file.name for file in out.glob("*_seg.nii.gz")) == [f"{n}_seg.nii.gz" for n in NAMES]
    assert all(nib.loadsave.load(file).shape == (48, 48, 48) for file in out.glob("*_seg.nii.gz"))


def test_an_address_without_a_scheduler_is_a_sentence(command: list[str]) -> None:
    done = subprocess.run([*command, "tcp://127.0.0.1:9"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: --dask tcp://127.0.0.1:9: no Dask scheduler answers" in done.stderr
    assert "Traceback" not in done.stderr
