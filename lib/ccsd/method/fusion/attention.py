"""Attention as the compositional layer (the paper's open question 2): each voxel's shared feature asks, the shared and
the specific feature of the same voxel answer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

HEAD_CHANNELS = 16


class AttentionFusion(nn.Module):
    """C(shared, specific) = shared + conv(sum over t of a_t * v_t), t in {shared, specific}.

    The weights a are a softmax over the two tokens of each voxel and head, from scaled dot products of a query made
    from the shared feature with a key of each token. Nothing here sees another modality, nor another voxel but in the
    last convolution, so the features of all subsets still come from one pass.

    Args:
        channels: C of both inputs and of the output, a multiple of HEAD_CHANNELS or less than it.
        kernel: edge in voxels of the last convolution.
    """

    def __init__(self, channels: int, *, kernel: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD_CHANNELS)
        self.query = nn.Conv3d(channels, channels, 1)
        self.key = nn.Conv3d(channels, channels, 1)
        self.value = nn.Conv3d(channels, channels, 1)
        self.kind = nn.Parameter(torch.zeros(2, channels, 1, 1, 1))  # tells the tokens apart: shared, specific
        self.out = nn.Conv3d(channels, channels, kernel, padding=kernel // 2)

    def forward(self, shared: Tensor, specific: Tensor) -> Tensor:
        """(B, C, D, H, W) twice -> (B, C, D, H, W)."""
        tokens = [shared + self.kind[0], specific + self.kind[1]]
        query = self._split(self.query(shared))  # (B, heads, C / heads, D, H, W)
        scores = torch.stack([(query * self._split(self.key(t))).sum(dim=2) for t in tokens])  # (2, B, heads, D, H, W)
        weights = torch.softmax(scores / query.shape[2] ** 0.5, dim=0)
        values = [self._split(self.value(t)) for t in tokens]
        mixed = sum(w.unsqueeze(2) * v for w, v in zip(weights, values, strict=True))  # (B, heads, C / heads, ...)
        return shared + self.out(mixed.flatten(1, 2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (self.heads, -1))
