"""Two T1 images of one protocol that nothing else tells apart -> before and after contrast agent, by their pixels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ccsd.common.errors import InputError
from ccsd.imaging.sources import Source
from ccsd.imaging.volumes import Volume, read_source
from ccsd.studies.enhancement import is_after

COARSE = 2.0  # mm, enough to see what enhances


def shows_more(other: Source, one: Source) -> bool | None:
    """Whether `other` is after contrast agent where `one` is before it; None: that cannot be told, or
    they cannot be read. They are held against each other where the scanner's coordinates have them."""
    if not (other.path.is_file() and one.path.is_file()):
        return None
    return _compared(other, other.path.stat().st_mtime_ns, one, one.path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _compared(other: Source, _other_changed: int, one: Source, _one_changed: int) -> bool | None:
    try:
        first, second = read_source(one), read_source(other)
    except InputError:
        return None
    step = np.maximum(1, np.round(COARSE / first.grid.spacing)).astype(int)
    return is_after(_on(first, second, step), np.asarray(first.data[:: step[0], :: step[1], :: step[2]], np.float32))


def _on(grid_of: Volume, volume: Volume, step: NDArray[np.int_]) -> NDArray[np.float32]:
    """A volume on each `step`th voxel of another's grid; zero outside."""
    coarse = grid_of.grid.affine @ np.diag([*step, 1.0])
    matrix = np.linalg.inv(volume.grid.affine) @ coarse
    shape = tuple(-(-n // s) for n, s in zip(grid_of.grid.shape, step, strict=True))
    data = np.asarray(volume.data, np.float32)
    sampled: NDArray[np.float32] = ndimage.affine_transform(data, matrix[:3, :3], matrix[:3, 3], shape, order=1)
    return sampled
