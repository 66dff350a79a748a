"""Reading and writing images: files and DICOM series <-> arrays with an affine, checked before they are computed."""

from __future__ import annotations

import gzip
import io
import json
import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from lib.errors import InputError
from lib.files import replacing, scratch
from lib.studies.dicom_volume import read_series, series_grid
from lib.studies.grid import GRID_TOLERANCE, MAX_VOXELS, Grid, Volume, checked_affine, checked_shape
from lib.studies.nrrd_file import nrrd_grid, nrrd_values
from lib.studies.sources import Source

if TYPE_CHECKING:
    from lib.studies.study import Study

__all__ = [
    "GRID_TOLERANCE",
    "MAX_VOXELS",
    "Grid",
    "Volume",
    "read_grid",
    "read_source",
    "read_sources",
    "read_stack_grid",
    "read_values",
    "read_volume",
    "source_grid",
    "temporary_image",
    "write_volume",
]
MAX_CHANNELS = 64
MAX_TRAILING = 2**26  # bytes after the voxels that a file may have
PIECE = 2**20  # bytes that are unpacked at a time
_FAILURES = (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, OverflowError, zlib.error)


def read_grid(path: Path) -> Grid:
    """The grid of an image file, from its header.

    Raises:
        InputError: not a readable 3D image of a sane size.
    """
    grid, channels = read_stack_grid(path)
    if channels > 1:
        raise InputError(f"{path.name} has shape {(*grid.shape, channels)}, expected a 3D image")
    return grid


def read_stack_grid(path: Path) -> tuple[Grid, int]:
    """The grid of an image file and how many channels lie on it (1 for a 3D image), from its header.

    Raises:
        InputError: not a readable image of three axes, or of four with channels last, or not of a sane size.
    """
    if path.name.lower().endswith(".nrrd"):
        return nrrd_grid(path)
    image = _open(path)
    shape = tuple(int(n) for n in image.shape)
    channels = shape[3] if len(shape) == 4 and 1 < shape[3] <= MAX_CHANNELS else 1
    space = checked_shape(path.name, shape[:3] if channels > 1 else shape)
    if channels > 1:
        checked_shape(path.name, (space[0], space[1], space[2] * channels))
    return Grid(space, checked_affine(path.name, np.asarray(image.affine, dtype=np.float64))), channels


def read_values(path: Path, grid: Grid, channel: int | None = None) -> NDArray[np.float32]:
    """Voxel values as float32 (D, H, W), whatever they are.

    Args:
        channel: which one of a 4D file.

    Raises:
        InputError: complex or colour values, no such channel, or a damaged file.
    """
    if path.name.lower().endswith(".nrrd"):
        values = nrrd_values(path)
        return values[_index(path, values.shape, channel)].astype(np.float32).reshape(grid.shape)
    image = _open(path)
    if np.issubdtype(image.get_data_dtype(), np.complexfloating):
        raise InputError(f"{path.name} holds complex values, expected magnitudes")
    if image.get_data_dtype().names:
        raise InputError(f"{path.name} holds colours, expected intensities")
    index = _index(path, image.shape, channel)
    try:
        image = _verified(path, image)
        data = np.asanyarray(image.dataobj[index], dtype=np.float32)
    except _FAILURES as error:
        raise InputError(f"{path.name} is damaged: its voxels cannot be read ({_first_line(error, path)})") from error
    return data.reshape(grid.shape)


def read_volume(path: Path, channel: int | None = None) -> Volume:
    """An image file as float32.

    Raises:
        InputError: not a readable 3D image, or its values are complex, not finite or all equal.
    """
    grid = read_grid(path) if channel is None else read_stack_grid(path)[0]
    return _usable(Volume(read_values(path, grid, channel), grid), path.name)


def source_grid(source: Source) -> Grid:
    """Where the voxels of a source are, from headers.

    Raises:
        InputError: it cannot be read, or is no regular 3D image.
    """
    if source.series is not None:
        return series_grid(source.series, source.name, source.frames)
    return read_grid(source.path) if source.channel is None else read_stack_grid(source.path)[0]


def read_source(source: Source) -> Volume:
    """The image that a source is.

    Raises:
        InputError: it cannot be read, or its values are not those of an MR image.
    """
    if source.series is not None:
        return _usable(read_series(source.series, source.name, source.frames), source.name)
    return read_volume(source.path, source.channel)


