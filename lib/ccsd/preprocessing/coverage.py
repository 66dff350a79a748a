"""Series that show part of the brain: how much of it, and whether that is enough to be used."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsd.imaging.volumes import Grid, Volume

MIN_SLICES = 5  # of fewer there is nothing to align or to find a brain in
SLAB = 100.0  # mm; a grid whose shortest side is less shows part of a head
SHORTER = 0.8  # of the shortest side of another series (WHOLE mm of it at most): part of what that one shows
WHOLE = 130.0
ENOUGH = 0.8  # share of the brain; a series with less is left out: masks are better without it (docs/notebook.md)


def shortest_side(grid: Grid) -> float:
    """In mm."""
    return float((grid.spacing * grid.shape).min())


def is_slab(grid: Grid) -> bool:
    """Whether it is too thin for a head."""
    return shortest_side(grid) < SLAB


def is_part_of(grid: Grid, other: Grid) -> bool:
    """Whether it shows so much less than another that the two cannot be aligned by what they show."""
    return shortest_side(grid) < SHORTER * min(WHOLE, shortest_side(other))


def scanned_share(brain: NDArray[np.bool_], grid: Grid, series: Grid, matrix: NDArray[np.float64]) -> float:
    """Share of a brain on `grid` that a series covers; `matrix` (4, 4): world mm of `grid` -> that of the series."""
    voxels = np.argwhere(brain)
    to_index = np.linalg.inv(series.affine) @ matrix @ grid.affine
    places = voxels[:: max(1, len(voxels) // 100_000)] @ to_index[:3, :3].T + to_index[:3, 3]
    return float(((places >= -0.5) & (places <= np.array(series.shape) - 0.5)).all(axis=1).mean())


def filled_share(volume: Volume, brain: NDArray[np.bool_]) -> float:
    """Share of a brain in which an image on the same grid is not zero."""
    return float(((volume.data != 0) & brain).sum() / max(brain.sum(), 1))


def too_little(share: float) -> str:
    """Why a series is left out, as a clause."""
    return f"it covers {share:.0%} of the brain, expected {ENOUGH:.0%} or more"


def too_few(slices: int, beside: str) -> str:
    """Why a series is left out, as a clause."""
    return f"it has {slices} slices, expected {MIN_SLICES} or more beside {beside}"
