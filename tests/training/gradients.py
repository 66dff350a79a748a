"""Run by test_scripts.py, alone or by torchrun: gradients of one training step on two studies, written to argv[1]."""

from __future__ import annotations

import sys

import torch

from ccsd.method.losses import LossConfig
from ccsd.method.network import PRESETS, CCSDNetwork
from ccsd.method.task import BRATS
from ccsd.training.processes import join_processes
from ccsd.training.run import Objective

CPU = torch.device("cpu")


def main() -> None:
    processes = join_processes(CPU)
    torch.manual_seed(0)
    network = CCSDNetwork(BRATS, PRESETS["tiny"]).double().train()
    data = torch.Generator().manual_seed(1)
    volumes = torch.randn(2, 4, 16, 16, 16, generator=data, dtype=torch.float64)
    regions = (torch.rand(2, 3, 16, 16, 16, generator=data) > 0.6).double()
    if processes.count == 2:
        own = slice(processes.rank, processes.rank + 1)
        volumes, regions = volumes[own], regions[own]
    objective = processes.wrap(Objective(network, LossConfig(), torch.Generator().manual_seed(2)))
    annotated = torch.ones(regions.shape[:2]).bool()
    objective(volumes, regions, annotated, torch.tensor([True, True, False, True]), 1.0)["total"].backward()
    if processes.rank == 0:
        torch.save({k: p.grad for k, p in network.named_parameters() if p.grad is not None}, sys.argv[1])
    del objective
    processes.leave()


if __name__ == "__main__":
    main()
