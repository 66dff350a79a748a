"""Reference label maps of all BraTS years -> ours: 1 necrotic and non-enhancing core, 2 oedema, 3 enhancing tumour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lib.errors import GridMismatchError, InputError
from lib.studies.volumes import Grid, read_grid, read_values

BRATS_2021_ENHANCING = 4  # BraTS 2018 to 2021 write 4, BraTS 2023 on writes 3
ENHANCING = 3


def normalise_label(values: NDArray[np.floating], name: str, *, known: int) -> NDArray[np.uint8]:
    """Label values of any BraTS year -> contiguous 0..`known`, 4 becoming 3.

    Raises:
        InputError: values that are not whole, 3 and 4 together, or values that the task does not have.
    """
    found = np.unique(values)
    if not np.array_equal(found, np.round(found)):
        raise InputError(f"label {name} has fractional values, expected whole numbers 0 to {known}")
    present = {int(v) for v in found}
    if BRATS_2021_ENHANCING in present and known == ENHANCING:
        if ENHANCING in present:
            raise InputError(f"label {name} has both 3 and 4, expected one value for enhancing tumour")
        values = np.where(values == BRATS_2021_ENHANCING, ENHANCING, values)
        present = (present - {BRATS_2021_ENHANCING}) | {ENHANCING}
    unknown = sorted(present - set(range(known + 1)))
    if unknown:
        raise InputError(f"label {name} has the values {unknown}, expected 0 to {known} (4 for enhancing is accepted)")
    return values.astype(np.uint8)


def read_label(path: Path, *, known: int, reference: Grid | None = None) -> tuple[NDArray[np.uint8], Grid]:
    """A label file as (D, H, W) uint8 and its grid.

    Raises:
        InputError: unreadable or of unknown values.
        GridMismatchError: not on `reference`.
    """
    grid = read_grid(path)
    if reference is not None and not grid.matches(reference):
        raise GridMismatchError(
            f"label {path.name} is {grid.describe()} but its image is {reference.describe()}, expected the same grid"
        )
    return normalise_label(read_values(path, grid), path.name, known=known), grid
