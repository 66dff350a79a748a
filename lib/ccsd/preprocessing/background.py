"""What lies around a brain or head, found by what it is and set to exactly zero, the one background that later steps
know.

Files differ in it: a z-scored image has its old zero at some negative value, others -1024, and splines leave ripples.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ccsd.imaging.volumes import Volume
from ccsd.preprocessing.brain import BRAIN_ML, is_stripped

INSIDE = float(np.finfo(np.float32).tiny)  # an exact zero inside the brain would be read as background
SOLID = 0.8  # share of a background's voxels whose neighbour has the same value; noise has far fewer
MIN_SHARE = 0.002  # of the looked-at planes that a background fills
RIPPLE = 0.01  # of the 99th percentile; splines leave less than this two voxels from the brain
RIPPLED = 0.015  # of the voxels that differ from the background; around stripped scans it is below 0.005
GAP = 0.2  # of all brightness, between a background and the least of the rest
BOTH = 0.2  # as many voxels below the background as above it: it lies within the scale; ripples are fewer
SIGNED = 0.05  # share of voxels below zero from which on they are a scale, not ripples
NEAR = 0.3  # of the brain's range of brightness; a background no further below it is the bottom of the scale
COARSE = (slice(None, None, 2),) * 3  # voxels that tell enough
BINS, FLOOR = 256, 0.3  # of brightness; share of the border in one of them


def with_zero_background(volume: Volume) -> Volume:
    """The same image, zero in the background and nowhere else; the volume itself where it is so already."""
    known = constants(volume.data)
    if known == [0.0] and volume.data.min() == 0 and not _may_be_rippled(volume.data, 0.0):
        return volume
    background = np.isin(volume.data, np.array(known, dtype=np.float32))
    for value in _centres(volume.data, known):
        tissue = _rippled_tissue(volume, background, value, even=value in known)
        if tissue is not None:
            return _zeroed(volume, ~tissue, value)
    if known in ([], [0.0]) and volume.data.min() >= 0:
        return volume
    return _zeroed(volume, background, min(known, default=0.0))


def constants(data: NDArray[np.float32]) -> list[float]:
    """The values of large even areas at the border or at the bottom of the scale: none where the air is noisy."""
    planes = list(_planes(data))
    values, counts = np.unique(_border(planes), return_counts=True)
    candidates = {float(values[counts.argmax()]) + 0.0, float(data.min()) + 0.0}  # no -0
    return sorted(value for value in candidates if _is_solid(planes, value))


def _planes(data: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The six faces, then the three planes through the middle."""
    for place in (0, -1, None):
        for axis, edge in enumerate(data.shape):
            yield np.moveaxis(data, axis, 0)[edge // 2 if place is None else place]  # a view: np.take copies the whole


def _border(planes: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate([plane[::2, ::2].ravel() for plane in planes[:6]])


def _is_solid(planes: list[NDArray[np.float32]], value: float) -> bool:
    same = [plane == np.float32(value) for plane in planes]
    found = sum(int(s.sum()) for s in same)
    beside = sum(int(s[1:].sum()) for s in same)
    together = sum(int((s[1:] & s[:-1]).sum()) for s in same)
    return found > MIN_SHARE * sum(s.size for s in same) and together > SOLID * beside


def _centres(data: NDArray[np.float32], known: list[float]) -> list[float]:
    """The values that ripples may be around: also zero, where what is known lies far below all else."""
    if not known:
        return _floor(data)
    above = data[COARSE][data[COARSE] > known[-1]]
    low, high = np.percentile(above, (0, 99.5)) if above.size else (0.0, 0.0)
    far = known[-1] < 0 and low - known[-1] > GAP * (high - known[-1])
    return [*known, 0.0] if far else known


def _floor(data: NDArray[np.float32]) -> list[float]:
    """The value around which much of the border lies, if there is one and little lies below it."""
    border = _border(list(_planes(data)))
    low, high = np.percentile(data[COARSE], (0, 99.5))
    counts, edges = np.histogram(border, BINS, range=(low, high))
    first = int(counts.argmax())
    value = float(np.median(border[(border >= edges[first]) & (border <= edges[first + 1])]))
    is_floor = counts[first] > FLOOR * border.size and (data[COARSE] < value - RIPPLE * (high - low)).mean() < SIGNED
    return [value] if is_floor else []


def _may_be_rippled(data: NDArray[np.float32], value: float) -> bool:
    """Whether much of the image is nearly the background's value without being it."""
    apart = np.abs(data[COARSE] - np.float32(value))
    different = apart[apart != 0]
    return bool(different.size and (different <= _ripple(apart)).mean() > RIPPLED)


def _ripple(apart: NDArray[np.float32]) -> float:
    high = apart[apart > RIPPLE * apart.max()]
    return RIPPLE * float(np.percentile(high, 99)) if high.size else 0.0


def _rippled_tissue(
    volume: Volume, background: NDArray[np.bool_], value: float, *, even: bool
) -> NDArray[np.bool_] | None:
    """The brain of a stripped image with what splines leave around it; None: it is not so. A head with its noisy air
    is none.

    Args:
        even: whether areas of this value are known; only then may it lie within the scale.
    """
    apart = np.where(background, 0, volume.data - np.float32(value))
    if not _may_be_rippled(apart, 0.0):
        return None
    ripple = _ripple(np.abs(apart[COARSE]))
    if (apart[COARSE] < -ripple).sum() > BOTH * (apart[COARSE] > ripple).sum():
        if not even:
            return None
        apart = np.abs(apart)
    coarse = apart[COARSE]
    coarse_ml = abs(float(np.linalg.det(volume.grid.affine[:3, :3]))) * 8 / 1000
    if not _is_around(_solid_part(coarse > ripple), coarse, coarse_ml):
        return None
    tissue = _solid_part(apart > ripple)
    return tissue if is_stripped(_zeroed(volume, ~tissue, value)) else None


def _is_around(tissue: NDArray[np.bool_], apart: NDArray[np.float32], voxel_ml: float) -> bool:
    """Whether there is something around tissue that could be a brain by its size."""
    ripples = (apart != 0) & ~tissue
    return bool(0 < tissue.sum() * voxel_ml <= BRAIN_ML[1] and ripples.sum() > RIPPLED * tissue.sum())


def _solid_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest part with its holes filled, without the thin shells that ripples make around it."""
    core = ndimage.binary_opening(mask) if min(mask.shape) > 2 else mask
    parts, count = ndimage.label(core)
    if not count:
        return np.zeros_like(mask)
    largest = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax())
    grown = ndimage.binary_dilation(largest, mask=mask)
    return np.asarray(ndimage.binary_fill_holes(grown), dtype=bool)


def _zeroed(volume: Volume, background: NDArray[np.bool_], value: float) -> Volume:
    """Zero in the background of this value. Inside, what is below zero is lifted, as at the rim it is interpolated with
    zeros: by the background's value where that is the bottom of the scale."""
    inside = volume.data[~background]
    low, high = np.percentile(inside, (0, 99)) if inside.size else (0.0, 0.0)
    lift = low if inside.size and (inside < 0).mean() > SIGNED else 0.0
    if 0 <= low - value < NEAR * (high - low):
        lift = value
    data = volume.data - np.float32(lift)
    data[data == 0] = INSIDE
    data[background] = 0
    return Volume(data, volume.grid, volume.notes)
