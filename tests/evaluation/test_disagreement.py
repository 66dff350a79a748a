from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ccsd.inference.disagreement import subset_disagreement
from ccsd.inference.windows import WindowConfig
from ccsd.method.network import PRESETS, CCSDNetwork, Features
from ccsd.method.task import BRATS
from ccsd.models.checkpoint import untrained

WINDOW = WindowConfig(edge=None)


def study(*present: bool) -> tuple[Tensor, Tensor]:
    volumes = torch.randn((4, 32, 32, 32), generator=torch.Generator().manual_seed(0))
    return volumes, torch.tensor(present)


def test_one_modality_alone_cannot_disagree() -> None:
    network = untrained(BRATS, PRESETS["tiny"]).network
    assert subset_disagreement(network, *study(False, True, False, False), window=WINDOW) == 0


def test_it_grows_with_how_far_subsets_differ_and_not_with_the_tumours_size(monkeypatch: pytest.MonkeyPatch) -> None:
    network = untrained(BRATS, PRESETS["tiny"]).network

    def score(volume: int, share: float) -> float:
        """With all modalities a tumour of `volume` voxels is found, without one the rest of it without `share`."""

        def decode(self: CCSDNetwork, features: Features, chosen: list[int]) -> list[Tensor]:
            found = []
            for subset in chosen:
                logits = torch.full((1, 3, 32 * 32 * 32), -30.0)
                logits[..., : volume if subset == features.available else int(volume * (1 - share))] = 30
                found.append(logits.view(1, 3, 32, 32, 32))
            return found

        monkeypatch.setattr(CCSDNetwork, "decode", decode)
        return subset_disagreement(network, *study(True, True, False, True), window=WINDOW)

    assert score(20000, 0) == pytest.approx(0, abs=1e-6)
    assert score(20000, 0.5) > score(20000, 0.2) > 0.01
    assert score(20000, 0.5) == pytest.approx(1 / 3)  # 1 - Dice of a half with the whole
    assert score(20000, 0.5) == pytest.approx(score(10000, 0.5))
    assert score(10, 0.5) == 0  # hardly any tumour: no high score from noise
