"""The training loop: crops -> CCSD objective -> optimiser; averaged weights are validated after each epoch."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lib.ccsd import subsets
from lib.ccsd.losses import objective
from lib.ccsd.network import CCSDNetwork
from lib.errors import InputError
from lib.evaluation.predict import WindowConfig
from lib.evaluation.subsets15 import dice_by_subset, mean_over
from lib.training.cases import Case, batches, crop
from lib.training.config import TrainConfig

logger = logging.getLogger(__name__)


class DivergedError(RuntimeError):
    """The loss is no longer a number; the weights before this run stay."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch did.

    Attributes:
        index: from 1; progress: share of the run that is done.
        losses: mean of each loss term over the epoch's steps.
        validation: mean Dice (R,) by subset, or None in an epoch without validation.
        network: the averaged weights, in evaluation mode.
    """

    index: int
    progress: float
    losses: dict[str, float]
    validation: dict[int, Tensor] | None
    network: CCSDNetwork

    @property
    def score(self) -> float | None:
        """Mean validation Dice over subsets and regions."""
        if self.validation is None:
            return None
        return float(torch.stack(list(self.validation.values())).mean())


def train(
    network: CCSDNetwork,
    cases: Sequence[Case],
    validation: Sequence[Case],
    config: TrainConfig,
    *,
    device: torch.device,
    on_epoch: Callable[[Epoch], None],
) -> None:
    """Train `network` in place; `on_epoch` sees every epoch's result and keeps what it wants.

    Raises:
        InputError: no cases, or a patch that the network cannot take.
        DivergedError: the loss became NaN or infinite.
    """
    if not cases:
        raise InputError("there is no labelled study to train on, expected at least one")
    if config.patch % network.divisor:
        raise InputError(f"patch is {config.patch} voxels, expected a multiple of {network.divisor}")
    network.place(device).train()
    averaged = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    generator = torch.Generator().manual_seed(config.seed)
    started = time.monotonic()
    done = 0
    for index in range(1, config.max_epochs + 1):
        sums: dict[str, float] = {}
        count = 0
        chosen = batches(cases, steps=config.steps, batch=config.batch, generator=generator)
        for studies in chosen:
            progress = _progress(done, started, config)
            _set_learning_rate(optimiser, config, done, progress)
            for name, value in _step(network, studies, optimiser, config, progress, generator, device).items():
                sums[name] = sums.get(name, 0.0) + value
            done += 1
            count += 1
            _average(averaged, network, min(config.average, done / (done + 10)))
            if _progress(done, started, config) >= 1:
                break
        progress = _progress(done, started, config)
        last = progress >= 1
        scored = last or index % config.validate_every == 0
        dice = validate(averaged, validation) if scored and validation else None
        on_epoch(Epoch(index, progress, {k: v / count for k, v in sums.items()}, dice, averaged))
        if last:
            return


def validate(network: CCSDNetwork, cases: Sequence[Case]) -> dict[int, Tensor]:
    """Mean Dice (R,) over the cases, for the whole lattice of each case."""
    window = WindowConfig()
    results = [
        dice_by_subset(network, case.volumes.float(), present(case, network), case.label, window=window)
        for case in cases
    ]
    return mean_over(results)


def present(case: Case, network: CCSDNetwork) -> Tensor:
    """Boolean (N,): what the case has."""
    return torch.tensor([bool(case.available >> m & 1) for m in range(network.n)])


def _step(
    network: CCSDNetwork,
    studies: Sequence[Case],
    optimiser: torch.optim.Optimizer,
    config: TrainConfig,
    progress: float,
    generator: torch.Generator,
    device: torch.device,
) -> dict[str, float]:
    crops = [
        crop(case, patch=config.patch, tumour_share=config.tumour_share, augment=True, generator=generator)
        for case in studies
    ]
    volumes = torch.stack([v for v, _ in crops]).to(device)  # (B, N, p, p, p)
    regions = network.task.to_regions(torch.stack([y for _, y in crops]).to(device))  # (B, R, p, p, p)
    terms = objective(
        network,
        volumes,
        regions,
        present(studies[0], network),
        config.losses,
        progress=progress,
        generator=generator,
    )
    values = {name: float(term.detach()) for name, term in terms.items()}
    if not math.isfinite(values["total"]):
        raise DivergedError(f"the loss became {values['total']}, training stopped and the earlier weights stay")
    optimiser.zero_grad(set_to_none=True)
    terms["total"].backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 12.0)
    optimiser.step()
    return values


def _progress(done: int, started: float, config: TrainConfig) -> float:
    """Share of the run that is done, by steps or by time, whichever is further."""
    by_steps = done / (config.max_epochs * config.steps)
    by_time = (time.monotonic() - started) / (60 * config.max_minutes) if config.max_minutes else 0.0
    return min(1.0, max(by_steps, by_time))


def _set_learning_rate(optimiser: torch.optim.Optimizer, config: TrainConfig, done: int, progress: float) -> None:
    ramp = min(1.0, (done + 1) / config.warm_up) if config.warm_up else 1.0
    for group in optimiser.param_groups:
        group["lr"] = config.learning_rate * ramp * (1 - progress) ** 0.9


@torch.no_grad()
def _average(averaged: CCSDNetwork, network: CCSDNetwork, decay: float) -> None:
    for mean, value in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(value, 1 - decay)


def describe(epoch: Epoch, network: CCSDNetwork) -> str:
    """One line for logs and `GET /train/`: progress, loss terms, validation Dice of the full set and of the mean."""
    losses = " ".join(f"{name}={value:.4f}" for name, value in epoch.losses.items())
    line = f"epoch {epoch.index} ({100 * epoch.progress:.0f} %) loss {losses}"
    if epoch.validation is None:
        return line
    whole = max(epoch.validation, key=subsets.size)
    regions = network.task.regions
    best = " ".join(f"{r}={float(v):.3f}" for r, v in zip(regions, epoch.validation[whole], strict=True))
    mean = torch.stack(list(epoch.validation.values())).mean(dim=0)
    average = " ".join(f"{r}={float(v):.3f}" for r, v in zip(regions, mean, strict=True))
    return f"{line} validation Dice: all modalities {best}; mean of {len(epoch.validation)} subsets {average}"
