"""How a study is cut for the network: whole, or in windows where the memory is too small for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import get_args

import psutil
import torch

from ccsd.common.devices import Precision, computed_in
from ccsd.common.errors import InputError
from ccsd.method.network import CCSDNetwork

WINDOW = 128  # voxels an edge: better than the whole study at once (docs/notebook.md), and it always fits
SPARE = 2.5  # bytes that the network takes for each byte of its features; 1.8 to 2.3 were measured


@dataclass(frozen=True)
class WindowConfig:
    """How a study is cut and computed.

    Attributes:
        edge: of the windows in voxels (None: the whole study in one).
        overlap: as a share of the edge.
        precision: of the network; "auto" is what the device is quickest in (`ccsd.common.devices`).

    Raises:
        InputError: an edge under 32 voxels, an overlap outside [0, 0.75], or an unknown precision.
    """

    edge: int | None = WINDOW
    overlap: float = 0.25
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise InputError(f"precision is {self.precision!r}, expected one of {', '.join(get_args(Precision))}")
        if self.edge is not None and not 32 <= self.edge <= 512:
            raise InputError(f"window is {self.edge} voxels, expected 32 to 512")
        if not 0 <= self.overlap <= 0.75:  # 64 times the work of none
            raise InputError(f"overlap is {self.overlap}, expected 0 to 0.75")


def fitting(window: WindowConfig, shape: Sequence[int], network: CCSDNetwork) -> WindowConfig:
    """`window`, or windows of `WINDOW` voxels if it is the whole study and the device has no memory for that.

    Args:
        shape: of the study in voxels (D, H, W).
        network: on the device to compute on.
    """
    device = next(network.parameters()).device
    if window.edge is not None or needed(shape, network, computed_in(window.precision, device)) <= free(device):
        return window
    return replace(window, edge=WINDOW)


def needed(shape: Sequence[int], network: CCSDNetwork, kind: torch.dtype) -> float:
    """Bytes that the network takes for a study of `shape` in one window: its features, and what is made on the way."""
    return SPARE * network.features_per_voxel * prod(shape) * kind.itemsize


def free(device: torch.device) -> int:
    """Bytes; on a GPU also those that PyTorch keeps and does not use."""
    if device.type != "cuda":
        return psutil.virtual_memory().available
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept
