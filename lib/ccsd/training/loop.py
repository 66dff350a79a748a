"""The training loop: crops -> CCSD objective -> optimiser; averaged weights are validated after each epoch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ccsd.common.errors import InputError
from ccsd.evaluation.lattice import dice_by_subset, mean_over
from ccsd.inference.windows import WindowConfig
from ccsd.method import subsets
from ccsd.method.network import CCSDNetwork
from ccsd.training.cases import Case, Sample, batches, on_device
from ccsd.training.config import TrainConfig
from ccsd.training.limit import TimeLimit, limit_of
from ccsd.training.processes import SINGLE, Processes
from ccsd.training.run import Run

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Epoch:
    """What one epoch did.

    Attributes:
        index: from 1; progress: share of the run that is done; learning_rate: of its last step.
        losses: mean of each loss term over the epoch's steps.
        validation: mean Dice (R,) by subset, or None in an epoch without validation.
        network: the weights to publish (averaged), in evaluation mode.
        state: everything a resumed run needs to go on as if it had not stopped.
    """

    index: int
    progress: float
    learning_rate: float
    losses: dict[str, float]
    validation: dict[int, Tensor] | None
    network: CCSDNetwork
    state: dict[str, Any]

    @property
    def score(self) -> float | None:
        """Mean validation Dice over subsets and regions."""
        if self.validation is None:
            return None
        return mean_dice(self.validation)


def train(
    network: CCSDNetwork,
    cases: Sequence[Sample],
    validation: Sequence[Case],
    config: TrainConfig,
    *,
    device: torch.device,
    on_epoch: Callable[[Epoch], None],
    on_step: Callable[[dict[str, float]], None] = lambda _: None,
    on_study: Callable[[int], None] = lambda _: None,
    weights: Sequence[float] | None = None,
    resume: Mapping[str, Any] | None = None,
    processes: Processes = SINGLE,
    limit: TimeLimit | None = None,
) -> None:
    """Train `network` in place; `on_epoch` sees every epoch's result and keeps what it wants.

    Args:
        on_study: sees the number, from 1, of the case that is validated on next.
        weights: how often each case is drawn, in proportion (None: all alike).
        resume: the state that an earlier run's last epoch gave; with the same settings (and no time limit) the result
            is that of a run which was never stopped.
        processes: the processes that train together; validation is done in the first alone.
        limit: until when, where that is not counted from here (None: `max_minutes` from now). No step fits: there is
            no epoch.

    Raises:
        InputError: no cases, a patch that the network cannot take, or a state that does not fit.
        DivergedError: the loss became NaN or infinite.
    """
    if not cases:
        raise InputError("there is no labelled study to train on, expected at least one")
    limit = limit or limit_of(config.max_minutes, spent=float(resume["seconds"]) if resume else 0.0)
    run = Run(network, config, device=device, processes=processes, limit=limit)
    logger.info("computing in %s on %s", str(run.computed_in).removeprefix("torch."), device)
    if resume:
        run.restore(resume)
    cases = on_device(cases, device)
    progress = run.progress  # read once a step: the clock goes on, and the last epoch is to know that it is the last
    while progress < 1:
        run.epoch += 1
        sums: dict[str, float] = {}
        count = 0
        drawn = batches(cases, steps=config.steps, batch=config.batch, generator=run.generator, weights=weights)
        for studies in drawn:
            values = run.step(studies)
            on_step(values)
            sums = {name: sums.get(name, 0.0) + value for name, value in values.items()}
            count += 1
            progress = run.progress
            if progress >= 1:
                break
        state = run.state()
        due = run.epoch % config.validate_every == 0 and not (limit and limit.left <= limit.validation)
        scored = bool(processes.agree(progress >= 1 or due))
        if processes.rank == 0:
            candidate = run.candidate()
            dice = validate(candidate, validation, on_study=on_study, limit=limit) if scored and validation else None
            losses = {k: v / count for k, v in sums.items()}
            on_epoch(Epoch(run.epoch, progress, run.learning_rate, losses, dice, candidate, state))
        processes.wait()
        progress = run.progress if scored else progress  # a validation takes time


def validate(
    network: CCSDNetwork,
    cases: Sequence[Case],
    *,
    on_study: Callable[[int], None] = lambda _: None,
    limit: TimeLimit | None = None,
) -> dict[int, Tensor]:
    """Mean Dice (R,) over the cases, for the whole lattice of each case. `limit` is told how long it took."""
    started = time.monotonic()
    found = []
    for number, case in enumerate(cases, start=1):
        on_study(number)
        found.append(dice_of(network, case))
    if limit:
        limit.validated(time.monotonic() - started)
    return mean_over(found)


def dice_of(network: CCSDNetwork, case: Case) -> dict[int, Tensor]:
    """Dice (R,) by subset of one case, from one window: the quickest way."""
    window = WindowConfig(edge=None)
    volumes = case.volumes.float()
    return dice_by_subset(network, volumes, case.present, case.label, annotated=case.annotated, window=window)


def mean_dice(dice: Mapping[int, Tensor]) -> float:
    """Over subsets and the regions that are known; `dice`: (R,) by subset."""
    return float(torch.stack(list(dice.values())).nanmean())


def describe(epoch: Epoch, network: CCSDNetwork) -> str:
    """One line for logs and `GET /train/`: progress, loss terms, validation Dice of the full set and of the mean."""
    losses = " ".join(f"{name}={value:.4f}" for name, value in epoch.losses.items())
    line = f"epoch {epoch.index} ({100 * epoch.progress:.0f} %) loss {losses}"
    if epoch.validation is None:
        return line
    whole = max(epoch.validation, key=subsets.size)
    regions = network.task.regions
    best = " ".join(f"{r}={float(v):.3f}" for r, v in zip(regions, epoch.validation[whole], strict=True))
    mean = torch.stack(list(epoch.validation.values())).nanmean(dim=0)
    average = " ".join(f"{r}={float(v):.3f}" for r, v in zip(regions, mean, strict=True))
    return f"{line} validation Dice: all modalities {best}; mean of {len(epoch.validation)} subsets {average}"
