"""A prepared study -> region probabilities of any subsets, from one encoder pass a window."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ccsd.common.devices import computed_in
from ccsd.common.stopping import check_cancelled
from ccsd.inference.feature_cache import FeatureCache, digest, joined, keep, without_specific
from ccsd.inference.windows import WindowConfig, fitting
from ccsd.method.network import CCSDNetwork, Features


@torch.no_grad()
def predict(
    network: CCSDNetwork,
    volumes: Tensor,
    present: Tensor,
    chosen: Sequence[int],
    window: WindowConfig,
    *,
    memory: FeatureCache | None = None,
    version: str = "",
) -> dict[int, Tensor]:
    """Region probabilities (R, d, h, w) on the CPU for each chosen subset of the present modalities.

    Args:
        network: in evaluation mode, on the device to compute on.
        volumes: (N, d, h, w) as `ccsd.preprocessing.prepare` makes it; present: boolean (N,).
        memory: of features: modalities that it has are not encoded again. It is used where the study is one window.
        version: of the network's weights, for `memory`.
    """
    from monai.inferers import sliding_window_inference  # seconds that commands which predict nothing should not wait

    device = next(network.parameters()).device
    kind = computed_in(window.precision, device)
    window = fitting(window, volumes.shape[1:], network)
    roi = _roi(volumes.shape[1:], window, network.divisor)
    own = [m for m in range(network.n) if present[m]]
    single = all(edge <= limit for edge, limit in zip(volumes.shape[1:], roi, strict=True))
    keys = (
        {m: (version, m, str(device), kind, digest(volumes[m])) for m in own} if memory is not None and single else {}
    )

    def encoded(batch: Tensor) -> Features:
        if memory is None or not keys:
            return network.encode(batch, present)
        parts = []
        for m, key in keys.items():
            part = memory.get(key)
            if part is None:
                part = without_specific(network.encode_subset(batch, 1 << m))
                keep(memory, key, part)
            parts.append(part)
        return joined(parts)

    def all_subsets(batch: Tensor) -> Tensor:
        check_cancelled()
        with torch.autocast(device.type, kind, enabled=kind != torch.float32):
            logits = network.decode(encoded(batch), chosen)
        return torch.cat([torch.sigmoid(x.float()) for x in logits], dim=1)  # (1, S*R, ...)

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
    """The window's edges, no larger than the study, in multiples of the network's divisor."""
    return [divisor * math.ceil(min(edge, window.edge or edge) / divisor) for edge in shape]
