"""Slices as people look at them: along the patient's axes, in the radiological convention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ccsd.imaging.grid import Grid

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Plane:
    """`axis`: of RAS-ordered arrays, the one that slices are counted along; the others: what lies at the picture's
    edges."""

    axis: int
    left: str
    right: str
    top: str
    bottom: str


PLANES = {
    "axial": Plane(2, "R", "L", "A", "P"),
    "coronal": Plane(1, "R", "L", "S", "I"),
    "sagittal": Plane(0, "A", "P", "S", "I"),
}


def to_ras(data: NDArray[T], grid: Grid) -> tuple[NDArray[T], NDArray[np.float64]]:
    """(D, H, W) on `grid` -> the same voxels with indices growing to the patient's right, front and top, as nearly as
    the axes allow, and their edges in mm, (3,). Nothing is interpolated; the array is a view."""
    orientation = nib.orientations.io_orientation(grid.affine)
    turned = nib.orientations.apply_orientation(data, orientation)
    return turned, grid.spacing[np.argsort(orientation[:, 0])]


def positions(grid: Grid) -> list[tuple[float, float]]:
    """By axis of the array that `to_ras` gives, in mm along the patient's axis that it is nearest to: where the middle
    of the first slice lies, and how far apart slices are."""
    own = np.argsort(nib.orientations.io_orientation(grid.affine)[:, 0])
    step = np.abs(grid.affine[range(3), own])
    middle = (grid.affine @ [*((np.array(grid.shape) - 1) / 2), 1])[:3]
    first = middle - step * (np.array(grid.shape)[own] - 1) / 2
    return list(zip(first.tolist(), step.tolist(), strict=True))


def upright(turned: NDArray[T], axis: int, index: int) -> NDArray[T]:
    """One slice of a RAS-ordered array as a picture (rows from the top, columns from the left): the patient's right is
    on the left, or, seen from the side, the face."""
    return np.flip(np.moveaxis(turned, axis, 0)[index].T, axis=(0, 1))
