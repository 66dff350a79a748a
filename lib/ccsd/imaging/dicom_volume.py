"""The slices of a DICOM series -> one volume: in the order of their positions, values rescaled, LPS to RAS.

A missing slice is filled from its neighbours; slices that are not right above each other (a tilted gantry) are shifted
in their planes onto a straight grid, so that readers without sheared grids (ITK, Slicer) see voxels where they were.
Sources: PS3.3 C.7.6.2 Image Plane Module (position, orientation, Pixel Spacing).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ccsd.common.errors import InputError
from ccsd.imaging.dicom_header import Slice, read_slices
from ccsd.imaging.dicom_pixels import check_decodable, values_of
from ccsd.imaging.grid import Grid, Volume, checked_affine, checked_shape

SPACING_TOLERANCE = 0.05  # relative; steps between slices may differ by this much
ORIENTATION_TOLERANCE = 1e-3  # of direction cosines, about 0.06 degrees
MAX_MISSING_TOGETHER = 2  # missing slices beside each other that are filled
MAX_FILLED_SHARE = 0.1  # of the slices of a volume; one may always be
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Layout:
    """How ordered slices lie on a grid.

    Attributes:
        slots: the grid's plane of each slice; planes of no slice are filled.
        shifts: (slices, 2) by how many columns and rows a slice's corner lies beside the grid's; 0 in a straight stack.
        notes: sentences for the user.
    """

    grid: Grid
    slices: tuple[Slice, ...]
    slots: tuple[int, ...]
    shifts: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    def on_slices(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(D, H, W) on the grid -> (slices, rows, columns), each on its own slice."""
        columns, rows = self.slices[0].columns, self.slices[0].rows
        starts = np.rint(self.shifts).astype(int)
        planes = [mask[x : x + columns, y : y + rows, k].T for k, (x, y) in zip(self.slots, starts, strict=True)]
        return np.ascontiguousarray(np.stack(planes))


def order_by_position(slices: Sequence[Slice], name: str) -> list[Slice]:
    """The slices from the first to the last along their common normal.

    Raises:
        InputError: they do not make up one volume; the sentence says why.
    """
    _check_alike(slices, name)
    normal = _normal(slices[0])
    return sorted(slices, key=lambda s: float(np.dot(s.position, normal)))


def layout_of(slices: Sequence[Slice], name: str) -> Layout:
    """The grid of slices in any order: its axes are columns (x), rows (y) and slices.

    Raises:
        InputError: they do not make up one volume; the sentence says why.
    """
    ordered = order_by_position(slices, name)
    slots, step = _slots(ordered, name)
    offsets = _offsets(ordered)  # (slices, 2) columns and rows
    sheared = bool(np.ptp(offsets, axis=0).max() > 1)
    least = np.floor(offsets.min(axis=0)) if sheared else np.zeros(2)
    shifts = offsets - least if sheared else np.zeros_like(offsets)
    more = np.ceil(shifts.max(axis=0)).astype(int)
    first = ordered[0]
    shape = checked_shape(name, (first.columns + more[0], first.rows + more[1], slots[-1] + 1))
    affine = checked_affine(name, LPS_TO_RAS @ _affine(first, step, least))
    filled, tilted = _filled(ordered, slots, name), _tilted(ordered, offsets, name) if sheared else ()
    return Layout(Grid(shape, affine), tuple(ordered), slots, shifts, (*filled, *tilted))


def series_grid(paths: Sequence[Path], name: str, frames: Sequence[int | None] | None = None) -> Grid:
    """The grid of a series' files, in any order. Raises InputError where they make up no volume."""
    return layout_of(slices_of(paths, frames), name).grid


def read_series(paths: Sequence[Path], name: str, frames: Sequence[int | None] | None = None) -> Volume:
    """A series' files, in any order, as one volume: float32 (columns, rows, slices), in the units after rescaling.

    Args:
        frames: which frame of each path (None: all frames of all files).

    Raises:
        InputError: they make up no volume, or their voxels cannot be read.
    """
    layout = layout_of(slices_of(paths, frames), name)
    data = np.empty(layout.grid.shape, dtype=np.float32)
    places = {id(s): (k, shift) for s, k, shift in zip(layout.slices, layout.slots, layout.shifts, strict=True)}
    for piece, values in values_of(layout.slices):
        slot, shift = places[id(piece)]
        data[:, :, slot] = _shifted(values.T, shift, layout.grid.shape[:2])  # pixel arrays are (rows, columns)
    _fill(data, layout.slots)
    return Volume(data, layout.grid)


def slices_of(paths: Sequence[Path], frames: Sequence[int | None] | None = None) -> list[Slice]:
    """The headers of files, or of one frame of each."""
    if frames is None:
        return [piece for path in paths for piece in read_slices(path)]
    return [read_slices(path)[frame or 0] for path, frame in zip(paths, frames, strict=True)]


def _check_alike(slices: Sequence[Slice], name: str) -> None:
    first = slices[0]
    if first.modality not in ("MR", ""):
        raise InputError(f"{name} is of modality {first.modality}, expected MR")
    check_decodable(first, name)
    if any(s.frames > 1 and s.frame is None for s in slices):
        raise InputError(f"{name} holds several frames that do not say where they lie, expected an enhanced MR image")
    if any(s.samples > 1 for s in slices):
        raise InputError(f"{name} holds colours, expected intensities")
    if len(slices) < 2:
        raise InputError(f"{name} has {len(slices)} slice, expected a volume")
    for piece in slices:
        _check_piece(piece, first, name)
    cosines = np.array(first.orientation).reshape(2, 3)
    if not np.allclose(cosines @ cosines.T, np.eye(2), atol=1e-2):
        raise InputError(f"{name} has an ImageOrientationPatient that is no pair of unit vectors at right angles")


