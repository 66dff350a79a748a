"""Whether an image shows a skull, told by its rim and its size in cross-section, whatever the air around it holds.

Under the scalp, bright in most contrasts, lies the skull, dark in all: from the outline inwards the brightness rises
and falls. A brain alone has its dark fluid at the rim and no such ring. A head's cross-section is larger, too. Neither
alone is enough: fluid is bright on T2, and marrow is bright on T1.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ccsd.imaging.volumes import Volume

Plane = NDArray[np.float32]

SLICES, APART = 5, 5.0  # around the largest cross-section, mm between them
STEP = 1.5  # mm in the plane; finer is not needed
TISSUE = 0.08  # of the brightest: air is darker
RING = 2.0  # mm a layer, from the outline inwards
SCALP, SKULL = range(1, 5), range(2, 9)  # layers in which each may lie
FEWEST = 50  # voxels of a layer
HEAD = 3.2  # dm2 of cross-section and the drop of brightness under the scalp, added; measured in docs/notebook.md


def shows_skull(volume: Volume) -> bool:
    """Whether there is a head; an image without an outline (a piece of a brain) shows none."""
    return head_score(volume) > HEAD


def head_score(volume: Volume) -> float:
    """The larger, the more of a head."""
    planes = list(_planes(volume))
    bright = float(np.percentile(np.concatenate([plane.ravel() for plane, _ in planes]), 99.5))
    outlines = [_outline(plane > TISSUE * bright) for plane, _ in planes]
    area = max(o.sum() * step[0] * step[1] for o, (_, step) in zip(outlines, planes, strict=True)) / 1e4
    return float(area + _drop([(p, o, step) for (p, step), o in zip(planes, outlines, strict=True)]))


def _planes(volume: Volume) -> Iterator[tuple[Plane, tuple[float, float]]]:
    """Slices around the largest cross-section, with mm a voxel: as acquired, axial where it covers the whole head."""
    spacing = volume.grid.spacing
    extent = spacing * volume.grid.shape
    axial = int(np.abs(volume.grid.affine[2, :3] / spacing).argmax())
    across = int(extent.argmin()) if extent.min() < 100 else axial
    data = np.moveaxis(volume.data, across, 0)
    first, second = (max(1, round(STEP / mm)) for mm in np.delete(spacing, across))
    apart = max(1, round(APART / spacing[across]))
    coarse = data[::apart, :: 3 * first, :: 3 * second]
    middle = apart * int((coarse > TISSUE * coarse.max()).sum(axis=(1, 2)).argmax())
    mm = np.delete(spacing, across) * (first, second)
    for place in range(middle - SLICES // 2 * apart, middle + SLICES // 2 * apart + 1, apart):
        if 0 <= place < len(data):
            yield data[place, ::first, ::second], (float(mm[0]), float(mm[1]))


def _outline(tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest part with all that it encloses; a thin scalp encloses the rest."""
    closed = ndimage.binary_closing(np.pad(tissue, 4), iterations=3)[4:-4, 4:-4]
    filled = ndimage.binary_fill_holes(closed | tissue)
    parts, count = ndimage.label(ndimage.binary_opening(filled, iterations=2))
    if not count:
        return np.zeros_like(tissue)
    return np.asarray(parts == 1 + int(np.bincount(parts.ravel())[1:].argmax()))


def _drop(planes: list[tuple[Plane, NDArray[np.bool_], tuple[float, float]]]) -> float:
    """How many times as bright as a layer below it a layer of scalp is; 0 where there is no outline to go from."""
    whole = [(p, o, step) for p, o, step in planes if not o.all()]
    if not whole:
        return 0.0
    depths = np.concatenate([_depth(o, step)[o] for _, o, step in whole])
    values = np.concatenate([plane[o] for plane, o, _ in whole])
    layers = (depths // RING).astype(int)
    medians = {n: float(np.median(values[layers == n])) for n in range(9) if (layers == n).sum() >= FEWEST}
    pairs = [(medians[a], medians[b]) for a in SCALP for b in SKULL if a < b and a in medians and b in medians]
    return max((a / max(b, 1e-3 * a) for a, b in pairs if a > 0), default=0.0)


def _depth(outline: NDArray[np.bool_], step: tuple[float, float]) -> NDArray[np.float64]:
    """mm to the outline; where it leaves the image there is none."""
    return np.asarray(ndimage.distance_transform_edt(np.pad(outline, 1, mode="edge"), sampling=step)[1:-1, 1:-1])