def read_sources(sources: Mapping[str, Source]) -> dict[str, Volume]:
    """Modality -> volume, each on the grid that it was stored on: as-scanned studies have one a series. They are
    decompressed side by side.

    Raises:
        InputError: a source that cannot be read.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(sources))) as pool:
        return dict(zip(sources, pool.map(read_source, sources.values()), strict=True))


def read_asked(study: Study, asked: Path) -> tuple[dict[str, Volume], str]:
    """All images of a study, each on its own grid, and which of them is the asked one: its modality, or its name if it
    is none of the modalities (its volume is then there too). For a folder: the first modality.

    Raises:
        InputError: an image that cannot be read.
    """
    volumes = read_sources(study.sources)
    name = next((m for m, s in study.sources.items() if s.holds(asked)), None)
    if name is not None:
        return volumes, name
    left_out = (*study.spare, *study.unknown, *study.refused)
    source = next((o.source for o in left_out if o.source.holds(asked)), None)
    if source is None and asked.is_dir():
        return volumes, next(iter(volumes))
    source = source or Source(asked)
    return {**volumes, source.name: read_source(source)}, source.name


def write_volume(
    path: Path,
    data: NDArray[np.generic],
    grid: Grid,
    *,
    like: Path | None = None,
    made: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write NIfTI to a temporary name in the same folder, then rename: never a half-written `path`.

    Args:
        like: image on the same grid whose header says where voxels are. Where its qform and sform differ, readers
            differ in which they take: with the same two, they put `data` where they put the image.
        made: how `data` came about, `model` and `modalities` among it: kept as a comment (an extension of code 6, JSON)
            and in short in `descrip`; readers that know neither pass them over.
    """
    image = nib.nifti1.Nifti1Image(data, grid.affine)
    image.header.set_xyzt_units("mm")
    if like is not None:
        _place_like(image, like)
    if made:
        image.header["descrip"] = f"{made['model']} from {made['modalities']}".encode()[:79]
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", json.dumps(dict(made)).encode()))
    with replacing(path) as temporary:
        nib.loadsave.save(image, temporary)


@contextmanager
def temporary_image(extension: str) -> Iterator[Path]:
    """A temporary file to write an image to, which whoever sends it removes; on an error it is removed here."""
    handle, name = tempfile.mkstemp(prefix=scratch("mask"), suffix=extension)
    os.close(handle)
    path = Path(name)
    try:
        yield path
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _place_like(image: nib.nifti1.Nifti1Image, like: Path) -> None:
    model = nib.loadsave.load(like) if like.name.endswith((".nii", ".nii.gz")) else None
    if not isinstance(model, nib.nifti1.Nifti1Pair):
        return
    qform, qcode = model.get_qform(coded=True)
    sform, scode = model.get_sform(coded=True)
    if scode or qcode:
        image.set_sform(sform if scode else None, int(scode))
        image.set_qform(qform if qcode else None, int(qcode))


def _usable(volume: Volume, name: str) -> Volume:
    if not np.isfinite(volume.data).all():
        raise InputError(f"{name} has values that are NaN or infinite, expected finite intensities")
    if volume.data.min() == volume.data.max():
        raise InputError(f"{name} is constant ({volume.data.flat[0]:g} everywhere), expected an MR image")
    return volume


def _index(path: Path, shape: tuple[int, ...], channel: int | None) -> tuple[Any, ...]:
    """What to read of (D, H, W, C), or of (D, H, W) where no channel is asked for."""
    if channel is None:
        return (Ellipsis,)
    channels = shape[3] if len(shape) == 4 else 1
    if not 0 <= channel < channels:
        raise InputError(f"{path.name} has {channels} channels, expected one with the number {channel}")
    return (Ellipsis, channel) if len(shape) == 4 else (Ellipsis,)


def _open(path: Path) -> nib.nifti1.Nifti1Image:
    try:
        image = nib.loadsave.load(path)
    except _FAILURES as error:
        raise InputError(f"{path.name} cannot be read as a NIfTI image ({_first_line(error, path)})") from error
    if not isinstance(image, nib.nifti1.Nifti1Image):
        raise InputError(f"{path.name} is a {type(image).__name__}, expected a NIfTI image")
    return image


def _verified(path: Path, image: nib.nifti1.Nifti1Image) -> nib.nifti1.Nifti1Image:
    """The same image, of which all declared bytes are there: nibabel takes memory for them first. Of a gzip file, from
    bytes that match the checksum at its end: nibabel stops reading before it.

    Raises:
        OSError: they do not, or there are fewer or far more than the header declares.
    """
    declared = int(image.dataobj.offset) + int(np.prod(image.shape)) * image.get_data_dtype().itemsize
    if not path.name.lower().endswith(".gz"):
        if path.stat().st_size < declared:
            raise OSError(f"{path.stat().st_size} bytes, the header declares {declared}")
        return image
    content = io.BytesIO()
    with gzip.open(path) as stream:
        while more := stream.read(min(PIECE, declared - content.tell())):
            content.write(more)
        if content.tell() < declared:
            raise OSError(f"{content.tell()} bytes, the header declares {declared}")
        rest = 0
        while more := stream.read(PIECE):
            rest += len(more)
            if rest > MAX_TRAILING:
                raise OSError(f"more than {declared} bytes, which the header declares")
    content.seek(0)
    verified: nib.nifti1.Nifti1Image = type(image).from_stream(content)
    return verified


def _first_line(error: BaseException, path: Path) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].replace(str(path), path.name)