def _check_piece(piece: Slice, first: Slice, name: str) -> None:
    lengths = len(piece.position), len(piece.orientation), len(piece.spacing)
    if lengths != (3, 6, 2) or min(piece.spacing) <= 0:
        raise InputError(f"{name} has a slice without position, orientation or spacing ({piece.path.name})")
    if (piece.rows, piece.columns) != (first.rows, first.columns):
        sizes = f"{first.columns}x{first.rows} and {piece.columns}x{piece.rows}"
        raise InputError(f"{name} mixes slices of {sizes} pixels")
    if not np.allclose(piece.spacing, first.spacing, rtol=1e-3):
        raise InputError(f"{name} mixes pixel spacings of {first.spacing} and {piece.spacing} mm")
    if not np.allclose(piece.orientation, first.orientation, atol=ORIENTATION_TOLERANCE):
        raise InputError(f"{name} mixes slices of several orientations")


def _normal(piece: Slice) -> NDArray[np.float64]:
    return np.cross(piece.orientation[:3], piece.orientation[3:])


def _slots(slices: Sequence[Slice], name: str) -> tuple[tuple[int, ...], float]:
    """The plane of each ordered slice, and the step between planes in mm along the normal."""
    heights = np.array([s.position for s in slices]) @ _normal(slices[0])
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    if (gaps < 0.01).any():
        same = int((gaps < 0.01).sum())
        raise InputError(f"{name} has {same} slices at the place of another (echoes, time points or b-values in one)")
    steps = np.maximum(np.rint(gaps / usual), 1)
    missing = int(steps.sum()) - len(gaps)
    uneven = np.abs(gaps - steps * usual).max() > usual * SPACING_TOLERANCE
    if uneven or steps.max() > MAX_MISSING_TOGETHER + 1 or missing > max(1, MAX_FILLED_SHARE * len(slices)):
        guess = f", about {missing} slices are missing" if missing else ""
        found = f"{gaps.min():.2f} to {gaps.max():.2f} mm apart{guess}"
        raise InputError(f"{name} has slices {found}, expected equal steps")
    slots = (0, *(int(k) for k in np.cumsum(steps)))
    return slots, float(heights[-1] - heights[0]) / slots[-1]


def _offsets(slices: Sequence[Slice]) -> NDArray[np.float64]:
    """By how many columns and rows each slice's corner lies beside that of the first, in the plane: (slices, 2)."""
    first = slices[0]
    cosines = np.array(first.orientation).reshape(2, 3)
    spacing = np.array([first.spacing[1], first.spacing[0]])  # along a row: the distance between columns
    away = np.array([s.position for s in slices]) - np.array(first.position)
    return (away @ cosines.T) / spacing


def _affine(first: Slice, step: float, corner: NDArray[np.float64]) -> NDArray[np.float64]:
    """LPS; `corner`: the grid's first column and row, counted from those of the first slice."""
    affine = np.eye(4)
    affine[:3, 0] = np.array(first.orientation[:3]) * first.spacing[1]
    affine[:3, 1] = np.array(first.orientation[3:]) * first.spacing[0]
    affine[:3, 2] = _normal(first) * step
    affine[:3, 3] = np.array(first.position) + affine[:3, :2] @ corner
    return affine


def _filled(slices: Sequence[Slice], slots: Sequence[int], name: str) -> tuple[str, ...]:
    gaps = [i for i in range(1, len(slots)) if slots[i] - slots[i - 1] > 1]
    return tuple(
        f"{name} lacks {slots[i] - slots[i - 1] - 1} of {slots[-1] + 1} slices, number {slots[i - 1] + 2} from "
        f"{_place(slices[i - 1])} to {_place(slices[i])}: filled from its neighbours"
        for i in gaps
    )


def _place(piece: Slice) -> str:
    return piece.path.name if piece.frame is None else f"frame {piece.frame + 1}"


def _tilted(slices: Sequence[Slice], offsets: NDArray[np.float64], name: str) -> tuple[str]:
    spacing = np.array([slices[0].spacing[1], slices[0].spacing[0]])
    drift = float(np.linalg.norm(np.ptp(offsets * spacing, axis=0)))
    return (f"{name} is sheared by {drift:.1f} mm (a tilted gantry): resampled to slices right above each other",)


def _shifted(plane: NDArray[np.float32], shift: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """(columns, rows) moved by `shift` within a plane of `shape`; what lies outside is as dark as the darkest."""
    if plane.shape == shape and not shift.any():
        return plane
    dark = float(plane.min())
    whole = np.full(shape, dark, dtype=np.float32)
    whole[: plane.shape[0], : plane.shape[1]] = plane
    moved: NDArray[np.float32] = ndimage.shift(whole, shift, order=1, mode="constant", cval=dark)
    return moved


def _fill(data: NDArray[np.float32], slots: Sequence[int]) -> None:
    """Planes of no slice, between their neighbours."""
    for below, above in pairwise(slots):
        for k in range(below + 1, above):
            share = (k - below) / (above - below)
            data[:, :, k] = (1 - share) * data[:, :, below] + share * data[:, :, above]
