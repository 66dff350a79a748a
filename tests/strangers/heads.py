"""Heads and brains as slabs, in other frames of reference and with other backgrounds: made, not read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ccsd.imaging.volumes import Grid, Volume

Image = NDArray[np.float32]
SHAPE, SPACING = (96, 112, 30), (2.0, 2.0, 5.0)
RADII = (66.0, 84.0, 62.0)  # mm of the brain
SCALP_MM, BONE_MM = 14.0, 8.0


def grid(*, shift: tuple[float, float, float] = (0, 0, 0), slices: slice = slice(None)) -> Grid:
    """Around the origin, moved by mm; `slices` of it along the last axis."""
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = -(np.array(SHAPE) - 1) / 2 * SPACING + shift
    first, last, _ = slices.indices(SHAPE[2])
    affine[2, 3] += first * SPACING[2]
    return Grid((SHAPE[0], SHAPE[1], last - first), affine)


def brain(seed: int = 0, *, inverted: bool = False) -> Image:
    """Two tissues with smooth borders, dark fluid at the rim, zero around it."""
    away = _outwards(0)
    patches = ndimage.gaussian_filter(np.random.default_rng(7).normal(size=SHAPE), (6, 6, 2.4)) > 0
    tissue = np.where(patches != inverted, 500, 350) + np.random.default_rng(seed).normal(0, 12, SHAPE)
    return np.where(away > 1, 0, np.where(away > 0.96, 120, tissue)).astype(np.float32)


def head(seed: int = 0, *, inverted: bool = False) -> Image:
    """The same in a dark skull and a bright scalp; the air is zero."""
    around = np.where(_outwards(BONE_MM) <= 1, 25, np.where(_outwards(SCALP_MM) <= 1, 900, 0))
    inside = brain(seed, inverted=inverted)
    return np.where(inside > 0, inside, around).astype(np.float32)


def volume(image: Image, *, shift: tuple[float, float, float] = (0, 0, 0), slices: slice = slice(None)) -> Volume:
    """An image of this file, or some slices of it, on its grid."""
    return Volume(np.ascontiguousarray(image[:, :, slices]), grid(shift=shift, slices=slices))


def _outwards(margin: float) -> Image:
    """1 on the surface of an ellipsoid that is larger than the brain by so many mm."""
    index = np.indices(SHAPE).T * SPACING
    centred = index - (np.array(SHAPE) - 1) / 2 * SPACING
    return np.asarray(np.linalg.norm(centred / (np.array(RADII) + margin), axis=-1).T, dtype=np.float32)
