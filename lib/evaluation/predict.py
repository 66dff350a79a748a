"""A prepared study -> region probabilities of any subsets, from one encoder pass a window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from monai.inferers import sliding_window_inference
from torch import Tensor

from lib.ccsd.network import CCSDNetwork
from lib.errors import InputError
from lib.stopping import stop_here

MAX_SINGLE_WINDOW = 224  # voxels an edge; a brain at 1 mm is smaller, anything larger is cut into windows


@dataclass(frozen=True)
class WindowConfig:
    """How a study is cut: `edge` in voxels (None: the whole study in one window), `overlap` as a share of the edge.

    Instance norm takes its statistics over the window, so a window much larger than the training crops costs Dice.

    Raises:
        InputError: an edge under 32 voxels, or an overlap outside [0, 0.9].
    """

    edge: int | None = 128
    overlap: float = 0.25

    def __post_init__(self) -> None:
        if self.edge is not None and not 32 <= self.edge <= 512:
            raise InputError(f"window is {self.edge} voxels, expected 32 to 512")
        if not 0 <= self.overlap <= 0.9:
            raise InputError(f"overlap is {self.overlap}, expected 0 to 0.9")


@torch.no_grad()
def predict(
    network: CCSDNetwork, volumes: Tensor, present: Tensor, chosen: Sequence[int], window: WindowConfig
) -> dict[int, Tensor]:
    """Region probabilities (R, d, h, w) on the CPU for each chosen subset of the present modalities.

    Args:
        network: in evaluation mode, on the device to compute on.
        volumes: (N, d, h, w) as `lib.preprocessing.prepare` makes it; present: boolean (N,).
    """
    device = next(network.parameters()).device

    def all_subsets(batch: Tensor) -> Tensor:
        stop_here()
        features = network.encode(batch, present)
        return torch.cat([torch.sigmoid(x) for x in network.decode(features, chosen)], dim=1)  # (1, S*R, ...)

    roi = _roi(volumes.shape[1:], window, network.divisor)
    stacked = sliding_window_inference(
        volumes[None],
        roi,
        sw_batch_size=1,
        predictor=all_subsets,
        overlap=window.overlap,
        mode="gaussian",
        sw_device=device,
        device="cpu",
    )
    if not isinstance(stacked, Tensor):
        raise TypeError(f"sliding_window_inference gave {type(stacked).__name__}, expected one tensor")
    regions = len(network.task.regions)
    return dict(zip(chosen, stacked[0].split(regions), strict=True))


def _roi(shape: Sequence[int], window: WindowConfig, divisor: int) -> list[int]:
    """The window's edges: the whole study if it is small enough, multiples of the network's divisor."""
    limit = window.edge or MAX_SINGLE_WINDOW
    return [divisor * math.ceil(min(edge, limit) / divisor) for edge in shape]
