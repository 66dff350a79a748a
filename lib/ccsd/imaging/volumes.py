"""Reading and writing images: files and DICOM series <-> arrays with an affine, checked before they are computed."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ccsd.common.errors import InputError
from ccsd.common.files import replacing, scratch
from ccsd.imaging.content import Kind, kind_of
from ccsd.imaging.dicom_volume import read_series, series_grid
from ccsd.imaging.finite import finite
from ccsd.imaging.grid import GRID_TOLERANCE, MAX_VOXELS, Grid, Volume
from ccsd.imaging.metaimage import meta_grid, meta_values
from ccsd.imaging.nifti import nifti_grid, nifti_values, placed_header, shown_grid
from ccsd.imaging.nrrd import nrrd_grid, nrrd_values
from ccsd.imaging.sources import Source

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
    "shown_grid",
    "source_grid",
    "temporary_image",
    "write_volume",
]


def read_grid(path: Path) -> Grid:
    """The grid of an image file, from its header.

    Raises:
        InputError: not a readable 3D image of a sane size.
    """
    grid, channels = read_stack_grid(path)
    if channels > 1:
        raise InputError(f"{path.name} has shape {(*grid.shape, channels)}, expected a 3D image")
    return grid


def read_stack_grid(path: Path, *, thin: bool = False) -> tuple[Grid, int]:
    """The grid of an image file and how many channels lie on it (1 for a 3D image), from its header, in whichever
    format the file really is.

    Args:
        thin: axes of one voxel are taken too.

    Raises:
        InputError: not a readable image of three axes, or of four with channels last, or not of a sane size.
    """
    kind = kind_of(path)
    if kind is Kind.NRRD:
        return nrrd_grid(path, thin=thin)
    return meta_grid(path, thin=thin) if kind is Kind.META else nifti_grid(path, thin=thin)


def read_values(path: Path, grid: Grid, channel: int | None = None) -> NDArray[np.float32]:
    """Voxel values as float32 (D, H, W), whatever they are.

    Args:
        channel: which one of a 4D file.

    Raises:
        InputError: complex or colour values, no such channel, or a damaged file.
    """
    if channel is not None:
        _check_channel(path, channel)
    kind = kind_of(path)
    if kind not in (Kind.NRRD, Kind.META):
        return nifti_values(path, channel).reshape(grid.shape)
    values = nrrd_values(path) if kind is Kind.NRRD else meta_values(path)
    wanted = values[..., channel] if channel is not None and values.ndim == 4 else values
    return wanted.astype(np.float32).reshape(grid.shape)


def read_volume(path: Path, channel: int | None = None) -> Volume:
    """An image file as float32.

    Raises:
        InputError: not a readable 3D image, or its values are complex, not finite inside the brain or all equal.
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


def write_volume(
    path: Path,
    data: NDArray[np.generic],
    grid: Grid,
    *,
    like: Path | None = None,
    provenance: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write NIfTI to a temporary name in the same folder, then rename: never a half-written `path`.

    Args:
        like: image on the same grid. Where the parts of a NIfTI header that say where voxels are differ, or say
            nothing, readers differ in what they take: with the same parts, each puts `data` where it puts the image.
        provenance: how `data` came about: kept as a comment (an extension of code 6, JSON) and in short in `descrip`;
            readers that know neither pass them over.
    """
    image = nib.nifti1.Nifti1Image(data, grid.affine)
    image.header.set_xyzt_units("mm")
    if provenance:
        image.header["descrip"] = _in_short(provenance).encode()[:79]
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", json.dumps(dict(provenance)).encode()))
    if like is not None:
        # without an affine of its own nibabel leaves the fields of a header as they are
        placed = placed_header(image.header, like)
        image = nib.nifti1.Nifti1Image(data, None, placed) if placed else image
    with replacing(path) as temporary:
        nib.loadsave.save(image, temporary)


def _in_short(provenance: Mapping[str, str]) -> str:
    if "model" in provenance:
        return f"{provenance['model']} from {provenance['modalities']}"
    return ", ".join(f"{name} {value}" for name, value in provenance.items())


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


def _usable(volume: Volume, name: str) -> Volume:
    volume = finite(volume, name)
    if volume.data.min() == volume.data.max():
        raise InputError(f"{name} is constant ({volume.data.flat[0]:g} everywhere), expected an MR image")
    return volume


def _check_channel(path: Path, channel: int) -> None:
    count = read_stack_grid(path)[1]
    if not 0 <= channel < count:
        raise InputError(f"{path.name} has {count} channels, expected one with the number {channel}")
