"""`python -m ccsd.experiments agreement` on a phantom, with weights that know nothing."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.experiments.commands.agreement import SCORES, Point, alarms, limit_for, main


def test_every_subset_of_two_or_more_counts_and_voxels_are_told_apart(
    phantom: Phantom, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        write_phantom(phantom, tmp_path / "studies" / name, name)
    command = ["agreement", "--data", str(tmp_path / "studies"), "--model", str(weights)]
    monkeypatch.setattr("sys.argv", command)
    main()
    said = capsys.readouterr().out
    assert re.findall(r"^\| (WT|TC|ET) \| (\d+) \|", said, re.MULTILINE)[:3] == [(r, "22") for r in ("WT", "TC", "ET")]
    assert "limit that finds 80% of them" in said
    shares = re.findall(r"^\| (agreement|probability) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", said, re.MULTILINE)
    assert [name for name, *_ in shares] == ["agreement", "probability"]
    for where, of_all, elsewhere in ([float(v) for v in values] for _, *values in shares):
        assert 0 <= where <= 1
        assert 0 <= of_all <= 1
        assert 0 < elsewhere < 1


def _points(*pairs: tuple[float, float]) -> list[Point]:
    """Of Dice and agreement."""
    return [Point("a", 0b11, "WT", dice, agreement, 1 - agreement) for dice, agreement in pairs]


def test_the_limit_finds_the_share_of_poor_masks_that_is_asked_for_and_no_more() -> None:
    points = _points((0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.9), (0.9, 0.35), (0.8, 0.95))
    limit = limit_for(points, SCORES["agreement"], 0.75)
    assert limit == pytest.approx(0.4)
    assert alarms(points, SCORES["agreement"], limit) == (0.75, 0.5)
    assert alarms(points, SCORES["agreement"], limit_for(points, SCORES["agreement"], 1)) == (1, 0.5)


def test_without_poor_masks_there_is_no_limit() -> None:
    assert math.isnan(limit_for(_points((0.9, 0.9)), SCORES["agreement"], 0.8))
