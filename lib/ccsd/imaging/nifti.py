"""NIfTI, Analyze and MGH files, single or in two parts -> grids, voxels, and what their headers say of places."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK
from nibabel.analyze import AnalyzeHeader
from nibabel.arrayproxy import ArrayProxy
from nibabel.freesurfer.mghformat import MGHHeader
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from ccsd.common.errors import InputError, first_line
from ccsd.common.files import scratch
from ccsd.imaging import filenames
from ccsd.imaging.content import (
    MAX_TRAILING,
    UNPACKING_FAILURES,
    Kind,
    beside,
    kind_of,
    read_declared,
    unpacked,
)
from ccsd.imaging.grid import Grid, checked_affine, checked_shape

MAX_CHANNELS = 64
# What a NIfTI header says of where voxels are; readers differ in which of it they take.
PLACE_FIELDS = (
    "pixdim", "xyzt_units", "qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
    "sform_code", "srow_x", "srow_y", "srow_z",
)  # fmt: skip
_CLASSES: dict[Kind, Any] = {
    Kind.NIFTI1: nib.nifti1.Nifti1Header,
    Kind.NIFTI2: nib.nifti2.Nifti2Header,
    Kind.PAIR1: nib.nifti1.Nifti1PairHeader,
    Kind.PAIR2: nib.nifti2.Nifti2PairHeader,
    Kind.ANALYZE: nib.spm2analyze.Spm2AnalyzeHeader,
    Kind.MGH: MGHHeader,
}
_IN_TWO = (Kind.PAIR1, Kind.PAIR2, Kind.ANALYZE)
_FAILURES = (HeaderDataError, ValueError, OverflowError, *UNPACKING_FAILURES)


def nifti_grid(path: Path, *, thin: bool = False) -> tuple[Grid, int]:
    """The grid of a file and its number of channels (1 for a 3D image).

    Args:
        thin: axes of one voxel are taken too.

    Raises:
        InputError: not a readable image of three axes, or of four with channels last, or not of intensities.
    """
    header, _ = _header(path)
    shape = tuple(int(n) for n in header.get_data_shape())
    channels = shape[3] if len(shape) == 4 and 1 < shape[3] <= MAX_CHANNELS else 1
    space = checked_shape(path.name, shape[:3] if channels > 1 else shape, thin=thin)
    if channels > 1:
        checked_shape(path.name, (space[0], space[1], space[2] * channels), thin=thin)
    return Grid(space, checked_affine(path.name, _affine(path, header))), channels


def nifti_values(path: Path, channel: int | None = None) -> NDArray[np.float32]:
    """Voxels with the channel axis, where there is one, last; or one channel alone. Call `nifti_grid` before, it checks
    the declared size.

    Raises:
        InputError: a damaged file, or one without its other part.
    """
    header, kind = _header(path)
    voxels = beside(path, filenames.strip_extension(path.name), (".img", ".img.gz")) if kind in _IN_TWO else path
    several = channel is not None and len(header.get_data_shape()) == 4
    try:
        declared = header.get_data_offset() + int(np.prod(header.get_data_shape())) * header.get_data_dtype().itemsize
        content = ArrayProxy(read_declared(voxels, declared), header)
        return np.asanyarray(content[(Ellipsis, channel) if several else ...], dtype=np.float32)
    except _FAILURES as error:
        raise InputError(
            f"{voxels.name} is damaged: its voxels cannot be read ({first_line(error, voxels)})"
        ) from error


def place_fields(path: Path) -> dict[str, Any]:
    """PLACE_FIELDS as the header of a NIfTI file has them, or as they say the same as an Analyze file's; none for other
    formats."""
    if kind_of(path) in (Kind.MGH, Kind.NRRD, Kind.META):
        return {}
    header, kind = _header(path)
    if kind is Kind.ANALYZE:
        edges = np.abs(np.asarray(header["pixdim"])) * ([0, 1, 1, 1] + [0] * 4) + np.eye(8)[0]
        return {} if header["origin"].any() else {**dict.fromkeys(PLACE_FIELDS, 0), "pixdim": edges}
    return {field: np.asarray(header[field]) for field in PLACE_FIELDS}


def placed_header(header: Nifti1Header, like: Path) -> Nifti1Header | None:
    """The same header with the place that the file `like` gives its voxels, field by field; None for other formats than
    NIfTI."""
    fields = place_fields(like)
    placed = header.copy()
    for field, value in fields.items():
        placed[field] = value
    return placed if fields else None


def shown_grid(like: Path, grid: Grid) -> Grid:
    """Where ITK, and with it Slicer and OHIF, put the voxels of a file that nibabel puts on `grid`."""
    header = Nifti1Header()
    header.set_data_shape(grid.shape)
    header.set_data_dtype(np.uint8)
    placed = placed_header(header, like)
    affine = _affine_by_itk(placed) if placed else None
    return grid if affine is None else Grid(grid.shape, affine)


def _affine_by_itk(header: Nifti1Header) -> NDArray[np.float64] | None:
    """RAS+; None where ITK takes no such header (sheared axes)."""
    header["vox_offset"] = header.single_vox_offset
    with tempfile.TemporaryDirectory(prefix=scratch("header")) as folder:
        file = Path(folder, "header.nii")
        file.write_bytes(header.binaryblock + bytes(4))
        reader = SimpleITK.ImageFileReader()
        reader.SetFileName(str(file))
        try:
            reader.ReadImageInformation()
        except RuntimeError:
            return None
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(reader.GetDirection(), (3, 3)) * reader.GetSpacing()
    affine[:3, 3] = reader.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _header(path: Path) -> tuple[Any, Kind]:
    kind = kind_of(path)
    header_class = _CLASSES[kind]
    size = header_class.template_dtype.itemsize
    try:
        with unpacked(path) as stream:
            header = header_class(stream.read(size))
        dtype, offset = header.get_data_dtype(), header.get_data_offset()
        if offset > MAX_TRAILING:
            raise HeaderDataError(f"its voxels begin at byte {offset}")
    except _FAILURES as error:
        raise InputError(f"{path.name} cannot be read as a {kind.value} image ({first_line(error, path)})") from error
    if np.issubdtype(dtype, np.complexfloating):
        raise InputError(f"{path.name} holds complex values, expected magnitudes")
    if dtype.names:
        raise InputError(f"{path.name} holds colours, expected intensities")
    if isinstance(header, Nifti1Header) and header.is_single and not offset:
        header.set_data_offset(header.single_vox_offset)
    return header, kind


def _affine(path: Path, header: AnalyzeHeader | MGHHeader) -> NDArray[np.float64]:
    try:
        return np.asarray(header.get_best_affine(), dtype=np.float64)
    except _FAILURES as error:
        raise InputError(
            f"{path.name} has no usable position ({first_line(error, path)}), expected axes in mm"
        ) from None
