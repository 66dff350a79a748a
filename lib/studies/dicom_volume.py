"""The files of a DICOM series -> one volume: slices in the order of their positions, values rescaled, LPS to RAS.

Sources: PS3.3 C.7.6.2 Image Plane Module (position, orientation, Pixel Spacing) and C.11.1 Modality LUT (rescale).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from lib.errors import InputError
from lib.studies.dicom import ENHANCED_MR, Slice, read_slice
from lib.studies.grid import Grid, Volume, checked_affine, checked_shape

SPACING_TOLERANCE = 0.05  # relative; steps between slices may differ by this much
ORIENTATION_TOLERANCE = 1e-3  # of direction cosines, about 0.06 degrees
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def order_by_position(slices: Sequence[Slice], name: str) -> list[Slice]:
    """The slices from the first to the last along their common normal.

    Raises:
        InputError: they do not make up one volume; the sentence says why.
    """
    _check_alike(slices, name)
    normal = _normal(slices[0])
    return sorted(slices, key=lambda s: float(np.dot(s.position, normal)))


def grid_of(slices: Sequence[Slice], name: str) -> Grid:
    """The grid of ordered slices: axes are columns (x), rows (y) and slices.

    Raises:
        InputError: slices are missing, lie twice at one place or are sheared (a tilted gantry).
    """
    first = slices[0]
    shape = checked_shape(name, (first.columns, first.rows, len(slices)))
    step = _step(slices, name)
    row_cosine, column_cosine = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    affine = np.eye(4)
    affine[:3, 0] = row_cosine * first.spacing[1]  # along a row: the distance between columns
    affine[:3, 1] = column_cosine * first.spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = first.position
    return Grid(shape, checked_affine(name, LPS_TO_RAS @ affine))


def series_grid(paths: Sequence[Path], name: str) -> Grid:
    """The grid of a series' files, in any order. Raises InputError where they make up no volume."""
    return grid_of(order_by_position([read_slice(p) for p in paths], name), name)


def read_series(paths: Sequence[Path], name: str) -> Volume:
    """A series' files, in any order, as one volume: float32 (columns, rows, slices), in the units after rescaling.

    Raises:
        InputError: they make up no volume, or their voxels cannot be read.
    """
    slices = order_by_position([read_slice(p) for p in paths], name)
    grid = grid_of(slices, name)
    data = np.empty(grid.shape, dtype=np.float32)
    for index, piece in enumerate(slices):
        data[:, :, index] = _pixels(piece).T  # pixel arrays are (rows, columns)
    return Volume(data, grid)


def _check_alike(slices: Sequence[Slice], name: str) -> None:
    first = slices[0]
    if first.modality not in ("MR", ""):
        raise InputError(f"{name} is of modality {first.modality}, expected MR")
    if first.sop_class == ENHANCED_MR or any(s.frames > 1 for s in slices):
        raise InputError(f"{name} is an enhanced multi-frame image, expected one file a slice")
    if any(s.samples > 1 for s in slices):
        raise InputError(f"{name} holds colours, expected intensities")
    if len(slices) < 2:
        raise InputError(f"{name} has {len(slices)} slice, expected a volume")
    for piece in slices:
        if (
            len(piece.position) != 3
            or len(piece.orientation) != 6
            or len(piece.spacing) != 2
            or min(piece.spacing) <= 0
        ):
            raise InputError(f"{name} has a slice without position, orientation or spacing ({piece.path.name})")
        if (piece.rows, piece.columns) != (first.rows, first.columns):
            raise InputError(
                f"{name} mixes slices of {first.columns}x{first.rows} and {piece.columns}x{piece.rows} pixels"
            )
        if not np.allclose(piece.spacing, first.spacing, rtol=1e-3):
            raise InputError(f"{name} mixes pixel spacings of {first.spacing} and {piece.spacing} mm")
        if not np.allclose(piece.orientation, first.orientation, atol=ORIENTATION_TOLERANCE):
            raise InputError(f"{name} mixes slices of several orientations")
    cosines = np.array(first.orientation).reshape(2, 3)
    if not np.allclose(cosines @ cosines.T, np.eye(2), atol=1e-2):
        raise InputError(f"{name} has an ImageOrientationPatient that is no pair of unit vectors at right angles")


def _normal(piece: Slice) -> NDArray[np.float64]:
    return np.cross(piece.orientation[:3], piece.orientation[3:])


def _step(slices: Sequence[Slice], name: str) -> NDArray[np.float64]:
    """From one slice to the next, (3,) in LPS mm."""
    positions = np.array([s.position for s in slices])  # (n, 3)
    normal = _normal(slices[0])
    heights = positions @ normal
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    if (gaps < 0.01).any():
        same = int((gaps < 0.01).sum())
        raise InputError(f"{name} has {same} slices at the place of another (echoes, time points or b-values in one)")
    if gaps.max() > usual * (1 + SPACING_TOLERANCE) or gaps.min() < usual * (1 - SPACING_TOLERANCE):
        missing = int(np.maximum(np.rint(gaps / usual) - 1, 0).sum())
        guess = f", about {missing} slices are missing" if missing else ""
        raise InputError(
            f"{name} has slices {gaps.min():.2f} to {gaps.max():.2f} mm apart{guess}, expected equal steps"
        )
    step = (positions[-1] - positions[0]) / (len(slices) - 1)
    straight = normal * float(step @ normal)
    drift = float(np.linalg.norm(step - straight)) * (len(slices) - 1)
    if drift > min(slices[0].spacing):
        raise InputError(
            f"{name} is sheared by {drift:.1f} mm (a tilted gantry), expected slices right above each other"
        )
    return straight


def _pixels(piece: Slice) -> NDArray[np.float32]:
    """(rows, columns) after RescaleSlope and RescaleIntercept."""
    try:
        image = pydicom.dcmread(piece.path)
        stored = image.pixel_array
        slope, intercept = float(image.get("RescaleSlope", 1) or 1), float(image.get("RescaleIntercept", 0) or 0)
    except Exception as error:  # pydicom raises whatever the bytes or a missing decoder provoke
        text = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(f"{piece.path.name} has voxels that cannot be read ({text})") from error
    if stored.shape != (piece.rows, piece.columns):
        raise InputError(
            f"{piece.path.name} has voxels of shape {stored.shape}, expected {(piece.rows, piece.columns)}"
        )
    return (stored.astype(np.float64) * slope + intercept).astype(np.float32)
