"""A whole synthetic study: anatomy, tumour, four contrasts, noise and bias; and its files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ccsd.common.errors import InputError
from ccsd.demo.anatomy import Anatomy, Array, make_anatomy, smooth_noise
from ccsd.demo.tumour import TumourConfig, grow
from ccsd.imaging.volumes import Grid, write_volume
from ccsd.method.task import BRATS, ENHANCING, NECROTIC, OEDEMA

# Mean intensity per contrast of CSF, grey matter, white matter, then oedema, core, enhancing tumour. Ordered as in the
# BraTS studies: T1 white > grey > CSF; T2 the reverse; FLAIR with dark CSF and bright oedema; T1ce with a bright rim.
INTENSITIES = {
    "t1": ((170, 420, 560), {OEDEMA: 380, NECROTIC: 280, ENHANCING: 430}),
    "t1ce": ((180, 430, 560), {OEDEMA: 385, NECROTIC: 270, ENHANCING: 930}),
    "t2": ((880, 520, 390), {OEDEMA: 760, NECROTIC: 840, ENHANCING: 650}),
    "flair": ((120, 470, 390), {OEDEMA: 780, NECROTIC: 560, ENHANCING: 690}),
}
TEXTURE = {"t1": 400.0, "t1ce": 400.0, "t2": -350.0, "flair": -150.0}  # how the template's T1 detail shows
BRAIN_CENTRE = (0.0, -18.0, 8.0)  # mm in template space, put at the middle of the grid


@dataclass(frozen=True)
class PhantomConfig:
    """What to make.

    Attributes:
        seed: everything random follows from it.
        shape: voxels (D, H, W); spacing: mm.
        noise: deviation of the Rician noise as a share of white matter; bias: strength of the smooth gain.
    """

    seed: int = 0
    shape: tuple[int, int, int] = (240, 240, 155)
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    noise: float = 0.03
    bias: float = 0.15
    tumour: TumourConfig = field(default_factory=TumourConfig)

    def __post_init__(self) -> None:
        if min(self.shape) < 8:
            raise InputError(f"phantom shape is {self.shape}, expected at least 8 voxels an edge")
        if min(self.spacing) <= 0:
            raise InputError(f"phantom spacing is {self.spacing}, expected mm above 0")
        if self.noise < 0 or self.bias < 0:
            raise InputError(f"phantom noise {self.noise} and bias {self.bias} must not be negative")


@dataclass(frozen=True)
class Phantom:
    """`volumes`: modality -> (D, H, W) float32, zero outside the brain; `label` (D, H, W) uint8; their grid."""

    volumes: dict[str, Array]
    label: NDArray[np.uint8]
    grid: Grid


def make_phantom(config: PhantomConfig) -> Phantom:
    """Raises InputError when the field of view holds no brain or the tumour lies outside it."""
    rng = np.random.default_rng(config.seed)
    affine = _affine(config)
    anatomy = make_anatomy(affine, config.shape, rng)
    label = grow(anatomy, affine, config.tumour, rng)
    shares = {v: ndimage.gaussian_filter((label == v).astype(np.float32), 0.6) for v in (NECROTIC, OEDEMA, ENHANCING)}
    period = 9 / float(np.mean(config.spacing))
    patchy = smooth_noise(config.shape, period, rng)  # the tumour is not uniform; the same in all contrasts
    volumes = {m: _contrast(m, anatomy, shares, patchy, config, rng) for m in BRATS.modalities}
    return Phantom(volumes, label, Grid(config.shape, affine))


def write_phantom(
    phantom: Phantom, folder: Path, name: str, *, modalities: Iterable[str] | None = None, label: bool = True
) -> list[Path]:
    """Write `<name>_<modality>.nii.gz` (int16) and `<name>_seg.nii.gz` (uint8); returns the paths.

    Raises:
        InputError: a modality that phantoms do not have.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for modality in phantom.volumes if modalities is None else modalities:
        if modality not in phantom.volumes:
            raise InputError(f"modality {modality} is not known, expected some of {', '.join(phantom.volumes)}")
        path = folder / f"{name}_{modality}.nii.gz"
        write_volume(path, np.round(phantom.volumes[modality]).astype(np.int16), phantom.grid)
        written.append(path)
    if label:
        written.append(folder / f"{name}_seg.nii.gz")
        write_volume(written[-1], phantom.label, phantom.grid)
    return written


def _affine(config: PhantomConfig) -> NDArray[np.float64]:
    """Voxel -> mm, RAS+, the brain's centre in the middle of the grid; axes as BraTS stores them (left, posterior,
    superior)."""
    affine = np.eye(4)
    affine[:3, :3] = np.diag(np.array([-1, -1, 1]) * config.spacing)
    affine[:3, 3] = np.array(BRAIN_CENTRE) - affine[:3, :3] @ ((np.array(config.shape) - 1) / 2)
    return affine


def _contrast(
    modality: str,
    anatomy: Anatomy,
    shares: dict[int, Array],
    patchy: Array,
    config: PhantomConfig,
    rng: np.random.Generator,
) -> Array:
    """One modality's volume."""
    (csf, gm, wm), tumour = INTENSITIES[modality]
    image = csf * anatomy.csf + gm * anatomy.gm + wm * anatomy.wm + TEXTURE[modality] * anatomy.texture
    inside = sum(shares.values())
    image = image * (1 - np.clip(inside, 0, 1))
    for value, share in shares.items():
        image += tumour[value] * (1 + 0.10 * patchy) * share
    period = 70 / float(np.mean(config.spacing))
    image *= np.exp(config.bias * smooth_noise(config.shape, period, rng))
    sigma = config.noise * wm
    real = image + sigma * rng.standard_normal(config.shape, dtype=np.float32)
    noisy = np.hypot(real, sigma * rng.standard_normal(config.shape, dtype=np.float32))  # magnitude images: Rician
    return np.where(anatomy.brain, np.maximum(noisy, 1), 0).astype(np.float32)
