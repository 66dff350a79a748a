"""`python -m ccsd.experiments check_healthy` on a phantom, with a network that calls every voxel tumour."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.experiments.commands import check_healthy
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint


def test_each_brain_has_a_row_and_the_last_ones_sum_up(
    phantom: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one_sided = np.zeros_like(phantom.label)
    one_sided[1:5, 20:28, 20:28] = 2
    write_phantom(replace(phantom, label=one_sided), tmp_path / "mirrored" / "a", "a")
    write_phantom(phantom, tmp_path / "brains" / "b", "b", modalities=("t1", "t2"))
    network = checkpoint.untrained(BRATS, PRESETS["tiny"]).network
    torch.nn.init.constant_(network.decoder.head.bias, 100)
    checkpoint.save(tmp_path / "w.pt", network, name="tiny")
    folders = ["--mirror", str(tmp_path / "mirrored"), "--brains", str(tmp_path / "brains")]
    monkeypatch.setattr("sys.argv", ["check_healthy", *folders, "--model", str(tmp_path / "w.pt")])
    check_healthy.main()
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    header, first, second, mean, largest = lines
    assert first[0] == "a/mirrored"
    assert len(set(first[1:])) == 1, "everything is tumour, whatever is given"
    assert float(first[1]) > 100
    assert second[0] == "b"
    assert second[2:4] == ["", ""], "it has no FLAIR"
    assert float(mean[1]) == pytest.approx((float(first[1]) + float(second[1])) / 2, abs=0.06)
    assert float(largest[1]) == max(float(first[1]), float(second[1]))
    assert len(header) == 1 + 2 * len(check_healthy.COLUMNS)
