"""Raw scanner studies -> what the network was trained on, and the way back to the asked image's own grid.

Series as scanned have a skull, thick slices and a grid each, and the head moves between them. The steps, each a
function below: the brain is found on one series, the reference; the others are registered to it; the reference is
turned to the standard brain; each series is interpolated once, to 1 mm in the standard axes, zero outside the brain.
All alignment is rigid: volumes in mL stay true. Measured in docs/raw.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lib.clock import Clock
from lib.errors import GridMismatchError, InputError
from lib.preprocessing.brain import BRAIN_ML, extract_brain, is_stripped, millilitres
from lib.preprocessing.register import Matrix, register_rigid, resample
from lib.preprocessing.template import template
from lib.studies.volumes import Grid, Volume

Mode = Literal["auto", "off", "full"]
MODES: tuple[Mode, ...] = get_args(Mode)
BRAIN_CONTRASTS = ("t1", "t1ce", "flair", "t2")  # the earlier, the better the brain is found on it (docs/raw.md)
THIN = 2.0  # mm; a series of thinner slices is a better reference than one of thicker slices, whatever its contrast
ORTHOGONAL = 1e-3  # largest cosine between two axes of a grid
MARGIN = 4  # mm around the brain
LEAST_INFORMATION = 0.5  # nats that two aligned heads share; 10 mm apart they share less
INSIDE = float(np.finfo(np.float32).tiny)  # an exact zero inside the brain would be read as background


@dataclass(frozen=True)
class RawResult:
    """A study in common space, and the way back.

    Attributes:
        volumes: name -> volume, all on `grid`, zero outside the brain.
        brain: (d, h, w) bool on `grid`.
        transforms: name -> (4, 4), world mm of `grid` -> world mm of that series as scanned.
        grids: name -> grid as scanned.
        asked: name of the image that masks go back to.
        seconds: step -> time taken; empty when there was nothing to do.
        warnings: sentences for the user.
        cached: whether all this was read from disk; `seconds` are then those of the first time.
    """

    volumes: dict[str, Volume]
    brain: NDArray[np.bool_]
    transforms: dict[str, Matrix]
    grids: dict[str, Grid]
    asked: str
    seconds: dict[str, float]
    warnings: list[str]
    cached: bool = False

    @property
    def route(self) -> Literal["prepared", "raw"]:
        """Whether the study was taken as it is, or brought to common space here."""
        return "prepared" if self.grid is self.grids[self.asked] else "raw"

    @property
    def grid(self) -> Grid:
        """The common grid."""
        return next(iter(self.volumes.values())).grid

    def restore(self, probabilities: Tensor) -> Tensor:
        """Probabilities (R, d, h, w) on the common grid -> (R, D, H, W) on the asked grid, to be thresholded there.

        Interpolated linearly at the asked voxels, 0 where the common grid has none.
        """
        if self.route == "prepared":
            return probabilities
        back = np.linalg.inv(self.transforms[self.asked])
        channels = [np.asarray(c, dtype=np.float32) for c in probabilities.cpu()]
        return torch.from_numpy(
            np.stack([resample(Volume(c, self.grid), self.grids[self.asked], back) for c in channels])
        )

    def carry(self, label: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The way there, for labels to train on: a label map (D, H, W) on the asked grid -> (d, h, w) on the common
        one, each voxel with the value of the largest interpolated share."""
        if self.route == "prepared":
            return label
        grid = self.grids[self.asked]
        values = np.union1d(label, [0])
        to_asked = self.transforms[self.asked]
        shares = [resample(Volume((label == v).astype(np.float32), grid), self.grid, to_asked) for v in values]
        return np.asarray(values[np.argmax(shares, axis=0)], dtype=np.uint8)

    def restore_label(self, label: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A label map (d, h, w) on the common grid -> (D, H, W) on the asked grid: each voxel takes the value with the
        largest interpolated share."""
        values = np.union1d(label, [0])
        shares = torch.from_numpy(np.stack([label == v for v in values])).float()
        return np.asarray(values[self.restore(shares).argmax(dim=0).numpy()], dtype=np.uint8)


def is_prepared(volumes: Mapping[str, Volume]) -> bool:
    """Whether a study needs nothing: one grid for all, and no skull in any. Any spacing will do, as
    `lib.preprocessing.prepare` resamples."""
    grid = next(iter(volumes.values())).grid
    return all(v.grid.matches(grid) and is_stripped(v) for v in volumes.values())


def to_common_space(volumes: Mapping[str, Volume], *, asked: str, mode: Mode = "auto") -> RawResult:
    """A study as scanned -> common space.

    Args:
        volumes: at least one, by modality; images that only registration is to see may have any other name.
        asked: which of them masks go back to. A name and not a grid: series that were scanned with one and the same
            grid need not show the head in the same place.
        mode: "full" prepares; "off" takes the volumes as they are; "auto" does so where `is_prepared`.

    Raises:
        InputError: no brain is found, or `asked` is not one of the volumes.
        GridMismatchError: mode "off" and more than one grid.
    """
    _check_asked(asked, volumes)
    if mode == "off" or (mode == "auto" and is_prepared(volumes)):
        return _untouched(volumes, asked)
    _check_axes(volumes)
    clock = Clock()
    reference = reference_of(volumes)
    brain = extract_brain(volumes[reference])
    notes = _brain_warnings(brain, volumes[reference], reference)
    clock.lap("brain")
    to_series, more = _register_to(reference, volumes)
    clock.lap("register")
    to_reference, still_more = _turn_to_template(volumes[reference], brain, reference)
    clock.lap("template")
    transforms = {m: matrix @ to_reference for m, matrix in to_series.items()}
    grid = _grid_around(brain, volumes[reference].grid, to_reference)
    share = resample(Volume(brain.astype(np.float32), volumes[reference].grid), grid, to_reference)
    brain = share > 0.5
    common = {m: _interpolate(v, grid, transforms[m], brain) for m, v in volumes.items()}
    clock.lap("resample")
    grids = {m: v.grid for m, v in volumes.items()}
    return RawResult(common, brain, transforms, grids, asked, clock.seconds, [*notes, *more, *still_more])


def reference_of(volumes: Mapping[str, Volume]) -> str:
    """The series that the others are registered to and the brain is found on: thin slices before thick ones, then the
    contrast that shows the brain best."""

    def rank(name: str) -> tuple[bool, int]:
        contrast = BRAIN_CONTRASTS.index(name) if name in BRAIN_CONTRASTS else len(BRAIN_CONTRASTS)
        return bool(volumes[name].grid.spacing.max() > THIN), contrast

    return min(volumes, key=rank)


def asking(result: RawResult, asked: str) -> RawResult:
    """The same study with masks going back to another of its images.

    Raises:
        InputError: the study has no such image.
    """
    _check_asked(asked, result.volumes)
    return replace(result, asked=asked)


def _check_asked(asked: str, volumes: Mapping[str, Volume]) -> None:
    if asked not in volumes:
        raise InputError(f"the asked image {asked} is not in the study, expected one of {', '.join(volumes)}")


def _check_axes(volumes: Mapping[str, Volume]) -> None:
    for name, volume in volumes.items():
        axes = volume.grid.affine[:3, :3] / volume.grid.spacing
        if np.abs(axes.T @ axes - np.eye(3)).max() > ORTHOGONAL:
            raise InputError(f"{name} has axes that are not at right angles (a tilted gantry?), expected right angles")


def _untouched(volumes: Mapping[str, Volume], asked: str) -> RawResult:
    grid = volumes[asked].grid
    for name, volume in volumes.items():
        if not volume.grid.matches(grid):
            raise GridMismatchError(
                f"{name} and {asked} lie on different grids, expected all modalities of a study on one grid where "
                f"preparation is off: of {name}, {volume.grid.differences(grid)}"
            )
    brain = np.any([v.data != 0 for v in volumes.values()], axis=0)
    grids = {m: grid for m in volumes}
    ordered = {asked: volumes[asked], **volumes}  # the asked one's grid stands for all
    return RawResult(ordered, brain, {m: np.eye(4) for m in volumes}, grids, asked, {}, [])


def _brain_warnings(brain: NDArray[np.bool_], volume: Volume, name: str) -> list[str]:
    size = millilitres(brain, volume.grid.affine)
    if BRAIN_ML[0] <= size <= BRAIN_ML[1]:
        return []
    low, high = BRAIN_ML
    return [f"the brain found on {name} measures {size:.0f} mL, expected {low:.0f} to {high:.0f}: check the mask"]


def _register_to(reference: str, volumes: Mapping[str, Volume]) -> tuple[dict[str, Matrix], list[str]]:
    """Per series the matrix from the reference's world to its own, and warnings."""
    matrices, notes = {reference: np.eye(4)}, []
    names = [name for name in volumes if name != reference]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda name: register_rigid(volumes[reference], volumes[name]), names)
    for name, found in zip(names, results, strict=True):
        matrices[name] = found.matrix
        if found.information < LEAST_INFORMATION:
            notes.append(
                f"{name} may not lie on {reference}: registration ended at {found.information:.2f} nats of mutual "
                f"information, expected {LEAST_INFORMATION} or more"
            )
    return matrices, notes


