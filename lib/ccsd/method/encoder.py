"""One modality's volume -> its feature pyramid. Axes: B batch, C channels, D H W voxels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class InstanceNorm(nn.GroupNorm):
    """Instance norm with scale and shift: (B, C, D, H, W) -> the same, computed in the precision of its
    parameters and returned as it came.

    It is GroupNorm with a group per channel. One study on the CPU goes through batch norm's kernel, which is the same
    function there, takes mixed precision and channels-last as they are, and is much quicker in training.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] == 1 and x.device.type == "cpu" and not torch.onnx.is_in_onnx_export():
            return torch.batch_norm(x, self.weight, self.bias, None, None, True, 0.0, self.eps, False)
        return super().forward(x.to(self.weight.dtype)).to(x.dtype)


class ConvBlock(nn.Sequential):
    """3x3x3 convolution, instance norm, leaky ReLU: (B, in, D, H, W) -> (B, out, D/stride, H/stride, W/stride).

    It is never batch norm: batch statistics would leak between modalities folded into one batch.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__(
            nn.Conv3d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
            InstanceNorm(out_channels),
            nn.LeakyReLU(0.01, inplace=True),
        )


class Encoder(nn.Module):
    """A plain U-shape encoder (the form of nnU-Net's): one stage a width, each stage after the first halves the grid.

    Args:
        widths: channels of each stage, from the finest down.
        blocks: convolution blocks in each stage.
        stem_stride: stride of the very first convolution.
    """

    def __init__(self, *, widths: Sequence[int], blocks: Sequence[int], stem_stride: int) -> None:
        super().__init__()
        stages = []
        in_channels = 1
        for scale, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            first = ConvBlock(in_channels, width, stride=stem_stride if scale == 0 else 2)
            stages.append(nn.Sequential(first, *[ConvBlock(width, width) for _ in range(count - 1)]))
            in_channels = width
        self.stages = nn.ModuleList(stages)

    def forward(self, volume: Tensor) -> list[Tensor]:
        """(B, 1, D, H, W) -> features [(B, widths[s], D_s, H_s, W_s)], where D_s = D / (stem_stride * 2^s)."""
        pyramid = []
        x = volume
        for stage in self.stages:
            x = stage(x)
            pyramid.append(x)
        return pyramid
