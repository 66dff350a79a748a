"""A head with skull and scalp around the phantom's brain, and a scanner that takes it in any position on any grid."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from ccsd.demo.phantom import PhantomConfig, make_phantom
from ccsd.imaging.volumes import Grid, Volume

SCALP = {"t1": 900.0, "t1ce": 950.0, "t2": 700.0, "flair": 600.0}
SKULL = 25.0  # bone is dark in all of them


@dataclass(frozen=True)
class Head:
    """`volumes` with skull and scalp, `brain` and `label`, all on the grid that `volumes` have (2 mm)."""

    volumes: dict[str, Volume]
    brain: Volume
    label: Volume

    def scanned(self, name: str, grid: Grid, moved: NDArray[np.float64]) -> Volume:
        """The series as a scanner takes it on `grid` while the head is `moved`: (4, 4), head mm -> scanner mm."""
        return Volume(sampled(self.volumes[name], grid, np.linalg.inv(moved), order=1), grid)


def sampled(volume: Volume, grid: Grid, matrix: NDArray[np.float64], *, order: int) -> NDArray[np.float32]:
    """`volume` at the voxels of `grid` through `matrix`, grid mm -> volume mm; by scipy, not by what is tested."""
    index = np.linalg.inv(volume.grid.affine) @ matrix @ grid.affine
    return ndimage.affine_transform(volume.data, index, output_shape=grid.shape, order=order, output=np.float32)


def moved_by(degrees: tuple[float, float, float], shift: tuple[float, float, float]) -> NDArray[np.float64]:
    """Turned about the scanner's axes, then shifted by mm."""
    return nib.affines.from_matvec(nib.eulerangles.euler2mat(*np.radians(degrees[::-1])), shift)


def thick_grid(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    *,
    axes: str = "LAS",
    tilt: tuple[float, float, float] = (0, 0, 0),
) -> Grid:
    """A grid around the head's middle; `axes` are nibabel's codes, `tilt` degrees of obliqueness."""
    turn = nib.orientations.axcodes2ornt(tuple(axes))
    matrix = np.zeros((3, 3))
    for column, (row, sign) in enumerate(turn):
        matrix[int(row), column] = sign * spacing[column]
    matrix = moved_by(tilt, (0, 0, 0))[:3, :3] @ matrix
    middle = np.array([0.0, -18.0, 4.0])
    return Grid(shape, nib.affines.from_matvec(matrix, middle - matrix @ ((np.array(shape) - 1) / 2)))


@pytest.fixture(scope="session")
def head() -> Head:
    """192 x 232 x 192 mm at 2 mm."""
    phantom = make_phantom(PhantomConfig(seed=3, shape=(96, 116, 96), spacing=(2.0, 2.0, 2.0)))
    rng = np.random.default_rng(3)
    brain = phantom.volumes["t1"] > 0
    away = ndimage.distance_transform_edt(~brain, sampling=2.0)
    volumes = {}
    for name, data in phantom.volumes.items():
        around = np.select([away <= 2, away <= 8, away <= 16], [0.3 * np.median(data[brain]), SKULL, SCALP[name]], 0)
        whole = np.where(brain, data, around) + np.abs(rng.normal(0, 12, data.shape))  # the air is not zero
        volumes[name] = Volume(whole.astype(np.float32), phantom.grid)
    as_volume = [Volume(a.astype(np.float32), phantom.grid) for a in (brain, phantom.label)]
    return Head(volumes, *as_volume)
