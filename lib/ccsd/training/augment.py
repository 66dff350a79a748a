"""What another scanner would have made of a crop: gain, gamma, noise, bias field and resolution, for each modality.

The effects and their ranges are nnU-Net's (Isensee et al. 2021, supplement 4); thick slices and a bias field are added.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_GAIN = 0.15
MAX_SHIFT = 0.15  # in units of the z-scored intensities
GAMMA = (0.7, 1.5)
MAX_NOISE = 0.25  # standard deviation, in the same units
MAX_FIELD = 0.4  # largest offset of the bias field, in the same units
MAX_COARSER = 2.0  # times a voxel's edge, along all axes
MAX_THICKER = 5.0  # along one axis


def uniform(low: float, high: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def intensities(volumes: Tensor, generator: torch.Generator, *, share: float) -> Tensor:
    """Change the intensities of (N, D, H, W) z-scored volumes, each modality by itself; zero (no brain) stays zero.

    Args:
        share: how often a modality gets each of the effects beyond gain and shift.
    """
    n = volumes.shape[0]
    gain = uniform(1 - MAX_GAIN, 1 + MAX_GAIN, (n, 1, 1, 1), generator).to(volumes.device)
    shift = uniform(-MAX_SHIFT, MAX_SHIFT, (n, 1, 1, 1), generator).to(volumes.device)
    changed = volumes * gain + shift
    if share:
        changed = torch.stack([_rescanned(v, generator, share) for v in changed])
    return torch.where(volumes != 0, changed, volumes)


def _rescanned(volume: Tensor, generator: torch.Generator, share: float) -> Tensor:
    """One modality (D, H, W) with some of the effects, in the order in which a scanner makes them."""

    def happens() -> bool:
        return float(torch.rand((), generator=generator)) < share

    if happens():
        volume = _gamma(volume, generator)
    if happens():
        field = (torch.rand((1, 1, 3, 3, 3), generator=generator) * 2 - 1).to(volume.device)
        volume = (
            volume + MAX_FIELD * F.interpolate(field, size=volume.shape, mode="trilinear", align_corners=True)[0, 0]
        )
    if happens():
        volume = _resampled(volume, generator)
    if happens():
        deviation = float(uniform(0, MAX_NOISE, (), generator))
        volume = volume + deviation * torch.randn(volume.shape, generator=generator).to(volume.device)
    return volume


def _gamma(volume: Tensor, generator: torch.Generator) -> Tensor:
    """x -> x^gamma over the range of the crop, half of the time on the inverted image, keeping mean and deviation."""
    power = float(uniform(*GAMMA, (), generator))
    sign = 1.0 if float(torch.rand((), generator=generator)) < 0.5 else -1.0
    signed = sign * volume
    low, high = signed.min(), signed.max()
    curved = ((signed - low) / (high - low).clamp_min(1e-6)) ** power
    deviation = curved.std().clamp_min(1e-6)
    return sign * ((curved - curved.mean()) / deviation * volume.std() + signed.mean())


def _resampled(volume: Tensor, generator: torch.Generator) -> Tensor:
    """Scanned with coarser voxels, or half of the time with thick slices, and interpolated back."""
    if float(torch.rand((), generator=generator)) < 0.5:
        factors = [float(uniform(1, MAX_COARSER, (), generator))] * 3
    else:
        factors = [1.0, 1.0, 1.0]
        factors[int(torch.randint(3, (), generator=generator))] = float(uniform(1, MAX_THICKER, (), generator))
    size = [max(2, round(edge / factor)) for edge, factor in zip(volume.shape, factors, strict=True)]
    coarse = F.interpolate(volume[None, None], size=size, mode="area")
    return F.interpolate(coarse, size=volume.shape, mode="trilinear", align_corners=False)[0, 0]
