"""Time and memory of CCSD's own parts: training step, lattice, present modalities, number of modalities."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ccsd.method import subsets
from ccsd.method.losses import LossConfig, objective
from ccsd.method.network import PRESETS, CCSDNetwork, Features, NetworkConfig
from ccsd.method.task import BRATS, Task

PLAIN = LossConfig(lambda_h=0, lambda_d=0)
FEATURES = LossConfig()
LOGITS = LossConfig(distil="logits")


@dataclass(frozen=True)
class Setting:
    """What is measured: a network on crops of `edge` voxels; the median of `repeats` after one unmeasured."""

    config: NetworkConfig
    edge: int
    device: torch.device
    repeats: int = 3


def seconds(runs: Sequence[Callable[[], object]], setting: Setting) -> list[float]:
    """Median seconds of each of `runs`, taken in turn so that the machine's moods touch all; waits for the device."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(setting.repeats + 1):
        for run, of_run in zip(runs, times, strict=True):
            started = time.perf_counter()
            run()
            if setting.device.type == "cuda":
                torch.cuda.synchronize(setting.device)
            of_run.append(time.perf_counter() - started)
    return [statistics.median(of_run[1:]) for of_run in times]


def training_steps(setting: Setting, variants: Sequence[LossConfig], *, task: Task = BRATS) -> list[float]:
    """Seconds of forward, backward and update for one crop with all modalities, with each of the losses."""
    network = _network(setting, task).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)
    volumes = _volumes(setting, network.n)
    regions = (torch.rand(1, len(task.regions), *volumes.shape[2:], device=setting.device) > 0.8).float()
    present = torch.ones(network.n, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)

    def step(losses: LossConfig) -> None:
        terms = objective(network, volumes, regions, present, losses, progress=1.0, generator=generator)
        optimiser.zero_grad(set_to_none=True)
        terms["total"].backward()
        optimiser.step()

    return seconds([partial(step, losses) for losses in variants], setting)


@torch.no_grad()
def lattice_against_naive(setting: Setting) -> list[float]:
    """Seconds of the logits of all subsets: from one pass of the encoders, and from a forward each."""
    network = _network(setting, BRATS).eval()
    volumes, every = _volumes(setting, network.n), subsets.lattice(subsets.full(network.n))
    masks = [subsets.to_present(s, network.n) for s in every]
    whole = masks[0]

    def once() -> None:
        for _ in network.lattice(network.encode(volumes, whole)):
            pass

    def naive() -> None:
        for mask in masks:
            network(volumes, mask)

    return seconds([once, naive], setting)


@torch.no_grad()
def forwards(setting: Setting) -> list[tuple[float, float]]:
    """Seconds of a forward with 1 to N modalities present, and of its encoders alone."""
    network = _network(setting, BRATS).eval()
    volumes = _volumes(setting, network.n)
    masks = [torch.arange(network.n) < k for k in range(1, network.n + 1)]
    runs = [partial(run, volumes, mask) for mask in masks for run in (network, network.encode)]
    times = seconds(runs, setting)
    return list(zip(times[::2], times[1::2], strict=True))


def forward_of_small(edge: int) -> Callable[[], None]:
    """One forward of the preset `small` on the CPU with four modalities, random weights and voxels."""
    setting = Setting(PRESETS["small"], edge, torch.device("cpu"))
    network, volumes = _network(setting, BRATS).eval(), _volumes(setting, len(BRATS.modalities))
    present = torch.ones(network.n, dtype=torch.bool)

    @torch.no_grad()
    def run() -> None:
        network(volumes, present)

    return run


@torch.no_grad()
def lattice_memory(setting: Setting) -> dict[str, float]:
    """MiB held while the whole lattice is decoded: all features, beside one subset's fused features at all scales."""
    network = _network(setting, BRATS).eval()
    features = network.encode(_volumes(setting, network.n), torch.ones(network.n, dtype=torch.bool))
    one = [network.fuse(features, 1, scale=s) for s in range(len(setting.config.widths))]
    return {"features": _mebibytes(_tensors(features)), "one subset": _mebibytes(one)}


def step_of_n(setting: Setting, n: int, *, per_level: int) -> float:
    """Seconds of a training step with n modalities; `per_level` 0 takes the full lattice."""
    task = replace_modalities(n)
    return training_steps(setting, [replace(FEATURES, per_level=per_level)], task=task)[0]


def replace_modalities(n: int) -> Task:
    """BraTS's regions from n modalities without meaning."""
    values: dict[str, Any] = BRATS.as_dict()
    return Task.from_dict({**values, "modalities": [f"m{i}" for i in range(n)], "cautions": []})


def _network(setting: Setting, task: Task) -> CCSDNetwork:
    torch.manual_seed(0)
    return CCSDNetwork(task, setting.config).to_device(setting.device)


def _volumes(setting: Setting, n: int) -> Tensor:
    return torch.randn(1, n, setting.edge, setting.edge, setting.edge, device=setting.device)


def _tensors(features: Features) -> list[Tensor]:
    kinds = (features.shared, features.specific, features.fused)
    return [tensor for kind in kinds for level in kind for tensor in level.values()]


def _mebibytes(tensors: list[Tensor]) -> float:
    return sum(t.numel() * t.element_size() for t in tensors) / 2**20
