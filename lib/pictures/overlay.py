"""A mask over its images: one row a modality, one column a plane, through the slice with most tumour."""

from __future__ import annotations

from collections.abc import Sequence

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lib.studies.volumes import Grid

COLOURS = {1: (220, 60, 60), 2: (70, 190, 90), 3: (250, 220, 60)}  # core, oedema, enhancing
OPACITY = 0.45


def overlay(
    images: Sequence[NDArray[np.float32]], mask: NDArray[np.uint8], grid: Grid, *, edge: int = 300
) -> Image.Image:
    """Tiles of `edge` pixels: per image a row of axial, coronal and sagittal slices, plain and with the mask.

    Args:
        images, mask: (D, H, W) on `grid`. Pictures follow the radiological convention (patient's right on the left).
    """
    orientation = nib.orientations.io_orientation(grid.affine)
    turned = [nib.orientations.apply_orientation(i, orientation) for i in images]
    label = nib.orientations.apply_orientation(mask, orientation)
    spacing = grid.spacing[np.argsort(orientation[:, 0])]
    rows = [
        [_tile(image, label, axis, spacing, edge, shown) for axis in (2, 1, 0) for shown in (False, True)]
        for image in turned
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
    grey = np.clip(np.take(image, index, axis) / window, 0, 1) * 255
    picture = np.repeat(grey[..., None], 3, axis=-1)
    if with_mask:
        cut = np.take(label, index, axis)
        for value, colour in COLOURS.items():
            where = cut == value
            picture[where] = (1 - OPACITY) * picture[where] + OPACITY * np.array(colour)
    upright = np.flip(picture.transpose(1, 0, 2), axis=(0, 1)).astype(np.uint8)
    width, height = (image.shape[a] * spacing[a] for a in others)
    scale = edge / max(width, height)
    tile = Image.fromarray(upright).resize((max(1, int(width * scale)), max(1, int(height * scale))))
    square = Image.new("RGB", (edge, edge))
    square.paste(tile, ((edge - tile.width) // 2, (edge - tile.height) // 2))
    return square
