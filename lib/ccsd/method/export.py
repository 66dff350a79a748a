"""The network in the forms that other programs take: a MONAI bundle by names, an ONNX runtime by one fixed graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ccsd.method import subsets
from ccsd.method.network import CCSDNetwork


class NamedNetwork(nn.Module):
    """The network for inputs that hold some of its modalities, named instead of positional.

    Args:
        network: its `task` has the names.
        modalities: of the input's channels, in their order.

    Raises:
        ValueError: a name that the task does not have, a name twice, or none.
    """

    def __init__(self, network: CCSDNetwork, modalities: Sequence[str]) -> None:
        super().__init__()
        known = network.task.modalities
        if not modalities or len(set(modalities)) != len(modalities) or not set(modalities) <= set(known):
            raise ValueError(f"modalities are {list(modalities)}, expected some of {', '.join(known)}, each once")
        self.network = network
        self.slots = [known.index(name) for name in modalities]

    def forward(self, volumes: Tensor) -> Tensor:
        """(B, len(modalities), D, H, W), z-scored -> logits (B, R, D, H, W); the others are never encoded."""
        whole = volumes.new_zeros((volumes.shape[0], self.network.n, *volumes.shape[2:]))
        whole[:, self.slots] = volumes
        present = torch.zeros(self.network.n, dtype=torch.bool)
        present[self.slots] = True
        logits: Tensor = self.network(whole, present)
        return logits


class AnySubset(nn.Module):
    """One graph for all subsets, without branches: every modality is encoded, `present` says what counts.

    The result is that of the network, up to rounding; the price is that absent modalities (zeros) cost time too.
    """

    def __init__(self, network: CCSDNetwork) -> None:
        super().__init__()
        self.network = network.eval()

    def forward(self, volumes: Tensor, present: Tensor) -> Tensor:
        """(1, N, D, H, W), z-scored, zero where absent; (N,) of 0.0 and 1.0 -> logits (1, R, D, H, W)."""
        network = self.network
        features = network.encode_subset(volumes, subsets.full(network.n))
        parts = []
        for scale, (shared, fused) in enumerate(zip(features.shared, features.fused, strict=True)):
            mean = torch.stack([present[m] * shared[m] for m in shared]).sum(dim=0) / present.sum()
            slots = {m: present[m] * fused[m] + (1 - present[m]) * mean for m in fused}
            parts.append([network.decoder.mix_slots(slots[m], [m], scale=scale) for m in slots])
        logits: Tensor = network.decoder(parts)
        return logits