def _turn_to_template(reference: Volume, brain: NDArray[np.bool_], name: str) -> tuple[Matrix, list[str]]:
    """The matrix from the template's world to the reference's, and warnings; without a match the head stays as
    it was scanned."""
    stripped = Volume(np.where(brain, reference.data, 0).astype(np.float32), reference.grid)
    found = register_rigid(template(), stripped, fine=False)
    if found.information >= LEAST_INFORMATION:
        return found.matrix, []
    return np.eye(4), [f"{name} could not be turned to the standard brain: the network sees the head as it was scanned"]


def _grid_around(brain: NDArray[np.bool_], grid: Grid, to_own: Matrix) -> Grid:
    """1 mm in the axes of the common world, around a brain on a grid of its own."""
    to_common = np.linalg.inv(to_own) @ grid.affine
    voxels = np.argwhere(brain)
    points = voxels @ to_common[:3, :3].T + to_common[:3, 3]
    low = np.floor(points.min(axis=0)) - MARGIN
    a, b, c = (np.ceil(points.max(axis=0)) + MARGIN - low + 1).astype(int).tolist()
    affine = np.eye(4)
    affine[:3, 3] = low
    return Grid((a, b, c), affine)


def _interpolate(volume: Volume, grid: Grid, to_own: Matrix, brain: NDArray[np.bool_]) -> Volume:
    """The series in common space: zero outside the brain and where it was not scanned, nowhere else."""
    data = resample(volume, grid, to_own, outside=float("nan"))
    scanned = brain & ~np.isnan(data)
    data = np.where(data == 0, INSIDE, data)
    return Volume(np.where(scanned, data, 0).astype(np.float32), grid)
