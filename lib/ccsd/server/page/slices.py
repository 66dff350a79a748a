"""Images and masks of the page's viewer: voxels in memory -> PNG slices in the radiological convention."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ccsd.common.errors import InputError
from ccsd.imaging.grid import Grid, Volume
from ccsd.method.task import COLOURS
from ccsd.pictures.planes import PLANES, Plane, positions, to_ras, upright

SAMPLE = 500_000  # voxels that the percentiles of an image are taken from


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

    @cached_property
    def percentiles(self) -> NDArray[np.float64]:
        """0 to 100 in steps of half a percent, of what is above the darkest value (the air around a stripped brain)."""
        sample = self.data.ravel(order="K")[:: max(1, self.data.size // SAMPLE)]
        inside = sample[sample > sample.min()]
        return np.percentile(inside if inside.size else sample, np.linspace(0, 100, 201))


def layer_of(volume: Volume) -> Layer:
    return Layer(volume.data, volume.grid)


def planes(layer: Layer) -> dict[str, dict[str, Any]]:
    """By plane: how many slices, the picture's size in mm and the letters at its edges; `at`, the place in the patient
    of the first slice and the step to the next, mm; `start`, the slice to show first: of a mask the one with most of
    it, of an image the middle one; `extent` of a mask, the first and the last slice that have some of it."""
    turned, spacing = to_ras(layer.data, layer.grid)
    mask = turned.dtype == np.uint8 and turned.any()
    found = {}
    for name, plane in PLANES.items():
        others = tuple(a for a in range(3) if a != plane.axis)
        width, height = (float(turned.shape[a] * spacing[a]) for a in others)
        marked = (turned > 0).sum(axis=others) if mask else np.zeros(0)
        found[name] = {
            "slices": turned.shape[plane.axis],
            "mm": [round(width, 2), round(height, 2)],
            "edges": {"left": plane.left, "right": plane.right, "top": plane.top, "bottom": plane.bottom},
            "at": [round(mm, 3) for mm in positions(layer.grid)[plane.axis]],
            "start": int(marked.argmax()) if mask else turned.shape[plane.axis] // 2,
            "extent": [int(i) for i in np.flatnonzero(marked)[[0, -1]]] if mask else None,
        }
    return found


def grey_png(image: Layer, plane: str, index: int, *, low: float, high: float) -> bytes:
    """One slice, black at the `low` and white at the `high` percentile.

    Raises:
        InputError: no such plane or slice, or percentiles that are not 0 <= low < high <= 100.
    """
    if not 0 <= low < high <= 100:
        raise InputError(f"low is {low:g} and high is {high:g}, expected percentiles with 0 <= low < high <= 100")
    cut = _cut(image, plane, index)
    black, white = np.interp((low, high), np.linspace(0, 100, 201), image.percentiles)
    grey = np.clip((cut - black) / max(float(white - black), 1e-6), 0, 1) * 255
    return _png(Image.fromarray(grey.astype(np.uint8)))


def mask_png(mask: Layer, plane: str, index: int) -> bytes:
    """One slice in the colours of `colours`, clear where there is no label. Raises InputError as `grey_png`."""
    picture = Image.fromarray(np.ascontiguousarray(_cut(mask, plane, index)))
    picture.putpalette([0, 0, 0, *(c for value in range(1, 256) for c in colour(value))])
    return _png(picture, transparency=0)


def colour(value: int) -> tuple[int, int, int]:
    """Of a label value; tasks with more labels than colours use them again."""
    return COLOURS[(value - 1) % len(COLOURS) + 1]


def legend(labels: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"name": n, "value": v, "colour": "#{:02x}{:02x}{:02x}".format(*colour(v))} for n, v in labels.items()]


def _cut(layer: Layer, plane: str, index: int) -> NDArray[Any]:
    axis = _plane(plane).axis
    count = layer.turned.shape[axis]
    if not 0 <= index < count:
        raise InputError(f"index is {index}, expected 0 to {count - 1} for {plane} slices")
    return upright(layer.turned, axis, index)


def _plane(name: str) -> Plane:
    if name not in PLANES:
        raise InputError(f"plane is {name!r}, expected one of {', '.join(PLANES)}")
    return PLANES[name]


def _png(picture: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1, **options)
    return buffer.getvalue()
