"""A mask over its images: one row a modality, one column a plane, through the slice with most tumour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ccsd.imaging.volumes import Grid
from ccsd.method.task import COLOURS
from ccsd.pictures.planes import PLANES, to_ras, upright

OPACITY = 0.45


def overlay(
    images: Sequence[NDArray[np.float32]], mask: NDArray[np.uint8], grid: Grid, *, edge: int = 300
) -> Image.Image:
    """Tiles of `edge` pixels: per image a row of axial, coronal and sagittal slices, plain and with the mask.

    Args:
        images, mask: (D, H, W) on `grid`. Pictures follow the radiological convention (patient's right on the left).
    """
    label, spacing = to_ras(mask, grid)
    rows = [
        [
            _tile(to_ras(i, grid)[0], label, plane.axis, spacing, edge, s)
            for plane in PLANES.values()
            for s in (False, True)
        ]
        for i in images
    ]
    sheet = Image.new("RGB", (edge * len(rows[0]), edge * len(rows)))
    for y, row in enumerate(rows):
        for x, tile in enumerate(row):
            sheet.paste(tile, (x * edge, y * edge))
    return sheet


def _tile(
    image: NDArray[np.float32],
    label: NDArray[np.uint8],
    axis: int,
    spacing: NDArray[np.float64],
    edge: int,
    with_mask: bool,
) -> Image.Image:
    """One slice of RAS-ordered arrays, scaled to true proportions inside a square."""
    others = tuple(a for a in range(3) if a != axis)
    index = int((label > 0).sum(axis=others).argmax()) if label.any() else image.shape[axis] // 2
    window = float(np.percentile(image[image > 0], 99.5)) if (image > 0).any() else 1.0
    grey = np.clip(upright(image, axis, index) / window, 0, 1) * 255
    picture = np.repeat(grey[..., None], 3, axis=-1)
    if with_mask:
        cut = upright(label, axis, index)
        for value, colour in COLOURS.items():
            where = cut == value
            picture[where] = (1 - OPACITY) * picture[where] + OPACITY * np.array(colour)
    width, height = (image.shape[a] * spacing[a] for a in others)
    scale = edge / max(width, height)
    tile = Image.fromarray(picture.astype(np.uint8)).resize((max(1, int(width * scale)), max(1, int(height * scale))))
    square = Image.new("RGB", (edge, edge))
    square.paste(tile, ((edge - tile.width) // 2, (edge - tile.height) // 2))
    return square
