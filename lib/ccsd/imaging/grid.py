"""Where voxels are, and an image on them."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ccsd.common.errors import InputError

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

    def differences(self, expected: Grid) -> str:
        """For messages, of two grids that do not match: `its origin is (0, 0, 5) mm, expected (0, 0, 0) mm; ...`."""
        texts = [
            ("shape", "x".join(map(str, self.shape)), "x".join(map(str, expected.shape))),
            ("spacing", *_told_apart(self.spacing, expected.spacing, "x", "{} mm")),
            ("axes", *_axes(self, expected)),
            ("origin", *_told_apart(self.affine[:3, 3], expected.affine[:3, 3], ", ", "({}) mm")),
        ]
        differ = [(what, own, other) for what, own, other in texts if own != other]
        told = [
            f"its {what} {'are' if what == 'axes' else 'is'} {own}, expected {other}" for what, own, other in differ
        ]
        return "; ".join(told) or "its corners lie elsewhere"

    def describe(self) -> str:
        """For messages: `240x240x155 of 1.00x1.00x1.00 mm`."""
        shape = "x".join(map(str, self.shape))
        return f"{shape} of {'x'.join(f'{s:.2f}' for s in self.spacing)} mm"


@dataclass(frozen=True)
class Volume:
    """An image: `data` (D, H, W) on `grid`, and sentences for the user on how it was read."""

    data: NDArray[np.float32]
    grid: Grid
    notes: tuple[str, ...] = ()


def _told_apart(own: NDArray[np.float64], other: NDArray[np.float64], between: str, form: str) -> tuple[str, str]:
    """Both in words, with as many digits as it takes to see where they differ by more than rounding; else alike."""
    alike = bool(np.allclose(own, other, rtol=1e-5, atol=1e-5))
    digits = 2 if alike else next(d for d in range(2, 10) if not np.array_equal(own.round(d), other.round(d)))
    texts = [form.format(between.join(f"{v:.{digits}f}" for v in side.round(digits) + 0.0)) for side in (own, other)]
    return (texts[0], texts[0]) if alike else (texts[0], texts[1])


def _axes(own: Grid, other: Grid) -> tuple[str, str]:
    """Where the axes run: to the patient's right, front, top (RAS) and so on, else their directions."""
    codes = ["".join(nib.orientations.aff2axcodes(grid.affine)) for grid in (own, other)]
    if codes[0] != codes[1]:
        return codes[0], codes[1]
    sides = [(grid.affine[:3, :3] / grid.spacing).T.ravel() for grid in (own, other)]
    return _told_apart(sides[0], sides[1], ", ", f"{codes[0]} along ({{}})")


def checked_shape(name: str, shape: tuple[int, ...], *, thin: bool = False) -> tuple[int, int, int]:
    """A declared shape as (D, H, W); trailing axes of length 1 are dropped.

    Args:
        thin: axes of one voxel are taken too, as labels that are cropped to a slice have them.

    Raises:
        InputError: not three axes of at least 2 voxels, or more than MAX_VOXELS.
    """
    shape = tuple(int(n) for n in shape)
    core = shape[:3] if len(shape) > 3 and set(shape[3:]) == {1} else shape
    if len(core) != 3 or min(core) < (1 if thin else 2):
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
