"""Images and masks as the page's viewer gets them: all voxels, along the patient's axes; it cuts slices itself."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from ccsd.imaging.grid import Grid
from ccsd.method.task import COLOURS
from ccsd.pictures.planes import PLANES, edges, to_ras

SAMPLE = 500_000  # voxels that the percentiles of an image are taken from
WINDOW = (1, 99.5)  # percentiles that are black and white at first
MAX_16_BIT = 2**25  # voxels; larger images are sent with 8 bits, for the browser's memory
STEPS = {16: 4095, 8: 255}  # of what is not whole numbers: noise in more bits is of no use and cannot be compressed


@dataclass(frozen=True)
class Layer:
    """Voxels (D, H, W) on `grid` that slices are cut from: intensities, or a mask."""

    data: NDArray[Any]
    grid: Grid

    @property
    def nbytes(self) -> int:
        return int(self.data.nbytes)

    @cached_property
    def turned(self) -> NDArray[Any]:
        return to_ras(self.data, self.grid)[0]

    def window(self) -> list[float]:
        """The values that are black and white at first, by percentiles of what is above the darkest value (the air
        around a stripped brain)."""
        sample = self.data.ravel(order="K")[:: max(1, self.data.size // SAMPLE)]
        inside = sample[sample > sample.min()]
        low, high = np.percentile(inside if inside.size else sample, WINDOW)
        return [float(low), float(max(high, low + 1e-6))]


def geometry(layer: Layer) -> dict[str, Any]:
    """Where the voxels are that `packed` gives: `shape` (3,) and `spacing` in mm along the patient's right, front and
    top, as nearly as the stored axes allow, and `affine` (4, 4), their index -> RAS+ mm; by plane the letters at the
    picture's edges."""
    turned, spacing = to_ras(layer.data, layer.grid)
    orientation = nib.orientations.io_orientation(layer.grid.affine)
    affine = layer.grid.affine @ nib.orientations.inv_ornt_aff(orientation, layer.grid.shape)
    return {
        "shape": list(turned.shape),
        "spacing": [round(float(mm), 4) for mm in spacing],
        "affine": affine.round(5).tolist(),
        "edges": {name: edges(plane, affine) for name, plane in PLANES.items()},
    }


def extent(mask: Layer) -> dict[str, list[int]] | None:
    """Along the axes of `geometry`: `start`, the voxel whose slices show most of the mask, and the corners of the box
    around it. None: it is empty."""
    marked = mask.turned > 0
    if not marked.any():
        return None
    counts = [marked.sum(axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
    return {"start": [int(count.argmax()) for count in counts], **box(marked)}


def box(marked: NDArray[np.bool_]) -> dict[str, list[int]]:
    """`first` and `last`, the corners of the box around what is marked; around everything, if nothing is."""
    lines = [marked.any(axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
    filled = [np.flatnonzero(line)[[0, -1]] if line.any() else (0, line.size - 1) for line in lines]
    return {"first": [int(first) for first, _ in filled], "last": [int(last) for _, last in filled]}


@dataclass(frozen=True)
class Coding:
    """How intensities are sent: `bits` each, unsigned, little-endian; a value is `low` + `step` * what is sent."""

    bits: int
    low: float
    step: float


def coding(image: Layer) -> Coding:
    """Whole numbers as they are, if they fit; else in `STEPS` steps."""
    low, high = float(image.data.min()), float(image.data.max())
    bits = 16 if image.data.size <= MAX_16_BIT else 8
    whole = high - low < 2**bits and bool(np.array_equal(image.data, np.rint(image.data)))
    return Coding(bits, low, 1.0 if whole else max(high - low, 1e-6) / STEPS[bits])


def packed_image(image: Layer) -> bytes:
    """All voxels as `coding` says, the index to the patient's right running fastest, gzip."""
    code = coding(image)
    kind = np.dtype("<u2") if code.bits == 16 else np.dtype("u1")
    return _gzip(np.rint((image.turned - np.float32(code.low)) / np.float32(code.step)).astype(kind))


def packed_mask(mask: Layer) -> bytes:
    """The values of all voxels, a byte each, the index to the patient's right running fastest, gzip."""
    return _gzip(mask.turned.astype(np.uint8))


def moved(mask: Layer, grid: Grid, *, outside: int = 0) -> Layer:
    """A mask on another grid by where its voxels are (nearest neighbour); `outside` where it does not reach."""
    to_own = np.linalg.inv(mask.grid.affine) @ grid.affine
    data = affine_transform(mask.data, to_own[:3, :3], to_own[:3, 3], output_shape=grid.shape, order=0, cval=outside)
    return Layer(data, grid)


def colour(value: int) -> tuple[int, int, int]:
    """Of a label value; tasks with more labels than colours use them again."""
    return COLOURS[(value - 1) % len(COLOURS) + 1]


def legend(labels: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"name": n, "value": v, "colour": "#{:02x}{:02x}{:02x}".format(*colour(v))} for n, v in labels.items()]


def _gzip(turned: NDArray[Any]) -> bytes:
    return gzip.compress(turned.tobytes(order="F"), 1, mtime=0)
