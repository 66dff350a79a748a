"""A glioma in an anatomy: core with a broken enhancing rim, oedema that follows white matter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ccsd.common.errors import InputError
from ccsd.demo.anatomy import Anatomy, Array, smooth_noise
from ccsd.method.task import ENHANCING, NECROTIC, OEDEMA


@dataclass(frozen=True)
class TumourConfig:
    """Sizes in mm.

    Attributes:
        radius: of the core, drawn uniformly between the two.
        rim: mean thickness of the enhancing rim; 0 makes a tumour without enhancement.
        oedema: mean reach of the oedema beyond the core.
        centre: mm in template space (RAS+); None draws a place in white matter.
    """

    radius: tuple[float, float] = (13.0, 20.0)
    rim: float = 4.0
    oedema: float = 13.0
    centre: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.radius[0] <= self.radius[1]:
            raise InputError(f"tumour radius is {self.radius}, expected two rising lengths in mm above 0")
        if self.rim < 0 or self.oedema < 0:
            raise InputError(f"tumour rim {self.rim} and oedema {self.oedema} must not be negative")


def grow(
    anatomy: Anatomy, affine: NDArray[np.float64], config: TumourConfig, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Label map (D, H, W) uint8 of one tumour.

    Raises:
        InputError: the tumour would lie outside the brain.
    """
    d, h, w = anatomy.brain.shape
    shape = (d, h, w)
    spacing = float(np.linalg.norm(affine[:3, :3], axis=0).mean())
    centre = _centre(anatomy, affine, config, rng)
    distance = _distance(shape, affine, centre)
    distance *= 1 + 0.18 * smooth_noise(shape, 14 / spacing, rng) + 0.08 * smooth_noise(shape, 5 / spacing, rng)
    radius = rng.uniform(*config.radius)
    tissue = anatomy.brain & (anatomy.csf < 0.7)
    core = anatomy.brain & (distance < radius)
    thickness = config.rim * (1 + 0.6 * smooth_noise(shape, 10 / spacing, rng))  # gaps where it falls to 0
    rim = core & (distance > radius - thickness) & (thickness > 0.2 * config.rim)
    reach = config.oedema * (0.5 + 1.1 * anatomy.wm) * (1 + 0.45 * smooth_noise(shape, 22 / spacing, rng))
    label = np.zeros(shape, dtype=np.uint8)
    label[tissue & (distance < radius + reach)] = OEDEMA
    label[core] = NECROTIC
    label[rim] = ENHANCING
    label[~_connected(label > 0, core)] = 0
    if not core.any():
        raise InputError(f"tumour centre {tuple(np.round(centre, 1))} mm lies outside the brain of this grid")
    return label


def _connected(tumour: NDArray[np.bool_], core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pieces of the tumour that hold some of its core."""
    pieces, _ = ndimage.label(tumour)
    held: NDArray[np.bool_] = np.isin(pieces, np.unique(pieces[core]))
    return held


def _centre(
    anatomy: Anatomy, affine: NDArray[np.float64], config: TumourConfig, rng: np.random.Generator
) -> NDArray[np.float64]:
    if config.centre is not None:
        return np.asarray(config.centre, dtype=np.float64)
    shape = np.array(anatomy.brain.shape)
    candidates = np.argwhere(anatomy.wm > 0.6)
    inner = candidates[((candidates > 0.22 * shape) & (candidates < 0.78 * shape)).all(axis=1)]
    pool = inner if len(inner) else np.argwhere(anatomy.brain)
    if not len(pool):
        raise InputError("the grid holds no brain, expected a field of view over the template")
    voxel = pool[rng.integers(len(pool))]
    centre: NDArray[np.float64] = (affine @ np.append(voxel, 1.0))[:3]
    return centre


def _distance(shape: tuple[int, ...], affine: NDArray[np.float64], centre: NDArray[np.float64]) -> Array:
    """Distance (D, H, W) of each voxel from `centre`, in mm."""
    axes = np.meshgrid(*[np.arange(n, dtype=np.float32) for n in shape], indexing="ij", sparse=True)
    squared = np.zeros(shape, dtype=np.float32)
    for row in range(3):
        position = sum(affine[row, k] * axes[k] for k in range(3)) + affine[row, 3]
        squared += (position - centre[row]).astype(np.float32) ** 2
    return np.sqrt(squared)
