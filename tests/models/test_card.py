"""What weights say of themselves, whoever wrote it and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ccsd.common.errors import InputError
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.models.card import Card, card_of
from ccsd.models.served import SHIPPED
from tests.upgrade.release import unpack

ROW = {"modalities": ["t1", "flair"], "WT": 0.8, "TC": 0.5, "ET": 0.25}
NOTES: dict[str, tuple[dict[str, Any], Card]] = {
    "none": ({}, Card("v")),
    "the script's": (
        {
            "parent": "p",
            "cases": ["a", "b/mirrored"],
            "validation": ["c"],
            "settings": {
                "preset": "tiny",
                "network": {"widths": (8, 16)},
                "train": {"brain_patch": (1, 2, 3), "average": 0.9, "losses": {"align": 0.2, "tau": 2.0}},
            },
            "epoch": 3,
        },
        Card(
            "v",
            parent="p",
            training=("a", "b/mirrored"),
            validation=("c",),
            settings={
                "preset": "tiny",
                "network": {"widths": [8, 16]},
                "brain_patch": [1, 2, 3],
                "ema_decay": 0.9,
                "losses": {"lambda_align": 0.2, "tau": 2.0},
            },
            epoch=3,
        ),
    ),
    "the script's, evaluated": (
        {"cases": ["a"], "dice": [ROW], "validation": ["c", "d"]},
        Card("v", training=("a",), dice=(ROW,), validation=("c", "d")),
    ),
    "the train task's": (
        {
            "parent": "p",
            "training": ["a"],
            "validation": ["b"],
            "held_out": True,
            "seen": ["a", "z"],
            "data": {"a": "1", "b": "2"},
            "left_out": {"c": "no image"},
            "config": {"seed": 1, "rule": {"margin": 0.01}, "new_share": 0.5},
            "epoch": 1,
            "dice": [ROW],
            "score": 0.5,
            "reason": "mean validation Dice 0.500",
            "published": "2026-11-24T09:50:56+00:00",
        },
        Card(
            "v",
            parent="p",
            training=("a",),
            validation=("b",),
            seen=("a", "z"),
            digests={"a": "1", "b": "2"},
            left_out={"c": "no image"},
            settings={"seed": 1, "rule": {"margin": 0.01}, "new_share": 0.5},
            epoch=1,
            dice=(ROW,),
            score=0.5,
            reason="mean validation Dice 0.500",
            published="2026-11-24T09:50:56+00:00",
        ),
    ),
    "a candidate's": ({"training": ["a"], "kept_back": "worse"}, Card("v", training=("a",), kept_back="worse")),
    "the bundle's": (
        {"validation Dice": 0.5, "trained by": "MONAI bundle"},
        Card("v", score=0.5, made_by="MONAI bundle"),
    ),
}


def written_before(path: Path, notes: dict[str, Any]) -> Path:
    """Weights as releases before the card wrote them."""
    checkpoint.save(path, checkpoint.untrained(BRATS, PRESETS["tiny"]).network, name="tiny")
    content = torch.load(path, weights_only=True)
    del content["card"]
    torch.save({**content, "version": "v", "notes": notes}, path)
    return path


@pytest.mark.parametrize("kind", NOTES)
def test_notes_of_older_releases_are_read_as_a_card_and_stay_as_they_are(tmp_path: Path, kind: str) -> None:
    notes, expected = NOTES[kind]
    file = written_before(tmp_path / "w.pt", notes)
    before = file.read_bytes()
    assert checkpoint.card_in(file) == checkpoint.load(file, task=BRATS).card == expected
    assert file.read_bytes() == before


def test_a_card_that_is_put_in_place_of_older_notes_is_what_is_read(tmp_path: Path) -> None:
    file = written_before(tmp_path / "w.pt", {"cases": ["a"]})
    card = Card("v", training=("b",), dice=(ROW,), settings={"patch": [1, 2]})
    checkpoint.put_card(file, card)
    assert checkpoint.load(file, task=BRATS).card == card
    assert "notes" not in torch.load(file, weights_only=True)


@pytest.mark.parametrize(("release", "digests"), [("first", set()), ("landed", {"case"})])
def test_weights_of_older_releases_have_a_card(tmp_path: Path, release: str, digests: set[str]) -> None:
    unpack(release, tmp_path)
    card = checkpoint.card_in(tmp_path / "ccsd" / "model" / "ccsd.pt")
    assert (card.parent, card.training, card.validation, card.epoch) == ("untrained", ("case",), ("case",), 1)
    assert set(card.digests) == digests
    assert card.settings["patch"] == 32
    assert card.mean_dice(BRATS.regions) == pytest.approx(0.144, abs=0.001)
    assert card.why_not_expected == "the weights were trained on 1 of the 1 studies that they were measured on"


def test_the_shipped_weights_name_the_studies_that_they_were_trained_on() -> None:
    card = checkpoint.card_in(SHIPPED)
    assert "Brats18_CBICA_AME_1" in card.trained_on
    assert len(card.dice) == 15
    assert card.validation
    assert card.why_not_expected is None


def test_a_study_that_was_replayed_or_changed_was_trained_on() -> None:
    card = Card(training=("a", "replay/b", "e/unenhanced"), seen=("c/mirrored", "far/d"))
    assert {"a", "b", "c", "e", "far/d"} <= card.trained_on
    assert "d" not in card.trained_on


def test_a_card_with_old_names_of_settings_is_read_by_todays() -> None:
    stored = Card(settings={"keep": 0.5, "losses": {"classify": 0.1}}).as_dict()
    assert card_of(stored).settings == {"parent_weight": 0.5, "losses": {"lambda_classify": 0.1}}


def test_a_card_survives_the_way_through_plain_tables() -> None:
    card = NOTES["the train task's"][1]
    assert card_of(card.as_dict()) == card


def test_a_card_that_is_none_is_named_as_unreadable_weights(tmp_path: Path) -> None:
    file = written_before(tmp_path / "w.pt", {"data": "elsewhere"})
    with pytest.raises(InputError, match=r"weights w.pt cannot be read as a CCSD checkpoint \(ValueError\)"):
        checkpoint.card_in(file)
