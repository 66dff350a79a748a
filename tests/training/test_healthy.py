"""Brains without a tumour, from the healthy half of those with one."""

from __future__ import annotations

import torch

from ccsd.training.cases import Case, crop
from ccsd.training.healthy import midline, mirrored

SHAPE = (40, 24, 24)
MIDDLE = 41  # x goes to 41 - x: the plane lies at 20.5, the box's middle at 19.5


def brain(*, tumour_at: int, width: int = 4) -> Case:
    """A brain that is its own mirror image about MIDDLE / 2, with a bright tumour at `tumour_at`."""
    generator = torch.Generator().manual_seed(0)
    half = torch.rand((2, 21, *SHAPE[1:]), generator=generator) + 1
    volumes = torch.zeros(2, *SHAPE)
    for x in range(2, SHAPE[0]):
        volumes[:, x] = half[:, min(x, MIDDLE - x)]
    label = torch.zeros(SHAPE, dtype=torch.uint8)
    label[tumour_at : tumour_at + width, 8:14, 8:14] = 2
    healthy = volumes.clone()
    volumes[:, label > 0] += 1
    case = Case("a", volumes.half(), label, 0b11, torch.nonzero(label).short(), torch.tensor([True, False, False]))
    assert not torch.equal(healthy.half(), case.volumes)
    return case


def test_the_midline_is_found_where_the_halves_are_most_alike() -> None:
    assert midline(brain(tumour_at=5).volumes) == MIDDLE


def test_the_healthy_half_takes_the_place_of_the_other() -> None:
    for at in (5, 32):
        case = brain(tumour_at=at)
        healthy = mirrored(case)
        assert healthy is not None
        whole = healthy.volumes
        inside = torch.arange(2, 40)
        assert torch.equal(whole[:, inside], whole[:, MIDDLE - inside])
        kept = inside[inside > 21] if at == 5 else inside[inside < 20]
        assert torch.equal(whole[:, kept], case.volumes[:, kept])
        assert float(whole.max()) <= 2
        assert not healthy.label.any()
        assert healthy.annotated.all()


def test_a_tumour_near_or_across_the_midline_gives_no_healthy_brain() -> None:
    assert mirrored(brain(tumour_at=17, width=8)) is None
    assert mirrored(brain(tumour_at=14)) is None


def test_a_mirrored_brain_is_cropped_like_any_other() -> None:
    healthy = mirrored(brain(tumour_at=5))
    assert healthy is not None
    volumes, label = crop(healthy, patch=16, tumour_share=1.0, augment=True, generator=torch.Generator().manual_seed(1))
    assert volumes.shape == (2, 16, 16, 16)
    assert not label.any()
