"""NRRD headers, as Slicer and OHIF write them -> grids, and their voxels, and back (http://teem.sourceforge.net/nrrd)."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, cast

import nrrd  # type: ignore[import-untyped]  # pynrrd has no types
import numpy as np
from numpy.typing import NDArray

from ccsd.common.errors import InputError, first_line
from ccsd.imaging.content import MAX_TRAILING, Kind, kind_of, named_beside, read_all, unpacked
from ccsd.imaging.grid import Grid, checked_affine, checked_shape

MAX_LINE, MAX_LINES = 2**16, 2**14  # of a header: bytes a line, lines
LARGEST = 8  # bytes of a voxel
# Signs that turn the axes of a NRRD `space` into RAS+.
_TO_RAS = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
}
_SEGMENT_NAME = re.compile(r"segment(\d{1,6})_name")
_FAILURES = (
    nrrd.NRRDError, OSError, EOFError, ValueError, TypeError, KeyError, IndexError, StopIteration, zlib.error
)  # fmt: skip


@dataclass(frozen=True)
class Segment:
    """Voxels of `value` in a layer (0 where there is but one) are called `name`."""

    name: str
    value: int
    layer: int = 0


def nrrd_segments(path: Path) -> tuple[Segment, ...]:
    """What a `.seg.nrrd` of Slicer calls its values; empty for other files. Slicer 4 wrote a layer a segment, and
    neither layers nor values.

    Raises:
        InputError: no readable NRRD header, or a value or layer that is no number.
    """
    if kind_of(path) is not Kind.NRRD:
        return ()
    header = {str(key).lower(): value for key, value in read_nrrd_header(path).items()}
    numbers = sorted(int(found[1]) for key in header if (found := _SEGMENT_NAME.fullmatch(key)))
    layered = len(header.get("sizes", ())) > 3
    return tuple(
        Segment(
            str(header[f"segment{n}_name"]).strip(),
            _number(path, header, f"segment{n}_labelvalue", 1),
            _number(path, header, f"segment{n}_layer", place) if layered else 0,
        )
        for place, n in enumerate(numbers)
    )


def _number(path: Path, header: Mapping[str, Any], key: str, missing: int) -> int:
    try:
        return int(header.get(key, missing))
    except (TypeError, ValueError):
        raise InputError(f"{path.name} has the {key} {header[key]!r} in its header, expected a whole number") from None


def read_nrrd_header(path: Path) -> dict[str, Any]:
    """The header's fields as pynrrd gives them.

    Raises:
        InputError: no readable NRRD header, or voxels in another file.
    """
    return _read_header(path)[0]


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The fields, and where they end."""
    try:
        with unpacked(path) as stream:
            read = iter(lambda: stream.readline(MAX_LINE).decode("utf-8", "replace").rstrip(), "")
            lines = list(islice(read, MAX_LINES))
            end = stream.tell()
        header: dict[str, Any] = dict(nrrd.read_header([line + "\n" for line in lines]))
    except _FAILURES as error:
        raise InputError(f"{path.name} cannot be read as a NRRD image ({first_line(error)})") from error
    _voxels_of(path, header)
    return header, end


def _voxels_of(path: Path, header: Mapping[str, Any]) -> Path:
    """The file that holds the voxels: this one, or the one beside it that the header names."""
    name = header.get("data file") or header.get("datafile")
    return path if name is None else named_beside(path, str(name))


def nrrd_grid(path: Path, *, thin: bool = False) -> tuple[Grid, int]:
    """The grid of a NRRD file and its number of channels (1 for a 3D image).

    Args:
        thin: axes of one voxel are taken too.

    Raises:
        InputError: not a 3D image, or one of several channels, in a known space.
    """
    header = read_nrrd_header(path)
    sizes = tuple(int(n) for n in header.get("sizes", ()))
    space = str(header.get("space", "")).lower()
    if space not in _TO_RAS:
        raise InputError(
            f"{path.name} has {f'the space {space}' if space else 'no space'}, expected one of {list(_TO_RAS)}"
        )
    try:
        directions = np.array(header["space directions"], dtype=np.float64)  # (axes, 3), a row of NaN: no space axis
        origin = np.array(header["space origin"], dtype=np.float64)
    except (KeyError, ValueError, TypeError):
        raise InputError(f"{path.name} has no space directions and space origin, expected both") from None
    if directions.shape != (len(sizes), 3) or origin.shape != (3,):
        raise InputError(f"{path.name} has space directions of shape {directions.shape}, expected three axes in space")
    spatial = ~np.isnan(directions).any(axis=1)
    channels = [n for n, s in zip(sizes, spatial, strict=True) if not s]
    if spatial.sum() != 3 or len(channels) > 1:
        raise InputError(f"{path.name} has sizes {sizes}, expected a 3D image")
    affine = np.eye(4)
    affine[:3, :3] = directions[spatial].T
    affine[:3, 3] = origin
    affine = np.diag([*_TO_RAS[space], 1.0]) @ affine
    shape = checked_shape(path.name, tuple(n for n, s in zip(sizes, spatial, strict=True) if s), thin=thin)
    count = channels[0] if channels else 1
    if count > 1:
        checked_shape(path.name, (shape[0], shape[1], shape[2] * count), thin=thin)
    return Grid(shape, checked_affine(path.name, affine)), count


def nrrd_values(path: Path) -> NDArray[np.generic]:
    """Voxels with the channel axis, where there is one, last: (D, H, W) or (D, H, W, C). Call `nrrd_grid` before, it
    checks the declared size.

    Raises:
        InputError: a damaged file.
    """
    header, end = _read_header(path)
    voxels = _voxels_of(path, header)
    header = {name: value for name, value in header.items() if name not in ("data file", "datafile")}
    try:
        data = _read_voxels(voxels, end if voxels == path else 0, header)
    except _FAILURES as error:
        raise InputError(f"{voxels.name} is damaged: its voxels cannot be read ({first_line(error)})") from error
    directions = np.array(header["space directions"], dtype=np.float64)
    free = np.flatnonzero(np.isnan(directions).any(axis=1))
    return np.moveaxis(data, int(free[0]), -1) if len(free) else data


def _read_voxels(voxels: Path, start: int, header: dict[str, Any]) -> NDArray[np.generic]:
    """What follows the header, unpacked to not much more than it declares."""
    limit = int(np.prod(header["sizes"])) * LARGEST + MAX_TRAILING
    with unpacked(voxels) as stream:
        stream.seek(start)
        if header.get("encoding") in ("gzip", "gz") and not header.get("byte skip", header.get("byteskip")):
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb"))
            header = {**header, "encoding": "raw"}
        data: NDArray[np.generic] = nrrd.read_data(header, read_all(stream, limit), index_order="F")
    return data


def write_nrrd(
    path: Path,
    data: NDArray[np.generic],
    grid: Grid,
    *,
    compress: bool = False,
    provenance: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write (D, H, W) as NRRD in LPS, as ITK does. Raises OSError where there is no room.

    Args:
        provenance: how `data` came about, kept as keys and values (`ccsd model:=...`).
    """
    to_lps = np.array([-1.0, -1.0, 1.0])
    header = {
        "space": "left-posterior-superior",
        "space directions": (grid.affine[:3, :3] * to_lps[:, None]).T,  # a row an axis
        "space origin": grid.affine[:3, 3] * to_lps,
        "kinds": ["domain"] * 3,
        "encoding": "gzip" if compress else "raw",
        **{f"ccsd {name}": value for name, value in provenance.items()},
    }
    nrrd.write(str(path), np.ascontiguousarray(data), header, index_order="F")
