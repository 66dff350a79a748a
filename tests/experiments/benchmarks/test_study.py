"""The benchmark measures what it says: every step, every number of modalities, a server as its user starts it."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from ccsd.experiments.benchmarks.method import Setting
from ccsd.experiments.benchmarks.server import running
from ccsd.experiments.benchmarks.study import (
    NNUNET,
    STEPS,
    all_subsets,
    another_choice,
    file_to_mask,
    one_a_subset,
    ours,
    peers,
)
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models.served import ServedModel

CPU = torch.device("cpu")


@pytest.fixture
def model(tmp_path: Path) -> ServedModel:
    return ServedModel(tmp_path / "none.pt", tmp_path / "nor-this.pt", BRATS, PRESETS["tiny"])


def test_every_step_is_timed_for_every_number_of_modalities(
    model: ServedModel, study_folder: Path, tmp_path: Path
) -> None:
    rows = file_to_mask(model, study_folder, tmp_path / "cache", device="cpu", window=0, repeats=1)
    assert len(rows) == 4
    assert all(set(row) == set(STEPS) for row in rows)
    assert all(row["total"] >= 0.9 * sum(row[s] for s in STEPS if s != "total") for row in rows)
    assert len(another_choice(model, study_folder, tmp_path / "cache", device="cpu")) == 2


def test_peers_are_of_the_usual_sizes(model: ServedModel) -> None:
    setting = Setting(PRESETS["tiny"], 0, CPU, repeats=1)
    found = peers(setting, (64, 64, 64))
    assert found["SegResNet"][0] == pytest.approx(4.7, abs=0.1)  # MONAI's brats_mri_segmentation
    assert found[NNUNET][0] > 15
    assert one_a_subset() == pytest.approx(15 * found[NNUNET][0], rel=0.01)  # they differ in their first layer
    assert all_subsets(setting, model.current().network, (64, 64, 64)) > 0
    assert ours(setting, model.current().network, (64, 64, 64)) > 0


def test_a_server_is_started_asked_by_several_and_ended(study_folder: Path, tmp_path: Path) -> None:
    with running(study_folder.parent, tmp_path / "server") as server:
        whole, each = server.masks(["case_flair", "case_t1"], clients=2)
        assert whole >= max(each) > 0
        assert server.peak_gib() > 0.1
        assert psutil.pid_exists(server.process)
    assert not psutil.pid_exists(server.process)
