"""Parts of training whose loss nobody would see in a short run: the learning rate's way, clipping and flips."""

from __future__ import annotations

import math

import pytest
import torch

from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.training.cases import Case, crop
from ccsd.training.config import TrainConfig
from ccsd.training.run import MAX_NORM, Run

EDGE = 16


@pytest.fixture
def case() -> Case:
    """Noise; the label is the low corner of all axes."""
    generator = torch.Generator().manual_seed(0)
    label = torch.zeros(EDGE, EDGE, EDGE, dtype=torch.uint8)
    label[:8, :8, :8] = 1
    volumes = torch.randn(4, EDGE, EDGE, EDGE, generator=generator).half()
    return Case("noise", volumes, label, 0b1111, torch.nonzero(label).short(), torch.ones(3, dtype=torch.bool))


def started(**settings: float | str) -> Run:
    config = TrainConfig(**{"max_epochs": 2, "steps": 4, "patch": EDGE, "warm_up": 0, **settings})  # type: ignore[arg-type]
    return Run(checkpoint.untrained(BRATS, PRESETS["tiny"]).network, config, device=torch.device("cpu"))


def test_the_learning_rate_falls_to_nothing_by_a_power_of_what_is_left(case: Case) -> None:
    run = started(learning_rate=0.01)
    rates = []
    for _ in range(8):
        run.step([case])
        rates.append(run.learning_rate)
    assert rates == pytest.approx([0.01 * (1 - done / 8) ** 0.9 for done in range(8)])


def test_the_learning_rate_grows_first(case: Case) -> None:
    run = started(learning_rate=0.01, warm_up=4, max_epochs=1000)
    rates = []
    for _ in range(4):
        run.step([case])
        rates.append(run.learning_rate)
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, 0.01], rel=0.01)


def test_a_step_is_made_with_gradients_of_bounded_length(case: Case) -> None:
    run = started()
    with torch.no_grad():
        run.network.decoder.head.weight.mul_(1e4)  # a network that is far off has steep gradients
    lengths = []
    step = run.optimiser.register_step_pre_hook(
        lambda *_: lengths.append(
            math.hypot(*(float(p.grad.norm()) for p in run.network.parameters() if p.grad is not None))
        )
    )
    run.step([case])
    step.remove()
    assert lengths == pytest.approx([MAX_NORM], rel=1e-3)


def test_crops_are_flipped_along_every_axis_half_of_the_time(case: Case) -> None:
    generator = torch.Generator().manual_seed(0)
    times = 60
    high = torch.zeros(3)
    for _ in range(times):
        _, label = crop(case, patch=EDGE, tumour_share=0, augment=True, generator=generator)
        high += (torch.nonzero(label).float().mean(dim=0) > (EDGE - 1) / 2).float()
    assert all(times / 4 < count < 3 * times / 4 for count in high.tolist())


@pytest.mark.parametrize(("patch", "kind"), [(16, torch.float32), (24, torch.bfloat16)])
def test_crops_that_are_too_small_for_bfloat16_on_a_cpu_are_computed_in_float32(patch: int, kind: torch.dtype) -> None:
    assert started(patch=patch, large_patch=24, precision="bfloat16").computed_in == kind  # `tiny` divides by 8
