"""Brain anatomy from the ICBM152 template that nilearn's wheel carries, deformed at random.

The template: ICBM 152 symmetric 09a, (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological
Institute, free to use, copy and modify with this notice.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]
DEFORMATION = 4.0  # mm, standard deviation of the smooth displacement


@dataclass(frozen=True)
class Anatomy:
    """On one grid (D, H, W): `brain` bool; `gm`, `wm`, `csf` shares that sum to 1 in the brain; `texture`, the
    template's T1 relative to what its tissues predict (0: as predicted)."""

    brain: NDArray[np.bool_]
    gm: Array
    wm: Array
    csf: Array
    texture: Array


def make_anatomy(affine: NDArray[np.float64], shape: tuple[int, int, int], rng: np.random.Generator) -> Anatomy:
    """The template on the grid (`shape`, `affine`: voxel -> template mm, RAS+), smoothly deformed."""
    return sample_template(_deformed_points(affine, shape, rng))


def sample_template(points: Array) -> Anatomy:
    """The template at `points` (3, D, H, W), template mm RAS+."""
    t1, gm, wm, affine = _template()
    to_voxels = np.linalg.inv(affine).astype(np.float32)
    voxels = np.tensordot(to_voxels[:3, :3], points, axes=1) + to_voxels[:3, 3][:, None, None, None]

    def sample(image: Array) -> Array:
        sampled: Array = ndimage.map_coordinates(image, voxels, order=1, mode="constant", output=np.float32)
        return sampled

    gm, wm, t1 = sample(gm), sample(wm), sample(t1)
    filled = ndimage.binary_fill_holes(t1 > 0.25)
    brain = np.asarray(filled, dtype=bool)
    csf = np.clip(1 - gm - wm, 0, 1)
    total = np.maximum(gm + wm + csf, 1e-6)
    predicted = (0.80 * gm + 0.95 * wm + 0.45 * csf) / total  # the template's own T1 values of the tissues
    texture = np.where(brain, t1 - predicted, 0).astype(np.float32)
    return Anatomy(brain, gm / total, wm / total, csf / total, texture)


def smooth_noise(shape: tuple[int, int, int], period: float, rng: np.random.Generator) -> Array:
    """Smooth random field (D, H, W) of zero mean and unit deviation that varies over about `period` voxels."""
    coarse = tuple(max(4, int(np.ceil(n / max(period, 1))) + 2) for n in shape)
    values = ndimage.gaussian_filter(rng.standard_normal(coarse), 0.7)
    zoom = [n / c for n, c in zip(shape, coarse, strict=True)]
    field = ndimage.zoom(values, zoom, order=1 if period < 3 else 2, mode="nearest", grid_mode=True)
    return ((field - field.mean()) / max(float(field.std()), 1e-6)).astype(np.float32)


def _deformed_points(affine: NDArray[np.float64], shape: tuple[int, int, int], rng: np.random.Generator) -> Array:
    """Template mm (3, D, H, W) of each voxel of the grid."""
    axes = np.meshgrid(*[np.arange(n, dtype=np.float32) for n in shape], indexing="ij", sparse=True)
    spacing = np.linalg.norm(affine[:3, :3], axis=0).mean()
    points = np.empty((3, *shape), dtype=np.float32)
    for row in range(3):
        points[row] = sum(affine[row, k] * axes[k] for k in range(3)) + affine[row, 3]
        points[row] += DEFORMATION * smooth_noise(shape, 45 / spacing, rng)
    return points


@lru_cache(maxsize=1)
def _template() -> tuple[Array, Array, Array, NDArray[np.float64]]:
    """T1, grey and white matter of the template in [0, 1], and its affine."""
    spec = importlib.util.find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the template is missing: expected nilearn, as requirements-nodeps.txt installs it")
    folder = Path(spec.origin).parent / "datasets" / "data"
    images = [
        nib.loadsave.load(folder / f"mni_icbm152_{k}_tal_nlin_sym_09a_converted.nii.gz") for k in ("t1", "gm", "wm")
    ]
    t1, gm, wm = (np.asarray(image.dataobj, dtype=np.float32) / 255 for image in images)
    return t1, gm, wm, np.asarray(images[0].affine, dtype=np.float64)
