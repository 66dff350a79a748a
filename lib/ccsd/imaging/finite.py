"""NaN and infinity in images: background around the brain, as a division by a mask leaves it; inside, damage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ccsd.common.errors import InputError
from ccsd.imaging.grid import Volume

FLAT = 0.5  # share of the border that one value fills where it is background
FILLED = 0.05  # share of an image that is NaN where NaN is its background
HOLES = 0.001  # share of the rest that may be missing inside where NaN is the background: a brain mask's holes
DIM = 0.1  # of the brightest: what is darker may be air
GAP = 2  # voxels of a gap that is closed where tissue is looked for


def finite(volume: Volume, name: str) -> Volume:
    """The same image with the value of its background where it had none, and a note.

    Raises:
        InputError: values are missing inside the brain or head.
    """
    missing = ~np.isfinite(volume.data)
    if not missing.any():
        return volume
    count = f"{int(missing.sum())} values that are NaN or infinite"
    if missing.all():
        raise InputError(f"{name} has {count} and no other, expected finite intensities")
    value = _background(volume.data[~missing], _border(volume.data))
    holes = HOLES * (~missing).sum() if np.isnan(volume.data).mean() > FILLED else 0
    if _has_lost_planes(missing) or _inside(volume.data, missing, value).sum() > holes:
        raise InputError(f"{name} has {count}, some of them inside the brain or head, expected finite intensities")
    data = np.where(missing, np.float32(value), volume.data)
    note = f"{name} has {count} around the brain: they were taken as background"
    return replace(volume, data=data, notes=(*volume.notes, note))


def _border(data: NDArray[np.float32]) -> NDArray[np.float32]:
    faces = [data.take(place, axis=axis).ravel() for axis in range(3) for place in (0, -1)]
    return np.concatenate(faces)


def _background(values: NDArray[np.float32], border: NDArray[np.float32]) -> float:
    """The value that fills the border, where one does; else zero, or one below all where some are below zero."""
    there, counts = np.unique(border[np.isfinite(border)], return_counts=True)
    if there.size and counts.max() > FLAT * counts.sum():
        return float(there[counts.argmax()])
    low, high = float(values.min()), float(values.max())
    return 0.0 if low >= 0 else low - 0.01 * (high - low)


def _has_lost_planes(missing: NDArray[np.bool_]) -> bool:
    """Whether a whole plane is missing between others that are there."""
    for axis in range(3):
        there = np.flatnonzero(~missing.all(axis=tuple(a for a in range(3) if a != axis)))
        if there[-1] - there[0] + 1 != there.size:
            return True
    return False


def _inside(data: NDArray[np.float32], missing: NDArray[np.bool_], value: float) -> NDArray[np.bool_]:
    """What is missing in the body and not joined to the border by background."""
    parts, _ = ndimage.label(missing | (data == np.float32(value)))
    open_parts = np.unique(_border(parts))
    enclosed = missing & ~np.isin(parts, open_parts[open_parts > 0])
    return enclosed & _body(data, missing) if enclosed.any() else enclosed


def _body(data: NDArray[np.float32], missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The brain or head with all that it encloses."""
    low, high = np.percentile(data[~missing], (2, 98))
    bright = np.where(missing, -np.inf, data) > low + DIM * (high - low)
    closed = ndimage.binary_closing(np.pad(bright, GAP), iterations=GAP)
    core = (slice(GAP, -GAP),) * 3
    return np.asarray(ndimage.binary_fill_holes(closed)[core], dtype=bool)
