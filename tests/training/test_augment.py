"""Intensity augmentation: what it may change and what it must leave alone."""

from __future__ import annotations

import pytest
import torch

from ccsd.training.augment import intensities

EDGE = 24


@pytest.fixture
def volumes() -> torch.Tensor:
    """(4, 24, 24, 24): a ball of tissue of mean 0 with a brighter half, zero around it."""
    axis = torch.linspace(-1, 1, EDGE)
    a, b, c = torch.meshgrid(axis, axis, axis, indexing="ij")
    tissue = torch.where(a > 0, 1.0, -1.0) + 0.05 * torch.randn(4, EDGE, EDGE, EDGE, generator=torch.Generator())
    return torch.where(a * a + b * b + c * c < 0.8, tissue, torch.zeros(()))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_outside_the_brain_stays_zero_and_the_seed_decides(volumes: torch.Tensor, share: float) -> None:
    once, again = (intensities(volumes, torch.Generator().manual_seed(3), share=share) for _ in range(2))
    assert torch.equal(once, again)
    assert torch.equal(once != 0, volumes != 0)
    assert torch.isfinite(once).all()
    assert not torch.equal(once, volumes)


def test_without_scanner_effects_only_gain_and_shift_change(volumes: torch.Tensor) -> None:
    changed = intensities(volumes, torch.Generator().manual_seed(0), share=0.0)
    for before, after in zip(volumes, changed, strict=True):
        x, y = before[before != 0], after[before != 0]
        assert torch.corrcoef(torch.stack([x, y]))[0, 1] > 0.9999


def test_scanner_effects_keep_the_anatomy(volumes: torch.Tensor) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        for before, after in zip(volumes, intensities(volumes, generator, share=1.0), strict=True):
            assert after[before > 0.5].mean() > after[before < -0.5].mean() + 0.5


def test_each_modality_is_changed_by_itself(volumes: torch.Tensor) -> None:
    same = volumes[:1].expand(4, -1, -1, -1)
    changed = intensities(same, torch.Generator().manual_seed(2), share=0.5)
    assert all(not torch.equal(changed[0], changed[m]) for m in range(1, 4))
