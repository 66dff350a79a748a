"""A contact sheet: one row an image, its middle slices in three planes, its name and a note above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ccsd.imaging.grid import Volume
from ccsd.pictures.planes import PLANES, to_ras, upright

TITLE = 16  # pixels of a line of text


@dataclass(frozen=True)
class Row:
    """An image with its two lines of text; without a volume the row is text alone."""

    title: str
    note: str
    volume: Volume | None


def contact_sheet(rows: Sequence[Row], *, edge: int = 220) -> Image.Image:
    """The rows under each other; pictures of `edge` pixels follow the radiological convention (patient's right on the
    left) and true proportions."""
    height = 2 * TITLE
    heights = [height + (edge if row.volume else 0) for row in rows]
    sheet = Image.new("L", (edge * len(PLANES), max(1, sum(heights))))
    draw = ImageDraw.Draw(sheet)
    top = 0
    for row, tall in zip(rows, heights, strict=True):
        draw.text((4, top + 1), _latin(row.title), fill=255)
        draw.text((4, top + TITLE), _latin(row.note), fill=170)
        if row.volume:
            for column, tile in enumerate(_tiles(row.volume, edge)):
                sheet.paste(tile, (column * edge, top + height))
        top += tall
    return sheet


def _tiles(volume: Volume, edge: int) -> list[Image.Image]:
    """The middle slices."""
    turned, spacing = to_ras(volume.data, volume.grid)
    return [_tile(turned, plane.axis, spacing, edge) for plane in PLANES.values()]


def _tile(image: NDArray[np.float32], axis: int, spacing: NDArray[np.float64], edge: int) -> Image.Image:
    cut = upright(image, axis, image.shape[axis] // 2)
    low, high = np.percentile(cut, (1, 99.5))
    grey = np.clip((cut - low) / max(float(high - low), 1e-6), 0, 1) * 255
    width, height = (image.shape[a] * spacing[a] for a in range(3) if a != axis)
    scale = edge / max(width, height)
    tile = Image.fromarray(grey.astype(np.uint8)).resize((max(1, int(width * scale)), max(1, int(height * scale))))
    square = Image.new("L", (edge, edge))
    square.paste(tile, ((edge - tile.width) // 2, (edge - tile.height) // 2))
    return square


def _latin(text: str) -> str:
    """What Pillow's built-in font can draw."""
    return text.encode("latin-1", "replace").decode("latin-1")
