"""The compositional layer C(shared, specific): one file a variant, all with the same interface."""

from __future__ import annotations

from torch import nn

from ccsd.method.fusion.attention import AttentionFusion
from ccsd.method.fusion.convolution import ConvFusion

FUSIONS: dict[str, type[ConvFusion | AttentionFusion]] = {"convolution": ConvFusion, "attention": AttentionFusion}


def make_fusion(kind: str, channels: int, *, kernel: int) -> nn.Module:
    """A layer (shared, specific), each (B, C, D, H, W) -> (B, C, D, H, W).

    Raises:
        ValueError: `kind` is not one of FUSIONS.
    """
    if kind not in FUSIONS:
        raise ValueError(f"network: fusion must be one of {', '.join(FUSIONS)}, found {kind!r}")
    return FUSIONS[kind](channels, kernel=kernel)
