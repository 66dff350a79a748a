"""The three slices of a report: an image with the outlines of a mask's regions, in mm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import find_contours

from ccsd.imaging.grid import Volume
from ccsd.method.task import Task
from ccsd.pictures.contours import COLOURS
from ccsd.pictures.planes import PLANES, Plane, to_ras, upright

FINE = 3  # pixels of a picture for one voxel
ROOM = 4  # voxels around what is not background
DARK = 0.05  # of the window, up to which it is background
DASHES = ((), (4, 2), ())  # of the regions, in their order

Line = list[tuple[float, float]]  # points, mm from the left and from the top


@dataclass(frozen=True)
class Panel:
    """One slice: `width` and `height` in mm, and the `contours` of each region in the task's order."""

    name: str
    plane: Plane
    index: int
    slices: int
    picture: Image.Image
    width: float
    height: float
    contours: tuple[list[Line], ...]


def panels_of(image: Volume, mask: NDArray[np.uint8], task: Task) -> list[Panel]:
    """The slice of each plane with most of the mask; of an empty one the middle slice."""
    turned, spacing = to_ras(image.data, image.grid)
    label, _ = to_ras(mask, image.grid)
    inside = image.data[image.data > image.data.min()]
    window = np.percentile(inside, (1, 99.5)) if inside.size else np.array([0.0, 1.0])
    return [_panel(name, plane, turned, label, spacing, window, task) for name, plane in PLANES.items()]


def line_of(region: int) -> tuple[tuple[int, int, int], Sequence[Any]]:
    """Colour and dashes of the region with this number."""
    return COLOURS[region % len(COLOURS)], (DASHES[region % len(DASHES)],)


def _panel(
    name: str,
    plane: Plane,
    turned: NDArray[np.float32],
    label: NDArray[np.uint8],
    spacing: NDArray[np.float64],
    window: NDArray[np.float64],
    task: Task,
) -> Panel:
    across, down = (float(spacing[a]) for a in range(3) if a != plane.axis)
    others = tuple(a for a in range(3) if a != plane.axis)
    slices = turned.shape[plane.axis]
    index = int((label > 0).sum(axis=others).argmax()) if label.any() else slices // 2
    cut, drawn = upright(turned, plane.axis, index), upright(label, plane.axis, index)
    box = _content(cut > window[0] + DARK * (window[1] - window[0]), drawn)
    cut, drawn = cut[box], drawn[box]
    rows, columns = cut.shape
    level = np.clip((cut - window[0]) / max(float(window[1] - window[0]), 1e-6), 0, 1) * 255
    size = (round(columns * across / min(across, down)) * FINE, round(rows * down / min(across, down)) * FINE)
    picture = Image.fromarray(level.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    contours = tuple(_lines(np.isin(drawn, values), across, down) for values in task.regions.values())
    return Panel(name, plane, index, slices, picture, columns * across, rows * down, contours)


def _lines(inside: NDArray[np.bool_], across: float, down: float) -> list[Line]:
    """The border between pixels, half-way; closed at the picture's edge too."""
    found = find_contours(np.pad(inside, 1).astype(np.float32), 0.5)
    return [[((column - 0.5) * across, (row - 0.5) * down) for row, column in line] for line in found]


def _content(bright: NDArray[np.bool_], drawn: NDArray[np.uint8]) -> tuple[slice, slice]:
    """The box around what is brighter than the background, or drawn."""
    seen = bright | (drawn > 0)
    if not seen.any():
        return slice(None), slice(None)
    spans = [np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0)]
    rows, columns = (slice(max(0, int(s[0]) - ROOM), int(s[-1]) + ROOM + 1) for s in spans)
    return rows, columns
