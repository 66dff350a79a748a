"""Brains: the ICBM152 template, moved, scaled and deformed at random, with ventricles of random size on each side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from ccsd.demo.anatomy import Anatomy, Array, sample_template, smooth_noise

VENTRICLES = (14.0, -12.0, 12.0)  # mm in template space (RAS+), the right one; the left is its mirror image
VENTRICLE_REACH = 22.0  # mm


@dataclass(frozen=True)
class Mass:
    """A tumour that pushes tissue away: `centre` in template mm, `radius` mm, `push` as a share of the radius."""

    centre: tuple[float, float, float]
    radius: float
    push: float


def positions(affine: NDArray[np.float64], shape: tuple[int, int, int], rng: np.random.Generator) -> Array:
    """Template mm (3, D, H, W) that each voxel of the grid (`affine`: voxel -> mm) shows."""
    turn = Rotation.from_euler("xyz", rng.normal(0, 2.5, 3), degrees=True).as_matrix()
    moved = np.eye(4)
    moved[:3, :3] = turn @ np.diag(rng.uniform(0.93, 1.07, 3))
    moved[:3, 3] = rng.normal(0, 2.0, 3)
    combined = moved @ affine
    spacing = float(np.linalg.norm(affine[:3, :3], axis=0).mean())
    axes = np.meshgrid(*[np.arange(n, dtype=np.float32) for n in shape], indexing="ij", sparse=True)
    points = np.empty((3, *shape), dtype=np.float32)
    large, small = rng.uniform(2.5, 5.5), rng.uniform(0.5, 1.8)
    for row in range(3):
        points[row] = sum(combined[row, k] * axes[k] for k in range(3)) + combined[row, 3]
        points[row] += large * smooth_noise(shape, 48 / spacing, rng) + small * smooth_noise(shape, 18 / spacing, rng)
    age = rng.normal(0.12, 0.16)  # both ventricles wide or narrow, with a difference
    for side in (1, -1):
        grown = float(np.clip(age + rng.normal(0, 0.06), -0.25, 0.45))
        _pull(points, np.array(VENTRICLES) * np.array([side, 1.0, 1.0]), grown)
    return points


def make_anatomy(points: Array, mass: Mass | None = None) -> Anatomy:
    """The template at `points`; with `mass`, the tissue around it is pushed outwards and its place compressed."""
    if mass is not None and mass.push > 0:
        points = points.copy()
        _push(points, mass)
    return sample_template(points)


def _pull(points: Array, centre: NDArray[np.float64], share: float) -> None:
    """Magnify (share above 0) what is around `centre`."""
    away = points - centre.astype(np.float32)[:, None, None, None]
    near = np.exp(-np.square(away).sum(axis=0) / (2 * VENTRICLE_REACH**2))
    points -= share * near * away


def _push(points: Array, mass: Mass) -> None:
    """What is seen at a distance d from the centre was nearer to it before the tumour grew."""
    away = points - np.array(mass.centre, dtype=np.float32)[:, None, None, None]
    distance = np.sqrt(np.square(away).sum(axis=0))
    shift = mass.push * mass.radius * np.exp(-np.square(distance / (1.8 * mass.radius)))
    shift = np.minimum(shift, 0.8 * distance)
    points -= away / np.maximum(distance, 1e-3) * shift


def smooth(mask: NDArray[np.bool_], sigma: float) -> Array:
    """Partial volume: share (D, H, W) of a mask."""
    blurred: Array = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    return blurred
