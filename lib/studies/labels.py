"""Reference label maps, as clients and data sets write them -> the values of a task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lib.errors import GridMismatchError, InputError
from lib.studies.volumes import Grid, read_grid, read_values


def normalise_label(
    values: NDArray[np.floating], name: str, *, known: int, aliases: Mapping[int, int]
) -> NDArray[np.uint8]:
    """Label values -> contiguous 0..`known`, an alias (BraTS's 4) becoming what it stands for (3).

    Raises:
        InputError: values that are not whole, an alias together with what it stands for, or unknown values.
    """
    found = np.unique(values)
    if not np.array_equal(found, np.round(found)):
        raise InputError(f"label {name} has fractional values, expected whole numbers 0 to {known}")
    present = {int(v) for v in found}
    for alias, value in aliases.items():
        if alias in present:
            if value in present:
                raise InputError(f"label {name} has both {value} and {alias}, which stand for the same, expected one")
            values = np.where(values == alias, value, values)
            present = (present - {alias}) | {value}
    unknown = sorted(present - set(range(known + 1)))
    if unknown:
        accepted = "".join(f" ({alias} is accepted for {value})" for alias, value in aliases.items())
        raise InputError(f"label {name} has the values {unknown}, expected 0 to {known}{accepted}")
    return values.astype(np.uint8)


def read_label(
    path: Path, *, known: int, aliases: Mapping[int, int], reference: Grid | None = None
) -> tuple[NDArray[np.uint8], Grid]:
    """A label file as (D, H, W) uint8 with values 0..`known`, and its grid.

    Raises:
        InputError: unreadable or of unknown values.
        GridMismatchError: not on `reference`.
    """
    grid = read_grid(path)
    if reference is not None and not grid.matches(reference):
        raise GridMismatchError(
            f"label {path.name} is {grid.describe()} but its image is {reference.describe()}, expected the same grid"
        )
    return normalise_label(read_values(path, grid), path.name, known=known, aliases=aliases), grid
