"""A training run: what changes from step to step, how one step is made, and how to store and restore it."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ccsd.common.devices import computed_in
from ccsd.common.errors import DivergedError, InputError
from ccsd.method import subsets
from ccsd.method.losses import LossConfig, objective
from ccsd.method.network import CCSDNetwork
from ccsd.training.cases import Sample, crop
from ccsd.training.config import TrainConfig
from ccsd.training.limit import TimeLimit
from ccsd.training.processes import SINGLE, Processes

# On a CPU PyTorch 2.13 (oneDNN) gives the weights of a bfloat16 convolution over two voxels an edge gradients from
# memory that it never wrote: crops with fewer voxels than this at the deepest scale are computed in float32.
SAFE_EDGE = 3
MAX_NORM = 12.0  # of the gradient; what is longer is shortened to it


class Objective(nn.Module):
    """The loss as a module, so that DistributedDataParallel can wrap it: its forward is one training step's terms."""

    def __init__(self, network: CCSDNetwork, config: LossConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.generator = generator

    def forward(
        self,
        volumes: Tensor,
        regions: Tensor,
        annotated: Tensor,
        present: Tensor,
        progress: float,
        teacher: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Arguments and result as `ccsd.method.losses.objective`."""
        terms = objective(
            self.network,
            volumes,
            regions,
            present,
            self.config,
            progress=progress,
            generator=self.generator,
            annotated=annotated,
            teacher=teacher,
        )
        return dict(terms)


class Run:
    """A network in training, with its optimiser, averaged weights and random state."""

    def __init__(
        self,
        network: CCSDNetwork,
        config: TrainConfig,
        *,
        device: torch.device,
        processes: Processes = SINGLE,
        limit: TimeLimit | None = None,
    ) -> None:
        used: dict[str, tuple[int, ...]] = {"patch": (config.patch,), "large_patch": (config.large_patch,)}
        if config.brain_share:
            used["brain_patch"] = tuple(config.brain_patch)
        for name, edges in used.items():
            if any(edge % network.divisor for edge in edges):
                found = edges[0] if len(edges) == 1 else edges
                raise InputError(f"{name} is {found} voxels, expected a multiple of {network.divisor}")
        self.config = config
        self.device = device
        self.computed_in = computed_in(config.precision, device)
        least = min(edge for edges in used.values() for edge in edges) // network.divisor
        if device.type == "cpu" and least < SAFE_EDGE:
            self.computed_in = torch.float32
        self.processes = processes
        self.limit = limit
        self.network = network.to_device(device)
        self.averaged = copy.deepcopy(network).eval()
        self._start = copy.deepcopy(network).eval() if config.parent_weight else None
        self.generator = torch.Generator().manual_seed(config.seed + processes.rank)
        self.objective = processes.wrap(Objective(network, config.losses, self.generator))
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.done = 0  # steps
        self.epoch = 0
        self._seconds_before = 0.0
        self._started = time.monotonic()

    @property
    def progress(self) -> float:
        """Share of the run that is done, by steps or by time, whichever is further; the same in all processes."""
        config = self.config
        by_steps = self.done / (config.max_epochs * config.steps)
        if self.limit is None:
            return min(1.0, by_steps)
        used, left = self._seconds(), max(0.0, self.limit.left)
        by_time = self.processes.agree(used / (used + left) if left else 1.0)
        return min(1.0, max(by_steps, by_time))

    @torch.no_grad()
    def candidate(self) -> CCSDNetwork:
        """What is validated and published: the averaged weights, with `parent_weight` of those that the run started
        from (averaging in weight space as WiSE-FT, arXiv 2109.01903)."""
        if self._start is None:
            return self.averaged
        mixed = copy.deepcopy(self.averaged)
        for value, start in zip(mixed.parameters(), self._start.parameters(), strict=True):
            value.lerp_(start, self.config.parent_weight)
        return mixed

    def state(self) -> dict[str, Any]:
        """Plain tensors and numbers, loadable with `weights_only=True`."""
        return {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generators": self.processes.gather(self.generator.get_state()),
            "done": self.done,
            "epoch": self.epoch,
            "seconds": self._seconds(),
            "pace": [self.limit.step, self.limit.validation] if self.limit else [],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Raises InputError for a state of another network or another number of processes."""
        if len(state["generators"]) != self.processes.count:
            raise InputError(
                f"the run to resume had {len(state['generators'])} processes, expected as many now, "
                f"found {self.processes.count}"
            )
        try:
            self.network.load_state_dict(state["network"])
            self.averaged.load_state_dict(state["averaged"])
            self.optimiser.load_state_dict(state["optimiser"])
        except (RuntimeError, ValueError):
            raise InputError("the run to resume is of another network, expected the one of this run") from None
        self.generator.set_state(state["generators"][self.processes.rank])
        self.done, self.epoch, self._seconds_before = state["done"], state["epoch"], state["seconds"]
        if self.limit and state.get("pace"):
            self.limit.step, self.limit.validation = state["pace"]

    def step(self, studies: Sequence[Sample]) -> dict[str, float]:
        """One optimiser step on crops of `studies`, which have the same modalities; the loss terms."""
        started = time.monotonic()
        config, progress = self.config, self.progress
        self._set_learning_rate(progress)
        volumes, regions = self._crops(studies, progress)
        annotated = torch.stack([case.annotated for case in studies]).to(self.device)
        has = self.mask(studies[0].present)
        mixed = torch.autocast(self.device.type, torch.bfloat16, enabled=self.computed_in == torch.bfloat16)
        self.network.train()
        with mixed:
            terms = self.objective(volumes, regions, annotated, has, progress, self._taught(volumes, has))
        values = dict(zip(terms, torch.stack(list(terms.values())).detach().tolist(), strict=True))
        if not math.isfinite(values["total"]):
            raise DivergedError(f"the loss became {values['total']}, training stopped and the earlier weights stay")
        self.optimiser.zero_grad(set_to_none=True)
        terms["total"].backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_NORM)
        self.optimiser.step()
        self.done += 1
        self._average(min(config.ema_decay, self.done / (self.done + 10)))
        if self.limit:
            self.limit.stepped(time.monotonic() - started)
        return values

    @torch.no_grad()
    def _taught(self, volumes: Tensor, present: Tensor) -> Tensor | None:
        """What the averaged weights make of the full set, where they are the teacher."""
        losses = self.config.losses
        if losses.teacher == "own" or not losses.lambda_h or int(present.sum()) < 2:
            return None
        logits: Tensor = self.averaged(volumes, present)
        return logits

    @property
    def learning_rate(self) -> float:
        return float(self.optimiser.param_groups[0]["lr"])

    def _patch(self, progress: float) -> int | tuple[int, ...]:
        config = self.config
        if progress >= 1 - config.brain_share:
            return config.brain_patch
        large = config.large_share and float(torch.rand((), generator=self.generator)) < config.large_share
        return config.large_patch if large else config.patch

    def _crops(self, studies: Sequence[Sample], progress: float) -> tuple[Tensor, Tensor]:
        """(B, N, p, q, r) volumes and (B, R, p, q, r) regions, on the device; the size is the same for the batch."""
        config = self.config
        patch = self._patch(progress)
        crops = [
            crop(
                case,
                patch=patch,
                tumour_share=config.tumour_share,
                augment=True,
                generator=self.generator,
                scanner_share=config.scanner_share,
            )
            for case in studies
        ]
        volumes = torch.stack([v for v, _ in crops]).to(self.device)
        regions = self.network.task.to_regions(torch.stack([y for _, y in crops]).to(self.device))
        return volumes, regions

    def mask(self, available: Tensor) -> Tensor:
        """Boolean (N,): what is available, or (in `mask_share` of the steps) a random proper subset of it."""
        share = self.config.mask_share
        if not share or float(torch.rand((), generator=self.generator)) >= share:
            return available
        kept = subsets.sample(subsets.from_present(available), self.generator)
        return subsets.to_present(kept, len(available))

    def _set_learning_rate(self, progress: float) -> None:
        config = self.config
        ramp = min(1.0, (self.done + 1) / config.warm_up) if config.warm_up else 1.0
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * ramp * (1 - progress) ** 0.9

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        for mean, value in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started
