"""The processes that train together: one, or those that torchrun started (DistributedDataParallel)."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Processes:
    """This process's `rank` among `count`."""

    rank: int = 0
    count: int = 1

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module with gradients averaged over the processes. Processes may have drawn studies with different
        modalities, so parameters without a gradient in one of them are expected."""
        if self.count == 1:
            return module
        return DistributedDataParallel(module, find_unused_parameters=True)

    def agree(self, value: float) -> float:
        """The first process's `value`, in all of them: clocks differ, and all must stop at the same step."""
        if self.count == 1:
            return value
        shared = [value]
        dist.broadcast_object_list(shared)
        return shared[0]

    def gather(self, value: Tensor) -> list[Tensor]:
        """Every process's `value`, by rank."""
        if self.count == 1:
            return [value]
        gathered: list[Tensor | None] = [None] * self.count
        dist.all_gather_object(gathered, value)
        return [g for g in gathered if g is not None]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            dist.barrier()

    def leave(self) -> None:
        """End the group, once nothing refers to what `wrap` returned: were that the group's last owner, its end would
        hold Python's lock while it waits for gloo's thread, and that thread may wait for the lock."""
        if self.count > 1:
            gc.collect()
            dist.destroy_process_group()


SINGLE = Processes()


def join_processes(device: torch.device) -> Processes:
    """The group that torchrun started this process in (gloo on CPU, NCCL on CUDA), or the one process that it is."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return SINGLE
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Processes(dist.get_rank(), count)
