"""Floating-point operations, counted without computing: the budget of a training on a machine that is not at hand."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from ccsd.experiments.benchmarks.method import PLAIN
from ccsd.method.losses import objective
from ccsd.method.network import CCSDNetwork, NetworkConfig
from ccsd.method.task import BRATS, Task


def count(config: NetworkConfig, edge: int, *, task: Task = BRATS) -> tuple[float, float]:
    """GFLOP (a multiplication and an addition are two) of a forward with all modalities and of a training step without
    distillation, both for one crop of `edge` voxels."""
    with torch.device("meta"):
        network = CCSDNetwork(task, config)
        volumes = torch.zeros(1, network.n, edge, edge, edge)
        regions = torch.zeros(1, len(task.regions), edge, edge, edge)
    present = torch.ones(network.n, dtype=torch.bool)
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        network.eval()(volumes, present)
    with FlopCounterMode(display=False) as step:
        generator = torch.Generator().manual_seed(0)
        terms = objective(network.train(), volumes, regions, present, PLAIN, progress=1.0, generator=generator)
        terms["total"].backward()
    return forward.get_total_flops() / 1e9, step.get_total_flops() / 1e9
