"""Labels on their image's voxels, but with the axes in another order or direction, or with less or more around them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ccsd.imaging.grid import Grid

T = TypeVar("T", bound=np.generic)


def lies_on(grid: Grid, image: Grid) -> bool:
    """Whether all voxels of `grid` are voxels of `image`, or the other way round."""
    return _Steps.between(grid, image) is not None


def carried(values: NDArray[T], grid: Grid, image: Grid) -> NDArray[T] | None:
    """Values (D, H, W) on `grid` -> the same voxels on `image`, with 0 where `grid` has none. Nothing is interpolated.

    None: the voxels lie elsewhere, or what is not 0 reaches out of the image.
    """
    steps = _Steps.between(grid, image)
    if steps is None:
        return None
    turned = np.flip(values.transpose(steps.axes), np.flatnonzero(steps.signs < 0).tolist())
    taken, put = steps.overlap(turned.shape, image.shape)
    result = np.zeros(image.shape, values.dtype)
    result[put] = turned[taken]
    return result if np.count_nonzero(result) == np.count_nonzero(values) else None


class _Steps:
    """How voxels of a grid follow each other in an image: its axis i runs along the grid's `axes[i]`, backwards where
    `signs[i]` is -1, from the image's voxel `start` on."""

    def __init__(self, turn: NDArray[np.int64], origin: NDArray[np.int64], shape: tuple[int, int, int]) -> None:
        self.axes = np.abs(turn).argmax(axis=1)
        self.signs = turn.sum(axis=1)
        length = np.array(shape)[self.axes]
        self.start = np.where(self.signs > 0, origin, origin - (length - 1))
        self.stop = self.start + length

    @classmethod
    def between(cls, grid: Grid, image: Grid) -> _Steps | None:
        index = np.linalg.inv(image.affine) @ grid.affine
        turn, origin = np.rint(index[:3, :3]), np.rint(index[:3, 3])
        exact = np.eye(4)
        exact[:3, :3], exact[:3, 3] = turn, origin
        if not _is_turn(turn) or not Grid(grid.shape, image.affine @ exact).matches(grid):
            return None
        steps = cls(turn.astype(np.int64), origin.astype(np.int64), grid.shape)
        within = (steps.start >= 0).all() and (steps.stop <= image.shape).all()
        around = (steps.start <= 0).all() and (steps.stop >= image.shape).all()
        return steps if within or around else None

    def overlap(self, length: tuple[int, ...], image: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """What is taken of the turned voxels, and where in the image it is put."""
        taken = tuple(slice(max(0, -s), min(n, m - s)) for s, n, m in zip(self.start, length, image, strict=True))
        put = tuple(slice(max(0, s), min(m, s + n)) for s, n, m in zip(self.start, length, image, strict=True))
        return taken, put


def _is_turn(matrix: NDArray[np.float64]) -> bool:
    """Whether it only exchanges and reverses axes."""
    size = np.abs(matrix)
    return bool((size.sum(axis=0) == 1).all() and (size.sum(axis=1) == 1).all())
