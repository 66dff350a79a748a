"""Fused features of all scales -> region logits at full resolution."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ccsd.method.encoder import ConvBlock


class Decoder(nn.Module):
    """The one decoder that all subsets share.

    At each scale the N slots (B, N*C, ...) are mixed to the decoder's width by a 1x1x1 convolution, so that decoding
    costs the same for any N; then the usual U-Net way up. It runs once a subset where the encoders run once in all, so
    it is the narrower part. The mix is a sum over slots: a present modality's part is computed once for all subsets,
    and the absent slots, which all hold the same, are one slot with their summed weights.

    Args:
        slots: N.
        encoder_widths, widths: channels of each scale, from the finest down, of what comes in and of the decoder.
        regions: output channels.
        stem_stride: the encoders' first stride; a last transposed convolution undoes it.
    """

    def __init__(
        self, *, slots: int, encoder_widths: Sequence[int], widths: Sequence[int], regions: int, stem_stride: int
    ) -> None:
        super().__init__()
        self.mix = nn.ModuleList(
            [nn.Conv3d(slots * wide, width, 1) for wide, width in zip(encoder_widths, widths, strict=True)]
        )
        pairs = list(pairwise(widths))
        self.up = nn.ModuleList([nn.ConvTranspose3d(low, high, 2, stride=2) for high, low in pairs])
        self.blocks = nn.ModuleList([ConvBlock(2 * high, high) for high, _ in pairs])
        self.head = nn.ConvTranspose3d(widths[0], regions, stem_stride, stride=stem_stride)

    def mix_slots(self, features: Tensor, slots: Sequence[int], *, scale: int, share: float = 1.0) -> Tensor:
        """What slots that all hold `share` times `features` add to the mix: (B, C_s, ...) -> (B, widths[s], ...)."""
        weight = self._mix(scale).weight.split(features.shape[1], dim=1)  # N of (widths[s], C_s, 1, 1, 1)
        return functional.conv3d(features, share * reduce(torch.add, [weight[m] for m in slots]))

    def forward(self, parts: Sequence[Sequence[Tensor]]) -> Tensor:
        """The parts of the mix, (B, widths[s], D_s, H_s, W_s) each, for each scale s -> logits (B, R, D, H, W)."""
        x = self._mixed(parts, scale=len(self.up))
        for scale in reversed(range(len(self.up))):
            skip = self._mixed(parts, scale=scale)
            x = torch.cat([self.up[scale](x), skip], dim=1)  # (B, 2*widths[s], D_s, H_s, W_s)
            x = self.blocks[scale](x)  # (B, widths[s], D_s, H_s, W_s)
        logits: Tensor = self.head(x)  # (B, R, D, H, W)
        return logits

    def _mixed(self, parts: Sequence[Sequence[Tensor]], *, scale: int) -> Tensor:
        bias = self._mix(scale).bias
        assert bias is not None
        return reduce(torch.add, parts[scale]) + bias[:, None, None, None]

    def _mix(self, scale: int) -> nn.Conv3d:
        layer = self.mix[scale]
        assert isinstance(layer, nn.Conv3d)
        return layer
