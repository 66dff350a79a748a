"""The script that measures growth runs and prints what it measured, for two sizes of either kind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from ccsd.experiments.benchmarks.growth import STORE, make_studies, write_noise
from ccsd.imaging.volumes import Grid, read_volume
from ccsd.method.task import BRATS
from ccsd.preprocessing.prepare import prepare
from ccsd.server.datastores.folder import open_folder

ROOT = Path(__file__).resolve().parents[3]


def test_two_numbers_of_studies_and_two_sizes_are_measured_printed_and_drawn(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ccsd.experiments", "benchmark_growth", "--plot", str(tmp_path)]
    command += ["--counts", "2", "6", "--edges", "24", "32", "--model", "none.pt", "--preset", "tiny", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for count in (2, 6):
        assert f"{count} studies, in process" in done.stdout
    for step in STORE:
        assert done.stdout.count(f"  {step} ") == 3  # for each number, and the growth
    for edge in (24, 32):
        assert f"{edge}^3, one window: file to mask" in done.stdout
        assert f"{edge}^3, windows of 128: file to mask" in done.stdout
    assert {p.name for p in tmp_path.glob("*.png")} == {"growth_studies.png", "growth_volume.png"}


def test_the_studies_that_are_made_are_as_many_with_four_images_each(tmp_path: Path) -> None:
    make_studies(tmp_path, 7)
    store = open_folder(tmp_path, BRATS)
    assert (store.status()["total"], len(store.list_images())) == (7, 28)


def test_a_made_volume_is_as_large_as_its_box(tmp_path: Path) -> None:
    grid = Grid((20, 24, 28), np.eye(4))
    volume = read_volume(write_noise(tmp_path / "a_t1.nii.gz", grid))
    assert tuple(prepare({"t1": volume}, BRATS.modalities, spacing=1.0).volumes.shape[1:]) == grid.shape
