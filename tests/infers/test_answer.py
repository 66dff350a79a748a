from __future__ import annotations

from lib.ccsd.network import PRESETS
from lib.ccsd.task import BRATS
from lib.infers.answer import expected_dice
from lib.publishing.checkpoint import Checkpoint, untrained

NETWORK = untrained(BRATS, PRESETS["tiny"]).network
ROWS = [
    {"modalities": ["t1", "flair"], "WT": 0.81234, "TC": 0.5, "ET": 0.25},
    {"modalities": ["flair"], "WT": 0.7, "TC": 0.4, "ET": 0.1},
]


def test_what_to_expect_is_that_of_exactly_the_modalities_used() -> None:
    measured = Checkpoint(NETWORK, "v", {"dice": ROWS, "validation": ["a", "b", "c"]})
    assert expected_dice(measured, ["flair", "t1"], BRATS) == {"WT": 0.812, "TC": 0.5, "ET": 0.25, "studies": 3}
    assert expected_dice(measured, ["t1"], BRATS) is None


def test_weights_without_an_evaluation_promise_nothing() -> None:
    assert expected_dice(Checkpoint(NETWORK, "v"), ["t1"], BRATS) is None
