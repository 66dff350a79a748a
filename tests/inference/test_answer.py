from __future__ import annotations

from typing import Any

import pytest

from ccsd.inference.answer import expected_dice, why_not_expected
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models.card import Card
from ccsd.models.checkpoint import Checkpoint, untrained

NETWORK = untrained(BRATS, PRESETS["tiny"]).network
ROWS = (
    {"modalities": ["t1", "flair"], "WT": 0.81234, "TC": 0.5, "ET": 0.25},
    {"modalities": ["flair"], "WT": 0.7, "TC": 0.4, "ET": 0.1},
)


def test_what_to_expect_is_that_of_exactly_the_modalities_used() -> None:
    measured = Checkpoint(NETWORK, Card("v", dice=ROWS, validation=("a", "b", "c")))
    assert expected_dice(measured, ["flair", "t1"], BRATS) == {"WT": 0.812, "TC": 0.5, "ET": 0.25, "studies": 3}
    assert expected_dice(measured, ["t1"], BRATS) is None


def test_weights_without_an_evaluation_promise_nothing() -> None:
    assert expected_dice(Checkpoint(NETWORK), ["t1"], BRATS) is None
    assert why_not_expected(Checkpoint(NETWORK), ["t1"], BRATS) == "the weights were not measured"


@pytest.mark.parametrize("seen", [{"training": ("a", "b", "z")}, {"seen": ("replay/a", "b/mirrored")}])
def test_figures_of_studies_that_the_weights_have_seen_are_not_to_be_expected(seen: dict[str, Any]) -> None:
    measured = Checkpoint(NETWORK, Card("v", dice=ROWS, validation=("a", "b", "c"), **seen))
    assert expected_dice(measured, ["flair"], BRATS) is None
    sentence = "the weights were trained on 2 of the 3 studies that they were measured on"
    assert why_not_expected(measured, ["flair"], BRATS) == sentence


def test_where_there_is_a_figure_to_expect_there_is_no_reason_against_it() -> None:
    measured = Checkpoint(NETWORK, Card("v", dice=ROWS, validation=("a", "b"), training=("c",)))
    assert why_not_expected(measured, ["flair"], BRATS) is None
    assert why_not_expected(measured, ["t2"], BRATS) == "the weights were not measured with exactly these modalities"
