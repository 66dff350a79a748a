"""Reading and writing images: NIfTI files <-> arrays with an affine, checked before anything is computed."""

from __future__ import annotations

import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from lib.errors import GridMismatchError, InputError

MAX_VOXELS = 512**3  # far above any clinical brain scan; refused from the header, before memory is taken
GRID_TOLERANCE = 0.1  # voxels by which the corners of two grids may differ


@dataclass(frozen=True)
class Grid:
    """Where voxels are: `shape` (D, H, W) and `affine` (4, 4), voxel index -> RAS+ mm."""

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Voxel edges in mm, (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    def matches(self, other: Grid) -> bool:
        """Same shape, and all corners within GRID_TOLERANCE voxels of each other."""
        if self.shape != other.shape:
            return False
        corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
        corners[:, :3] *= np.array(self.shape) - 1
        distance = np.linalg.norm((corners @ (self.affine - other.affine).T)[:, :3], axis=1)
        return bool(distance.max() <= GRID_TOLERANCE * self.spacing.min())

    def describe(self) -> str:
        """For messages: `240x240x155 of 1.00x1.00x1.00 mm`."""
        shape = "x".join(map(str, self.shape))
        return f"{shape} of {'x'.join(f'{s:.2f}' for s in self.spacing)} mm"


@dataclass(frozen=True)
class Volume:
    """An image: `data` (D, H, W) on `grid`."""

    data: NDArray[np.float32]
    grid: Grid


def read_grid(path: Path) -> Grid:
    """The grid of an image file, from its header.

    Raises:
        InputError: not a readable 3D NIfTI image of a sane size.
    """
    image = _open(path)
    return Grid(_shape3(path, image.shape), np.asarray(image.affine, dtype=np.float64))


def read_volume(path: Path) -> Volume:
    """An image file as float32.

    Raises:
        InputError: not a readable 3D image, or its values are complex, not finite or all equal.
    """
    grid = read_grid(path)
    data = read_values(path, grid)
    if not np.isfinite(data).all():
        raise InputError(f"{path.name} has values that are NaN or infinite, expected finite intensities")
    if data.min() == data.max():
        raise InputError(f"{path.name} is constant ({data.flat[0]:g} everywhere), expected an MR image")
    return Volume(data, grid)


def read_study(files: dict[str, Path], *, asked: Path) -> dict[str, Volume]:
    """All of `files` (modality -> file), which must lie on the grid of the asked image.

    Raises:
        GridMismatchError: a file on another grid.
        InputError: a file that cannot be read.
    """
    reference = read_grid(asked)
    grids = {m: read_grid(path) for m, path in files.items()}
    for modality, grid in grids.items():
        if not grid.matches(reference):
            raise GridMismatchError(
                f"{files[modality].name} ({modality}) is {grid.describe()} but {asked.name} is "
                f"{reference.describe()}, expected all modalities of a study on one grid"
            )
    return {m: read_volume(path) for m, path in files.items()}


def write_volume(path: Path, data: NDArray[np.generic], grid: Grid) -> None:
    """Write NIfTI to a temporary name in the same folder, then rename: never a half-written `path`."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-", suffix=".nii.gz")
    os.close(handle)
    try:
        image = nib.nifti1.Nifti1Image(data, grid.affine)
        image.header.set_xyzt_units("mm")
        nib.loadsave.save(image, temporary)
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner reads
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _open(path: Path) -> nib.nifti1.Nifti1Image:
    try:
        image = nib.loadsave.load(path)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path.name} cannot be read as a NIfTI image ({_first_line(error)})") from error
    if not isinstance(image, nib.nifti1.Nifti1Image):
        raise InputError(f"{path.name} is a {type(image).__name__}, expected a NIfTI image")
    return image


def _shape3(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
    shape = shape[:3] if len(shape) > 3 and set(shape[3:]) == {1} else shape
    if len(shape) != 3 or min(shape) < 2:
        raise InputError(f"{path.name} has shape {shape}, expected a 3D image")
    if np.prod(shape, dtype=np.int64) > MAX_VOXELS:
        raise InputError(f"{path.name} declares shape {shape}, expected at most {MAX_VOXELS} voxels")
    return (int(shape[0]), int(shape[1]), int(shape[2]))


def read_values(path: Path, grid: Grid) -> NDArray[np.float32]:
    """Voxel values as float32 (D, H, W), whatever they are.

    Raises:
        InputError: complex or colour values, or a damaged file.
    """
    image = _open(path)
    if np.issubdtype(image.get_data_dtype(), np.complexfloating):
        raise InputError(f"{path.name} holds complex values, expected magnitudes")
    if image.get_data_dtype().names:
        raise InputError(f"{path.name} holds colours, expected intensities")
    try:
        data = np.asanyarray(image.dataobj, dtype=np.float32)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path.name} is damaged: its voxels cannot be read ({_first_line(error)})") from error
    return data.reshape(grid.shape)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
