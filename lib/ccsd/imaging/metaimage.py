"""MetaImage files (.mha, or .mhd with .raw or .zraw beside it; BraTS 2012 to 2015) -> grids and voxels.

Source: https://itk.org/Wiki/MetaIO/Documentation. Positions are LPS, as ITK takes them.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ccsd.common.errors import InputError, first_line
from ccsd.imaging.content import PIECE, UNPACKING_FAILURES, named_beside, read_declared, unpacked
from ccsd.imaging.grid import Grid, checked_affine, checked_shape

_TYPES = {
    "CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4", "LONG": "i4", "ULONG": "u4",
    "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4", "DOUBLE": "f8",
}  # fmt: skip
_MAX_HEADER = 2**16


@dataclass(frozen=True)
class MetaHeader:
    """Fields by name, as text, and where the header ends."""

    fields: dict[str, str]
    end: int

    def text(self, *names: str, default: str = "") -> str:
        """The first of the names that the header has: MetaIO knows several for one thing."""
        return next((self.fields[n] for n in names if n in self.fields), default)

    def numbers(self, *names: str, default: str = "") -> list[float]:
        return [float(word) for word in self.text(*names, default=default).split()]

    def says(self, *names: str) -> bool:
        return self.text(*names).lower() in ("true", "t", "1", "yes")

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.numbers("DimSize"))

    @property
    def channels(self) -> int:
        """On an axis of their own, before the others in the file, or the fourth of the others."""
        return int(self.text("ElementNumberOfChannels", default="1"))


def meta_grid(path: Path, *, thin: bool = False) -> tuple[Grid, int]:
    """The grid of a file and its number of channels (1 for a 3D image).

    Args:
        thin: axes of one voxel are taken too.

    Raises:
        InputError: not a readable image of three axes, or of four with channels last.
    """
    header = _read_header(path)
    try:
        shape, channels = header.shape, header.channels
        if len(shape) == 4 and channels == 1:
            shape, channels = header.shape[:3], header.shape[3]
        affine = _affine(header, axes=len(header.shape))
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path.name} cannot be read as a MetaImage ({first_line(error, path)})") from error
    space = checked_shape(path.name, shape, thin=thin)
    if channels > 1:
        checked_shape(path.name, (space[0], space[1], space[2] * channels), thin=thin)
    return Grid(space, checked_affine(path.name, affine)), max(channels, 1)


def meta_values(path: Path) -> NDArray[np.generic]:
    """Voxels with the channel axis, where there is one, last: (D, H, W) or (D, H, W, C). Call `meta_grid` before, it
    checks the declared size.

    Raises:
        InputError: a damaged file, voxels elsewhere than beside it, or of another kind.
    """
    header = _read_header(path)
    dtype = _dtype(path, header)
    size = dtype.itemsize * int(np.prod(header.shape)) * header.channels
    name = header.text("ElementDataFile")
    voxels = path if name.upper() == "LOCAL" else named_beside(path, name)
    try:
        start = _start(header, voxels, path, size)
        content = _inflated(voxels, start, size) if header.says("CompressedData") else _stored(voxels, start, size)
    except (*UNPACKING_FAILURES, ValueError, OverflowError) as error:
        raise InputError(
            f"{voxels.name} is damaged: its voxels cannot be read ({first_line(error, voxels)})"
        ) from error
    data = np.frombuffer(content, dtype).reshape((header.channels, *header.shape), order="F")
    return data[0] if header.channels == 1 else np.moveaxis(data, 0, -1)


def _read_header(path: Path) -> MetaHeader:
    fields: dict[str, str] = {}
    try:
        with unpacked(path) as stream:
            while "ElementDataFile" not in fields:
                line = stream.readline(_MAX_HEADER)
                if not line or stream.tell() > _MAX_HEADER:
                    raise InputError(f"{path.name} cannot be read as a MetaImage (it has no ElementDataFile)")
                name, _, value = line.decode("utf-8", "replace").partition("=")
                fields[name.strip()] = value.strip()
            return MetaHeader(fields, stream.tell())
    except UNPACKING_FAILURES as error:
        raise InputError(f"{path.name} is damaged: it cannot be read ({first_line(error, path)})") from error


def _affine(header: MetaHeader, *, axes: int) -> NDArray[np.float64]:
    identity = " ".join(str(int(i == j)) for i in range(axes) for j in range(axes))
    directions = np.array(header.numbers("TransformMatrix", "Rotation", "Orientation", default=identity))
    spacing = np.array(header.numbers("ElementSpacing", "ElementSize", default=" ".join(["1"] * axes)))
    origin = np.array(header.numbers("Offset", "Position", "Origin", default=" ".join(["0"] * axes)))
    directions = directions.reshape(axes, axes)[:3, :3]  # a row an axis of the image
    affine = np.eye(4)
    affine[:3, :3] = directions.T * spacing[:3]
    affine[:3, 3] = origin[:3]
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _dtype(path: Path, header: MetaHeader) -> np.dtype[np.generic]:
    name = header.text("ElementType").removeprefix("MET_").removesuffix("_ARRAY")
    if name not in _TYPES:
        raise InputError(f"{path.name} has voxels of the type {name or 'none'}, expected one of {', '.join(_TYPES)}")
    if header.text("BinaryData") and not header.says("BinaryData"):
        raise InputError(f"{path.name} keeps its voxels as text, expected binary data")
    big = header.says("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
    return np.dtype(_TYPES[name]).newbyteorder(">" if big else "<")


def _start(header: MetaHeader, voxels: Path, path: Path, size: int) -> int:
    """Where the voxels begin; HeaderSize -1 says that they are at the file's end."""
    if voxels == path:
        return header.end
    declared = int(header.text("HeaderSize", default="0"))
    return voxels.stat().st_size - size if declared < 0 else declared


def _stored(voxels: Path, start: int, size: int) -> bytes:
    if start < 0:
        raise OSError(f"{size + start} bytes, the header declares {size}")
    return read_declared(voxels, start + size).getvalue()[start:]


def _inflated(voxels: Path, start: int, size: int) -> bytes:
    """Unpacked by zlib, to no more than the declared size; its checksum is at the end."""
    unpacking = zlib.decompressobj()
    with unpacked(voxels) as stream:
        stream.seek(start)
        content = bytearray()
        while not unpacking.eof and (more := unpacking.unconsumed_tail or stream.read(PIECE)):
            content += unpacking.decompress(more, max(1, size + 1 - len(content)))
            if len(content) > size:
                raise OSError(f"more than {size} bytes, which the header declares")
    if not unpacking.eof or len(content) < size:
        raise OSError(f"{len(content)} bytes, the header declares {size}")
    return bytes(content)
