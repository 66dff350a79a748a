"""Time and memory of CCSD's own parts: training step, lattice, present modalities, number of modalities."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lib.ccsd import subsets
from lib.ccsd.losses import LossConfig, objective
from lib.ccsd.network import CCSDNetwork, Features, NetworkConfig
from lib.ccsd.task import BRATS, Task

PLAIN = LossConfig(lambda_h=0, lambda_d=0)
FEATURES = LossConfig()
LOGITS = LossConfig(distil="logits")


@dataclass(frozen=True)
class Setting:
    """What is measured: a network on crops of `edge` voxels; the median of `repeats` after one unmeasured run."""

    config: NetworkConfig
    edge: int
    device: torch.device
    repeats: int = 3


def seconds(run: Callable[[], object], setting: Setting) -> float:
    """Median seconds of `run`, waiting for the device."""
    times = []
    for _ in range(setting.repeats + 1):
        started = time.perf_counter()
        run()
        if setting.device.type == "cuda":
            torch.cuda.synchronize(setting.device)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def training_step(setting: Setting, losses: LossConfig, *, task: Task = BRATS) -> float:
    """Seconds of forward, backward and update for one crop with all modalities."""
    network = _network(setting, task).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)
    volumes = _volumes(setting, network.n)
    regions = (torch.rand(1, len(task.regions), *volumes.shape[2:], device=setting.device) > 0.8).float()
    present = torch.ones(network.n, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        terms = objective(network, volumes, regions, present, losses, progress=1.0, generator=generator)
        optimiser.zero_grad(set_to_none=True)
        terms["total"].backward()
        optimiser.step()

    return seconds(step, setting)


@torch.no_grad()
def lattice_against_naive(setting: Setting) -> tuple[float, float]:
    """Seconds of the logits of all subsets: from one pass of the encoders, and from a forward each."""
    network = _network(setting, BRATS).eval()
    volumes, every = _volumes(setting, network.n), subsets.lattice(subsets.full(network.n))
    masks = [torch.tensor([bool(s >> m & 1) for m in range(network.n)]) for s in every]
    whole = masks[0]

    def once() -> None:
        for _ in network.lattice(network.encode(volumes, whole)):
            pass

    def naive() -> None:
        for mask in masks:
            network(volumes, mask)

    return seconds(once, setting), seconds(naive, setting)


@torch.no_grad()
def forward_of(setting: Setting, k: int) -> tuple[float, float]:
    """Seconds of a forward with k modalities present, and of its encoders alone."""
    network = _network(setting, BRATS).eval()
    volumes = _volumes(setting, network.n)
    present = torch.arange(network.n) < k
    return (
        seconds(lambda: network(volumes, present), setting),
        seconds(lambda: network.encode(volumes, present), setting),
    )


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
    return training_step(setting, replace(FEATURES, per_level=per_level), task=task)


def replace_modalities(n: int) -> Task:
    """BraTS's regions from n modalities without meaning."""
    values: dict[str, Any] = BRATS.as_dict()
    return Task.from_dict({**values, "modalities": [f"m{i}" for i in range(n)], "cautions": []})


def _network(setting: Setting, task: Task) -> CCSDNetwork:
    torch.manual_seed(0)
    return CCSDNetwork(task, setting.config).place(setting.device)


def _volumes(setting: Setting, n: int) -> Tensor:
    return torch.randn(1, n, setting.edge, setting.edge, setting.edge, device=setting.device)


def _tensors(features: Features) -> list[Tensor]:
    kinds = (features.shared, features.specific, features.fused)
    return [tensor for kind in kinds for level in kind for tensor in level.values()]


def _mebibytes(tensors: list[Tensor]) -> float:
    return sum(t.numel() * t.element_size() for t in tensors) / 2**20
