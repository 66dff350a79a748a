"""Where voxels are, and an image on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lib.errors import InputError

MAX_VOXELS = 512**3  # far above any clinical brain scan; refused from the header, before memory is taken
GRID_TOLERANCE = 0.1  # voxels by which the corners of two grids may differ


@dataclass(frozen=True)
class Grid:
    """Where voxels are: `shape` (D, H, W) and `affine` (4, 4), voxel index -> RAS+ mm."""

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Voxel edges in mm, (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    def matches(self, other: Grid) -> bool:
        """Same shape, and all corners within GRID_TOLERANCE voxels of each other."""
        if self.shape != other.shape:
            return False
        corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
        corners[:, :3] *= np.array(self.shape) - 1
        distance = np.linalg.norm((corners @ (self.affine - other.affine).T)[:, :3], axis=1)
        return bool(distance.max() <= GRID_TOLERANCE * self.spacing.min())

    def describe(self) -> str:
        """For messages: `240x240x155 of 1.00x1.00x1.00 mm`."""
        shape = "x".join(map(str, self.shape))
        return f"{shape} of {'x'.join(f'{s:.2f}' for s in self.spacing)} mm"


@dataclass(frozen=True)
class Volume:
    """An image: `data` (D, H, W) on `grid`."""

    data: NDArray[np.float32]
    grid: Grid


def checked_shape(name: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """A declared shape as (D, H, W); trailing axes of length 1 are dropped.

    Raises:
        InputError: not three axes of at least 2 voxels, or more than MAX_VOXELS.
    """
    shape = tuple(int(n) for n in shape)
    core = shape[:3] if len(shape) > 3 and set(shape[3:]) == {1} else shape
    if len(core) != 3 or min(core) < 2:
        raise InputError(f"{name} has shape {shape}, expected a 3D image")
    if core[0] * core[1] * core[2] > MAX_VOXELS:
        raise InputError(f"{name} declares shape {shape}, expected at most {MAX_VOXELS} voxels")
    return (core[0], core[1], core[2])


def checked_affine(name: str, affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """A declared affine, if voxels have a place by it.

    Raises:
        InputError: values that are not finite, or axes without length or in one plane.
    """
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise InputError(f"{name} has no usable position (its affine is singular or not finite), expected axes in mm")
    return affine
