"""A mask and its map of agreement over images: a row a modality, three planes through the slice with most tumour."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ccsd.imaging.volumes import Grid
from ccsd.method.task import COLOURS
from ccsd.pictures.planes import PLANES, to_ras, upright

OPACITY = 0.45
RAMP = ((90, 0, 70), (170, 20, 60), (213, 94, 0), (240, 170, 40), (250, 235, 130))
"""Of agreement from 0 to 1, which itself is clear; as on the page (server/page/static/viewer.js)."""


def overlay(
    images: Sequence[NDArray[np.float32]],
    mask: NDArray[np.uint8],
    grid: Grid,
    *,
    agreement: NDArray[np.float32] | None = None,
    edge: int = 300,
) -> Image.Image:
    """Tiles of `edge` pixels: per image a row of axial, coronal and sagittal slices, plain and with the mask. With a
    map of agreement its colours lie over the plain slices, where it is below 1.

    Args:
        images, mask, agreement: (D, H, W) on `grid`. Pictures follow the radiological convention (patient's right on
            the left).
    """
    label, spacing = to_ras(mask, grid)
    layers = [_ramp(to_ras(agreement, grid)[0]) if agreement is not None else None, _coloured(label)]
    rows = [
        [
            _tile(to_ras(i, grid)[0], layer, plane.axis, _most(label, plane.axis), spacing, edge)
            for plane in PLANES.values()
            for layer in layers
        ]
        for i in images
    ]
    sheet = Image.new("RGB", (edge * len(rows[0]), edge * len(rows)))
    for y, row in enumerate(rows):
        for x, tile in enumerate(row):
            sheet.paste(tile, (x * edge, y * edge))
    return sheet


Painter = Callable[[NDArray[np.float64], int, int], None]
"""Changes a picture (height, width, RGB) of the slice `index` across `axis`."""


def _coloured(label: NDArray[np.uint8]) -> Painter:
    def paint(picture: NDArray[np.float64], axis: int, index: int) -> None:
        cut = upright(label, axis, index)
        for value, colour in COLOURS.items():
            where = cut == value
            picture[where] = (1 - OPACITY) * picture[where] + OPACITY * np.array(colour)

    return paint


def _ramp(agreement: NDArray[np.float32]) -> Painter:
    def paint(picture: NDArray[np.float64], axis: int, index: int) -> None:
        cut = upright(agreement, axis, index)
        where, stops = cut < 1, np.linspace(0, 1, len(RAMP))
        picture[where] = np.stack([np.interp(cut[where], stops, channel) for channel in zip(*RAMP, strict=True)], -1)

    return paint


def _most(label: NDArray[np.uint8], axis: int) -> int:
    """The slice with most tumour, or the middle one."""
    others = tuple(a for a in range(3) if a != axis)
    return int((label > 0).sum(axis=others).argmax()) if label.any() else label.shape[axis] // 2


def _tile(
    image: NDArray[np.float32],
    paint: Painter | None,
    axis: int,
    index: int,
    spacing: NDArray[np.float64],
    edge: int,
) -> Image.Image:
    """One slice of RAS-ordered arrays, scaled to true proportions inside a square."""
    others = tuple(a for a in range(3) if a != axis)
    window = float(np.percentile(image[image > 0], 99.5)) if (image > 0).any() else 1.0
    grey = np.clip(upright(image, axis, index) / window, 0, 1) * 255
    picture = np.repeat(grey[..., None].astype(np.float64), 3, axis=-1)
    if paint:
        paint(picture, axis, index)
    width, height = (image.shape[a] * spacing[a] for a in others)
    scale = edge / max(width, height)
    tile = Image.fromarray(picture.astype(np.uint8)).resize((max(1, int(width * scale)), max(1, int(height * scale))))
    square = Image.new("RGB", (edge, edge))
    square.paste(tile, ((edge - tile.width) // 2, (edge - tile.height) // 2))
    return square
