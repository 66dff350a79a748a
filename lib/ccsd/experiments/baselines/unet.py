"""The plain way to bear missing modalities: one U-Net on stacked volumes, absent ones filled with zeros, trained with
modalities dropped at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from monai.networks.nets import DynUNet
from torch import Tensor, nn

from ccsd.method import subsets
from ccsd.method.network import NetworkConfig
from ccsd.method.task import Task

SCALES = 4
STRIDE = 2  # the resolution of CCSD's first scale


@dataclass
class Seen:
    """What there is to "decode": the volumes as they are, and the subset that is available."""

    available: int
    volumes: Tensor


class PlainUNet(nn.Module):
    """MONAI's DynUNet (nnU-Net's network) with the calls that training and evaluation use of `CCSDNetwork`.

    Its first filters are 1.25 times CCSD's and double with every scale: then it has as many parameters as a CCSD whose
    decoder is as wide as its encoders.
    """

    def __init__(self, task: Task, config: NetworkConfig) -> None:
        super().__init__()
        self.task = task
        self.n = len(task.modalities)
        self.filters = [config.widths[0] * 5 // 4 * 2**scale for scale in range(SCALES)]
        self.unet = DynUNet(
            spatial_dims=3,
            in_channels=self.n,
            out_channels=len(task.regions),
            kernel_size=[3] * SCALES,
            strides=[STRIDE] + [2] * (SCALES - 1),
            upsample_kernel_size=[2] * (SCALES - 1),
            filters=self.filters,
        )

    @property
    def divisor(self) -> int:
        """Every edge of an input must be a multiple of this many voxels."""
        return int(STRIDE * 2 ** (SCALES - 1))

    @property
    def features_per_voxel(self) -> float:
        """As `CCSDNetwork.features_per_voxel`."""
        return sum(width / (STRIDE * 2**scale) ** 3 for scale, width in enumerate(self.filters))

    def to_device(self, device: torch.device) -> PlainUNet:
        return self.to(device)

    def encode(self, volumes: Tensor, present: Tensor) -> Seen:
        """(B, N, D, H, W), z-scored; (N,) bool."""
        return Seen(subsets.from_present(present), volumes)

    def decode(self, features: Seen, chosen: Sequence[int]) -> list[Tensor]:
        """Logits (B, R, D, H, W) of each chosen subset: a whole pass each, as nothing is shared between subsets."""
        return [self._logits(features.volumes, subset) for subset in chosen]

    def _logits(self, volumes: Tensor, subset: int) -> Tensor:
        shown = subsets.to_present(subset, self.n).to(volumes.device)
        half = self.unet(torch.where(shown[:, None, None, None], volumes, torch.zeros((), device=volumes.device)))
        return F.interpolate(half, scale_factor=STRIDE, mode="trilinear", align_corners=False)
