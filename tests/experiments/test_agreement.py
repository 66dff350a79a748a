"""`python -m ccsd.experiments agreement` on a phantom, with weights that know nothing."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.experiments.commands.agreement import SCORES, Point, alarms, limit_for, main, report
from ccsd.inference.confidence import MIN_CERTAINTY
from ccsd.method.task import BRATS


def test_every_subset_counts_and_voxels_are_told_apart_and_saved_masks_give_the_same_tables(
    phantom: Phantom, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        write_phantom(phantom, tmp_path / "studies" / name, name)
    saved = str(tmp_path / "masks.csv")
    command = ["agreement", "--data", str(tmp_path / "studies"), "--model", str(weights), "--save", saved]
    monkeypatch.setattr("sys.argv", command)
    main()
    said = capsys.readouterr().out
    counts = re.findall(r"^\| all \| (2 and more|1|any) \| (\d+) \| (-|-?[\d.]+) \|", said, re.MULTILINE)
    assert [(words, count) for words, count, _ in counts] == [("2 and more", "66"), ("1", "24"), ("any", "90")]
    assert [agreement for *_, agreement in counts][1:] == ["-", "-"]
    assert "limit that finds 80% of them" in said
    shares = re.findall(r"^\| (agreement|probability) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", said, re.MULTILINE)
    assert [name for name, *_ in shares] == ["agreement", "probability"]
    for where, of_all, elsewhere in ([float(v) for v in values] for _, *values in shares):
        assert 0 <= where <= 1
        assert 0 <= of_all <= 1
        assert 0 < elsewhere < 1
    monkeypatch.setattr("sys.argv", ["agreement", "--masks", saved])
    main()
    again = capsys.readouterr().out
    assert said.startswith(again)
    assert "| any |" in again


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


def test_the_warnings_as_served_find_no_empty_mask() -> None:
    unsure, sure = (Point("a", 0b11, "WT", 0.9, 0.9, MIN_CERTAINTY + by) for by in (-0.01, 0.01))
    poor = replace(unsure, dice=0.1, agreement=0.95)
    wrong = Point("a", 0b11, "WT", 0, 1, 0, mask_ml=0, probable_ml=0.5)
    right = replace(wrong, dice=1, label_ml=0, probable_ml=0.25)
    said = report([poor, unsure, sure, sure, wrong, right], BRATS, found=0.8)
    assert "| wrong | 1 | 0.50, 0.50, 0.50 |" in said
    assert "| right: none in the label | 1 | 0.25, 0.25, 0.25 |" in said
    assert "| all | 2 and more | 2 of 6 | 0.50 | 0.25 | 0.75 |" in said  # agreement warns of all others for as many
    assert "| all | 2 and more | 1 of 4 | certainty | 0.85 | 0.33 |" in said
