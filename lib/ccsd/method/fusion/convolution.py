"""Convolution as the compositional layer: a modality's shared and specific features become its slot of Z."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvFusion(nn.Module):
    """C(shared, specific) = shared + conv([shared ; specific]), ShaSpec's residual fusion.

    Args:
        channels: C of both inputs and of the output.
        kernel: edge of the convolution in voxels; ShaSpec's 3 at the bottleneck, 1 where a skip connection is fused.
    """

    def __init__(self, channels: int, *, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2 * channels, channels, kernel, padding=kernel // 2)

    def forward(self, shared: Tensor, specific: Tensor) -> Tensor:
        """(B, C, D, H, W) twice -> (B, C, D, H, W)."""
        return shared + self.conv(torch.cat([shared, specific], dim=1))
