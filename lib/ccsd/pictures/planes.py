"""Slices as people look at them: along the patient's axes, in the radiological convention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ccsd.imaging.grid import Grid

T = TypeVar("T", bound=np.generic)

OBLIQUE = float(np.sin(np.deg2rad(10)))  # from here on an axis has a second letter


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


def edges(plane: Plane, affine: NDArray[np.float64]) -> dict[str, str]:
    """The letters at a picture's edges: those of the plane, and a second or third one where the axes are oblique.

    Args:
        affine: (4, 4), index of the array that `to_ras` gives -> RAS+ mm.
    """
    directions = (affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)).T
    own = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    sides = {"left": plane.left, "right": plane.right, "top": plane.top, "bottom": plane.bottom}
    return {side: _letters(directions[own[main][0]] * own[main][1]) for side, main in sides.items()}


def _letters(direction: NDArray[np.float64]) -> str:
    """Towards which sides of the patient a unit vector points, the nearest first."""
    names = [("L", "R"), ("P", "A"), ("I", "S")]
    axes = [a for a in np.argsort(-np.abs(direction)) if abs(direction[a]) >= OBLIQUE]
    return "".join(names[a][int(direction[a] > 0)] for a in axes)


def upright(turned: NDArray[T], axis: int, index: int) -> NDArray[T]:
    """One slice of a RAS-ordered array as a picture (rows from the top, columns from the left): the patient's right is
    on the left, or, seen from the side, the face."""
    return np.flip(np.moveaxis(turned, axis, 0)[index].T, axis=(0, 1))
