from __future__ import annotations

import pytest
import torch

from lib.ccsd import subsets
from lib.ccsd.network import PRESETS
from lib.ccsd.task import BRATS
from lib.errors import InputError
from lib.evaluation.predict import WindowConfig, predict
from lib.evaluation.subsets15 import dice_by_subset, mean_over, table
from lib.publishing import checkpoint

PRESENT = torch.tensor([True, True, False, True])


def test_prediction_has_the_shape_of_the_study_whatever_its_size() -> None:
    network = checkpoint.untrained(BRATS, PRESETS["tiny"]).network
    predicted = predict(network, torch.randn(4, 21, 34, 19), PRESENT, [0b1011, 0b0001], WindowConfig())
    assert {s: tuple(p.shape) for s, p in predicted.items()} == {0b1011: (3, 21, 34, 19), 0b0001: (3, 21, 34, 19)}


def test_a_subset_predicts_the_same_alone_and_among_others() -> None:
    network = checkpoint.untrained(BRATS, PRESETS["tiny"]).network
    volumes = torch.randn(4, 24, 24, 24)
    together = predict(network, volumes, PRESENT, [0b1011, 0b0010], WindowConfig())
    alone = predict(network, volumes, torch.tensor([False, True, False, False]), [0b0010], WindowConfig())
    assert torch.equal(together[0b0010], alone[0b0010])


def test_overlapping_windows_cover_everything() -> None:
    network = checkpoint.untrained(BRATS, PRESETS["tiny"]).network
    predicted = predict(network, torch.randn(4, 50, 40, 36), PRESENT, [1], WindowConfig(edge=32, overlap=0.25))
    assert torch.isfinite(predicted[1]).all()
    assert (predicted[1] > 0).all()


@pytest.mark.parametrize(
    ("wrong", "sentence"), [({"edge": 8}, "window is 8 voxels"), ({"overlap": 0.95}, r"overlap is 0\.95")]
)
def test_an_unusable_window_is_refused(wrong: dict[str, float], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        WindowConfig(**wrong)  # type: ignore[arg-type]  # that is the test


def test_every_subset_of_what_a_case_has_is_measured() -> None:
    network = checkpoint.untrained(BRATS, PRESETS["tiny"]).network
    label = torch.randint(0, 4, (16, 16, 16), dtype=torch.uint8)
    result = dice_by_subset(network, torch.randn(4, 16, 16, 16), PRESENT, label, window=WindowConfig())
    assert list(result) == subsets.lattice(0b1011)
    assert all(((v >= 0) & (v <= 1)).all() for v in result.values())


def test_means_count_a_study_for_the_subsets_that_it_has() -> None:
    whole = {1: torch.tensor([1.0, 0.0, 0.5]), 2: torch.tensor([0.2, 0.2, 0.2])}
    mean = mean_over([whole, {1: torch.tensor([0.0, 0.0, 0.5])}])
    assert mean[1].tolist() == [0.5, 0.0, 0.5]
    assert mean[2].tolist() == pytest.approx([0.2, 0.2, 0.2])
    assert table(mean, BRATS)[1] == {"modalities": ["t1ce"], "WT": 0.2, "TC": 0.2, "ET": 0.2}
