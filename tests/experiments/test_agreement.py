"""`python -m ccsd.experiments agreement` on a phantom, with weights that know nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.experiments.commands.agreement import main
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint


def test_every_subset_of_two_or_more_counts_and_voxels_are_told_apart(
    phantom: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        write_phantom(phantom, tmp_path / "studies" / name, name)
    checkpoint.save(tmp_path / "w.pt", checkpoint.untrained(BRATS, PRESETS["tiny"]).network, name="tiny")
    command = ["agreement", "--data", str(tmp_path / "studies"), "--model", str(tmp_path / "w.pt")]
    monkeypatch.setattr("sys.argv", command)
    main()
    said = capsys.readouterr().out
    assert re.findall(r"^\| (WT|TC|ET) \| (\d+) \|", said, re.MULTILINE)[:3] == [(r, "22") for r in ("WT", "TC", "ET")]
    differ, of_all, elsewhere = map(float, re.search(r"voxels: ([\d.]+) .*\(([\d.]+) .*\), ([\d.]+)", said).groups())  # type: ignore[union-attr]
    assert 0 <= differ <= 1
    assert 0 <= of_all <= 1
    assert 0 < elsewhere < 1
