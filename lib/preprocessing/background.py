"""What lies around a brain or head, found by what it is and set to exactly zero, the one background that later steps
know.

Files differ in it: a z-scored image has its old zero at some negative value, others -1024, and splines leave ripples.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lib.preprocessing.brain import BRAIN_ML, is_stripped, millilitres
from lib.studies.volumes import Volume

INSIDE = float(np.finfo(np.float32).tiny)  # an exact zero inside the brain would be read as background
SOLID = 0.8  # share of a background's voxels whose neighbour has the same value; noise has far fewer
LEAST_SHARE = 0.002  # of the looked-at planes that a background fills
RIPPLE = 0.01  # of the 99th percentile; splines leave less than this two voxels from the brain
RIPPLED = 0.03  # share of voxels with so little that only splines reach; of stripped scans it is below 0.01
SIGNED = 0.05  # share of voxels below zero from which on they are a scale, not ripples
BINS = 256


def with_zero_background(volume: Volume) -> Volume:
    """The same image, zero in the background and nowhere else; the volume itself where it is so already."""
    known = constants(volume.data)
    if known == [0.0] and volume.data.min() == 0 and not _is_rippled(volume.data, 0.0):
        return volume
    if known not in ([], [0.0]):
        volume = _zeroed(volume, np.isin(volume.data, np.array(known, dtype=np.float32)))
    return _without_ripples(volume, 0.0 if known else _commonest(volume.data))


def constants(data: NDArray[np.float32]) -> list[float]:
    """The values of large even areas at the border or at the bottom of the scale: none where the air is noisy."""
    planes = list(_planes(data))
    border = np.concatenate([plane.ravel() for plane in planes[:6]])
    values, counts = np.unique(border, return_counts=True)
    candidates = {float(values[counts.argmax()]), float(data.min())}
    return sorted(value for value in candidates if _is_solid(planes, value))


def _planes(data: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The six faces, then the three planes through the middle."""
    for place in (0, -1, None):
        for axis, edge in enumerate(data.shape):
            yield data.take(edge // 2 if place is None else place, axis=axis)


def _is_solid(planes: list[NDArray[np.float32]], value: float) -> bool:
    same = [plane == np.float32(value) for plane in planes]
    found = sum(int(s.sum()) for s in same)
    beside = sum(int(s[1:].sum()) for s in same)
    together = sum(int((s[1:] & s[:-1]).sum()) for s in same)
    return found > LEAST_SHARE * sum(s.size for s in same) and together > SOLID * beside


def _commonest(data: NDArray[np.float32]) -> float:
    """The value around which most of the border lies."""
    border = np.concatenate([plane.ravel() for plane in list(_planes(data))[:6]])
    counts, edges = np.histogram(border, BINS, range=tuple(np.percentile(data[::2, ::2, ::2], (0, 99.5))))
    low, high = edges[counts.argmax()], edges[counts.argmax() + 1]
    return float(np.median(border[(border >= low) & (border <= high)]))


def _is_rippled(data: NDArray[np.float32], value: float) -> bool:
    """Whether much of the image is nearly the background's value without being it."""
    above = data[::2, ::2, ::2] - np.float32(value)
    different = above[above != 0]
    return bool(different.size and (np.abs(different) <= _ripple(above)).mean() > RIPPLED)


def _ripple(above: NDArray[np.float32]) -> float:
    high = above[above > RIPPLE * above.max()]
    return RIPPLE * float(np.percentile(high, 99)) if high.size else 0.0


def _without_ripples(volume: Volume, value: float) -> Volume:
    """A stripped image with exact zeros for what splines leave around it; a head with its noisy air stays."""
    if not _is_rippled(volume.data, value):
        return volume
    above = volume.data - np.float32(value)
    tissue = _solid_part(above > _ripple(above[::2, ::2, ::2]))
    if not 0 < millilitres(tissue, volume.grid.affine) <= BRAIN_ML[1]:
        return volume
    cleaned = _zeroed(Volume(above, volume.grid, volume.notes), ~tissue)
    return cleaned if is_stripped(cleaned) else volume


def _solid_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest part with its holes filled, without the thin shells that ripples make around it."""
    core = ndimage.binary_opening(mask) if min(mask.shape) > 2 else mask
    parts, count = ndimage.label(core)
    if not count:
        return np.zeros_like(mask)
    largest = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax())
    grown = ndimage.binary_dilation(largest, mask=mask)
    return np.asarray(ndimage.binary_fill_holes(grown), dtype=bool)


def _zeroed(volume: Volume, background: NDArray[np.bool_]) -> Volume:
    """Zero in the background; inside, what is below zero is lifted: at the rim it is interpolated with zeros."""
    inside = volume.data[~background]
    lowest = float(inside.min()) if inside.size and (inside < 0).mean() > SIGNED else 0.0
    data = volume.data - np.float32(lowest)
    data[data == 0] = INSIDE
    data[background] = 0
    return Volume(data, volume.grid, volume.notes)
