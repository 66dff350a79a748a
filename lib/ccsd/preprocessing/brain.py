"""Brain extraction by deepbet's two networks (MIT), whose weights come in its wheel.

Fisch et al., "deepbet: Fast brain extraction of T1-weighted MRI using convolutional neural networks", Computers in
Biology and Medicine 179, 2024. The package is installed without its dependencies and never imported: its TorchScript
files need torch alone. Trained on T1; what it is worth on other contrasts is in docs/notebook.md.
"""

from __future__ import annotations

import importlib.util
import warnings
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from ccsd.common.devices import quickest
from ccsd.common.errors import InputError
from ccsd.imaging.volumes import Volume
from ccsd.preprocessing.coverage import MIN_SLICES, is_slab
from ccsd.preprocessing.skull import shows_skull

HEAD_EDGE, BRAIN_EDGE = 128, 256  # voxels: the first network sees the head, the second the brain's box
MARGIN = 0.1  # of the brain's box, on each side
MIN_PLANE_SHARE = 0.02  # share of a plane that the brain fills where its box begins
MEAN, DEVIATION = 0.449, 0.226  # of the images that the networks were trained on
BRAIN_ML = (700.0, 2200.0)  # what a human brain with its fluid may measure
FOUND_ML = (100.0, 3000.0)  # outside: what was found is none
FOUND_SHARE = 0.1  # of a slab, which may hold less than 100 mL
HEAD_MM = (200.0, 240.0, 220.0)  # what the networks expect to see; a slab is laid into the middle of as much air


def millilitres(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> float:
    """Volume of a mask on a grid of this affine."""
    return float(mask.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000)


def is_stripped(volume: Volume) -> bool:
    """Whether all that is not exactly zero could be a brain: no more than 2.2 L, and no skull around it. Neither zeros
    around a head nor the few litres of a slab say so."""
    return millilitres(volume.data != 0, volume.grid.affine) <= BRAIN_ML[1] and not shows_skull(volume)


def extract_brain(volume: Volume) -> NDArray[np.bool_]:
    """The brain in an image of a whole head, (D, H, W) on its own grid; an image without skull keeps what it has.

    Raises:
        InputError: there is no brain to be found.
    """
    if is_stripped(volume):
        return volume.data != 0
    slices = min(volume.grid.shape)
    if slices < MIN_SLICES:
        raise InputError(f"{slices} slices with skull, expected {MIN_SLICES} or more to find a brain in")
    orientation = nib.orientations.io_orientation(volume.grid.affine)
    turned = nib.orientations.apply_orientation(volume.data, orientation)
    around = _air_around(turned.shape, volume.grid.spacing[np.argsort(orientation[:, 0])], slab=is_slab(volume.grid))
    found = _largest(_probability(torch.from_numpy(np.pad(turned, around))).numpy() > 0.5)
    found = found[tuple(slice(a, edge - b) for (a, b), edge in zip(around, found.shape, strict=True))]
    inverse = nib.orientations.ornt_transform([[0, 1], [1, 1], [2, 1]], orientation)
    mask = np.ascontiguousarray(nib.orientations.apply_orientation(found, inverse))
    size, whole = (millilitres(m, volume.grid.affine) for m in (mask, np.ones_like(mask)))
    if not min(FOUND_ML[0], FOUND_SHARE * whole) <= size <= FOUND_ML[1]:
        raise InputError(f"no brain was found (but {size:.0f} mL), expected an MR image of a whole head")
    return mask


def _air_around(shape: tuple[int, ...], spacing: NDArray[np.float64], *, slab: bool) -> list[tuple[int, int]]:
    """Voxels to add before and behind each axis."""
    if not slab:
        return [(0, 0)] * 3
    short = [(mm / s - n) / 2 for n, s, mm in zip(shape, spacing, HEAD_MM, strict=True)]
    return [(max(0, round(n)),) * 2 for n in short]


@torch.no_grad()
def _probability(image: Tensor) -> Tensor:
    """(D, H, W) in RAS order -> how probably each voxel is brain; the head at 128^3 first, then its brain at 256^3."""
    small = _resize(image, (HEAD_EDGE, HEAD_EDGE, HEAD_EDGE))
    low, high = float(small.quantile(0.005)), float(small.quantile(0.995))
    coarse = _largest(_of_network(0, _normalised(small, low, high)).numpy() > 0.5)
    box = _box(coarse, image.shape)
    detail = _resize(image[box], (BRAIN_EDGE, BRAIN_EDGE, BRAIN_EDGE))
    inside = _of_network(1, _normalised(detail, low, high))
    probability = torch.zeros_like(image)
    probability[box] = _resize(inside, image[box].shape)
    return probability


def _of_network(which: int, image: Tensor) -> Tensor:
    """The probability that one of the two networks gives each voxel, computed in what the CPU is quickest in."""
    dtype = quickest(torch.device("cpu"))
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        probability: Tensor = _networks()[which](image[None, None])[0, 1]
    return probability.float()


def _resize(image: Tensor, shape: tuple[int, ...]) -> Tensor:
    return F.interpolate(image[None, None], shape, mode="nearest-exact")[0, 0]


def _normalised(image: Tensor, low: float, high: float) -> Tensor:
    image = ((image - low) / max(high - low, 1e-6)).clamp(0, 1)
    return (image - image.mean()) / image.std().clamp_min(1e-6) * DEVIATION + MEAN


def _box(mask: NDArray[np.bool_], shape: torch.Size) -> tuple[slice, slice, slice]:
    """The box of a mask at HEAD_EDGE^3 with its margin, in an image of `shape`.

    Raises:
        InputError: the mask is empty.
    """
    slices = []
    for axis, edge in enumerate(shape):
        others = tuple(a for a in range(3) if a != axis)
        filled = np.flatnonzero(mask.mean(axis=others) > MIN_PLANE_SHARE)
        if not filled.size:
            raise InputError("no brain was found, expected an MR image of a whole head")
        scale = edge / HEAD_EDGE
        centre = (filled[0] + filled[-1] + 1) / 2 * scale
        size = (filled[-1] + 1 - filled[0]) * scale * (1 + 2 * MARGIN)
        slices.append(slice(max(0, int(centre - size / 2)), min(edge, int(centre + size / 2) + 1)))
    return slices[0], slices[1], slices[2]


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part, its holes filled."""
    parts, count = ndimage.label(mask)
    if not count:
        return mask
    largest = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax())
    return np.asarray(ndimage.binary_fill_holes(largest), dtype=bool)


@lru_cache(maxsize=1)
def _networks() -> tuple[torch.jit.ScriptModule, torch.jit.ScriptModule]:
    """The network for the head and that for the brain, on the CPU."""
    spec = importlib.util.find_spec("deepbet")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("brain extraction is missing: expected deepbet, as requirements-nodeps.txt installs it")
    folder = Path(spec.origin).parents[1] / "data" / "models"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript as a whole
        head, brain = (
            torch.jit.load(folder / name, map_location="cpu").eval() for name in ("bbox_model.pt", "model.pt")
        )
    return head, brain
