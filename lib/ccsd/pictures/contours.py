"""Contours of a mask and of its reference over the images, on the slice with most of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ccsd.imaging.volumes import Grid
from ccsd.method import task
from ccsd.pictures.planes import PLANES, to_ras, upright

REFERENCE = (255, 255, 255)
COLOURS = (*(task.COLOURS[value] for value in task.BRATS.region_labels.values()), (204, 121, 167))
"""Of the regions in their order: each has that of the label which it alone has; one more for other tasks."""
ZOOM = 2  # pixels a millimetre
DASH = 3  # pixels of a dash of the reference's contours: where the mask's coincide, both are seen


def contour_strip(
    images: Sequence[NDArray[np.float32]],
    mask: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    regions: Mapping[str, Sequence[int]],
    grid: Grid,
) -> Image.Image:
    """The images side by side, one axial slice: dashed white for the reference's regions, coloured for the mask's.

    Args:
        images, mask, reference: (D, H, W) on `grid`. Pictures follow the radiological convention (patient's right on
            the left) and are cropped to the images' content.
    """
    turned, spacing = to_ras(reference if reference.any() else mask, grid)
    width, height = (round(turned.shape[i] * spacing[i] * ZOOM) for i in (0, 1))

    def cut(volume: NDArray[np.generic], index: int) -> NDArray[np.generic]:
        return upright(to_ras(volume, grid)[0], PLANES["axial"].axis, index)

    index = int((turned > 0).sum(axis=(0, 1)).argmax()) if turned.any() else turned.shape[2] // 2
    tiles = []
    for image in images:
        grey = cut(image, index).astype(np.float32)
        window = float(np.percentile(image[image > 0], 99.5)) if (image > 0).any() else 1.0
        level = (np.clip(grey / window, 0, 1) * 255).astype(np.uint8)
        tile = np.asarray(Image.fromarray(level).resize((width, height), Image.Resampling.BILINEAR))
        picture = np.repeat(tile[..., None], 3, axis=-1)
        dashes = (np.add.outer(*map(np.arange, picture.shape[:2])) // DASH) % 2 == 0
        for colours, label, drawn in ((COLOURS, mask, True), ((REFERENCE,) * len(regions), reference, dashes)):
            for colour, values in zip(colours, regions.values(), strict=False):
                inside = Image.fromarray(np.isin(cut(label, index), values)).resize((width, height))
                filled = np.asarray(inside)
                picture[filled & ~ndimage.binary_erosion(filled) & drawn] = colour
        tiles.append(picture)
    return Image.fromarray(np.concatenate([t[_content(tiles)] for t in tiles], axis=1))


def _content(tiles: Sequence[NDArray[np.uint8]]) -> tuple[slice, slice]:
    """The box around what is not black in any of the tiles (all of it where all is black)."""
    seen = np.any([t.any(axis=-1) for t in tiles], axis=0)
    spans = [np.nonzero(seen.any(axis=axis))[0] for axis in (1, 0)]
    rows, columns = (slice(s.min(), s.max() + 1) if len(s) else slice(None) for s in spans)
    return rows, columns
