"""Studies made worse on purpose, for the warnings of `ccsd.preprocessing.quality`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ccsd.imaging.volumes import Grid, Volume

GHOST_LINES = 5.0  # of k-space, a period of the motion


def exchanged(volumes: Mapping[str, Volume], one: str, other: str) -> dict[str, Volume]:
    """Two names exchanged."""
    return {**volumes, one: volumes[other], other: volumes[one]}


def with_bias(volume: Volume, ratio: float, rng: np.random.Generator) -> Volume:
    """A smooth field of second order, `ratio` times as bright at one end of the brain as at the other (95 % of it)."""
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in volume.data.shape]
    places = np.stack(np.meshgrid(*axes, indexing="ij"))
    direction = rng.normal(size=3)
    centre = rng.uniform(-0.6, 0.6, 3)[:, None, None, None]
    field = np.tensordot(direction / np.linalg.norm(direction), places, 1) - 0.5 * ((places - centre) ** 2).sum(axis=0)
    low, high = np.percentile(field[volume.data != 0], (2.5, 97.5))
    return _with(volume, volume.data * np.exp(np.log(ratio) * (field - low) / (high - low)))


def with_motion(volume: Volume, mm: float) -> Volume:
    """The head sways by `mm` along the phase axis, here the first in the slices, while lines of
    k-space are measured."""
    across = int(volume.grid.spacing.argmax())
    axis = next(a for a in range(3) if a != across)
    lines = volume.data.shape[axis]
    sway = mm / volume.grid.spacing[axis] * np.sin(2 * np.pi * np.arange(lines) / GHOST_LINES)
    frequency = np.fft.fftfreq(lines)
    order = np.argsort(np.argsort(frequency))  # lines are measured from the lowest to the highest
    phase = np.exp(-2j * np.pi * frequency * sway[order])
    shape = [lines if a == axis else 1 for a in range(3)]
    moved = np.fft.ifft(np.fft.fft(volume.data, axis=axis) * phase.reshape(shape), axis=axis)
    return _with(volume, np.abs(moved))


def cut(volume: Volume, side: str, mm: float) -> Volume:
    """Zero in the last `mm` of the brain at the "top" or "bottom"."""
    axis = int(np.abs(volume.grid.affine[2, :3]).argmax())
    low, high = extent(volume.data != 0, volume.grid)
    heights = volume.grid.affine[2, 3] + volume.grid.affine[2, axis] * np.arange(volume.grid.shape[axis])
    gone = heights > high - mm if side == "top" else heights < low + mm
    kept = np.moveaxis(volume.data.copy(), axis, 0)
    kept[gone] = 0
    return Volume(np.moveaxis(kept, 0, axis), volume.grid)


def extent(mask: NDArray[np.bool_], grid: Grid) -> tuple[float, float]:
    """Lowest and highest mm of a mask on a grid, along the axis from bottom to top."""
    axis = int(np.abs(grid.affine[2, :3]).argmax())
    planes = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
    heights = grid.affine[2, 3] + grid.affine[2, axis] * planes
    return float(heights.min()), float(heights.max())


def shifted(volume: Volume, mm: float) -> Volume:
    """By so much to the front or back, in the same grid."""
    axis = int(np.abs(volume.grid.affine[1, :3]).argmax())
    return _with(volume, np.roll(volume.data, round(mm / volume.grid.spacing[axis]), axis=axis))


def scaled(volume: Volume, factor: float) -> Volume:
    """Voxels so many times as long, as a wrong header says, or a smaller head."""
    return replace(volume, grid=Grid(volume.grid.shape, np.diag([factor, factor, factor, 1.0]) @ volume.grid.affine))


def _with(volume: Volume, data: NDArray[np.floating]) -> Volume:
    return Volume(np.asarray(data, dtype=np.float32), volume.grid)
