"""Raw scanner studies -> what the network was trained on, and the way back to the target image's own grid.

Series as scanned have a skull, thick slices and a grid each, and the head moves between them. The steps, each a
function below: the brain is found on one series, the reference; the others are registered to it; the reference is
turned to the standard brain; each series is interpolated once, to 1 mm in the standard axes, zero outside the brain.
All alignment is rigid: volumes in mL stay true. A series that shows part of the brain is placed by the scanner's
coordinates. Measured in docs/notebook.md.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ccsd.common.clock import Clock
from ccsd.common.errors import GridMismatchError, InputError, UnalignedError
from ccsd.common.overlap import overlapped
from ccsd.imaging.volumes import Grid, Volume
from ccsd.preprocessing import coverage, quality
from ccsd.preprocessing.background import INSIDE, with_zero_background
from ccsd.preprocessing.brain import extract_brain, is_stripped
from ccsd.preprocessing.register import Matrix, register_rigid, resample
from ccsd.preprocessing.template import template

logger = logging.getLogger(__name__)

Mode = Literal["auto", "off", "full"]
MODES: tuple[Mode, ...] = get_args(Mode)
BRAIN_CONTRASTS = ("t1", "t1ce", "flair", "t2")  # the earlier, the better the brain is found on it (docs/notebook.md)
THIN = 2.0  # mm; a series of thinner slices is a better reference than one of thicker slices, whatever its contrast
ORTHOGONAL = 1e-3  # largest cosine between two axes of a grid
MARGIN = 4  # mm around the brain
SAME_OUTLINE = 0.98  # Dice of the voxels that are not zero


@dataclass(frozen=True)
class CommonSpace:
    """A study in common space, and the way back.

    Attributes:
        volumes: name -> volume, all on `grid`, zero outside the brain.
        brain: (d, h, w) bool on `grid`.
        transforms: name -> (4, 4), world mm of `grid` -> world mm of that series as scanned.
        grids: name -> grid as scanned.
        target: name of the image that masks go back to.
        seconds: step -> time taken; empty when there was nothing to do.
        warnings: sentences for the user.
        left_out: name of a series that is not to be segmented from -> why, as a clause. One that shows part of the
            brain is among the above all the same, so that masks can go back to it; others are not.
        cached: whether all this was read from disk; `seconds` are then those of the first time.
    """

    volumes: dict[str, Volume]
    brain: NDArray[np.bool_]
    transforms: dict[str, Matrix]
    grids: dict[str, Grid]
    target: str
    seconds: dict[str, float]
    warnings: list[str]
    left_out: dict[str, str] = field(default_factory=dict)
    cached: bool = False

    @property
    def route(self) -> Literal["prepared", "raw"]:
        """Whether the study was taken as it is, or brought to common space here."""
        return "prepared" if self.grid is self.grids[self.target] else "raw"

    @property
    def grid(self) -> Grid:
        """The common grid."""
        return next(iter(self.volumes.values())).grid

    def to_native(self, probabilities: Tensor) -> Tensor:
        """Probabilities (R, d, h, w) on the common grid -> (R, D, H, W) on the target grid, to be thresholded there.

        Interpolated linearly at the target voxels, 0 where the common grid has none.
        """
        if self.route == "prepared":
            return probabilities
        back = np.linalg.inv(self.transforms[self.target])
        channels = [np.asarray(c, dtype=np.float32) for c in probabilities.cpu()]
        return torch.from_numpy(
            np.stack([resample(Volume(c, self.grid), self.grids[self.target], back) for c in channels])
        )

    def to_common(self, label: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The way there, for labels to train on: a label map (D, H, W) on the target grid -> (d, h, w) on the common
        one, each voxel with the value of the largest interpolated share."""
        if self.route == "prepared":
            return label
        grid = self.grids[self.target]
        values = np.union1d(label, [0])
        to_target = self.transforms[self.target]
        shares = [resample(Volume((label == v).astype(np.float32), grid), self.grid, to_target) for v in values]
        return np.asarray(values[np.argmax(shares, axis=0)], dtype=np.uint8)

    def label_to_native(self, label: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A label map (d, h, w) on the common grid -> (D, H, W) on the target grid: each voxel takes the value with the
        largest interpolated share."""
        values = np.union1d(label, [0])
        shares = torch.from_numpy(np.stack([label == v for v in values])).float()
        return np.asarray(values[self.to_native(shares).argmax(dim=0).numpy()], dtype=np.uint8)


def is_prepared(volumes: Mapping[str, Volume]) -> bool:
    """Whether a study needs nothing: one grid for all, and no skull in any. Any spacing will do, as
    `ccsd.preprocessing.prepare` resamples.

    Fluid is bright on T2, so a brain's rim can look like a scalp there (docs/notebook.md, Skulls). A T2 with the
    outline of another image of the study is therefore judged by the others.
    """
    grid = next(iter(volumes.values())).grid
    if not all(v.grid.matches(grid) for v in volumes.values()):
        return False
    others = [v for name, v in volumes.items() if name != "t2"]
    t2 = [v for name, v in volumes.items() if name == "t2" and not any(_same_outline(v, o) for o in others)]
    return all(is_stripped(v) for v in [*others, *t2])


def _same_outline(first: Volume, second: Volume) -> bool:
    """Whether their voxels that are not zero are the same; every second one is looked at."""
    a, b = (v.data[::2, ::2, ::2] != 0 for v in (first, second))
    return bool(2 * (a & b).sum() >= SAME_OUTLINE * (a.sum() + b.sum()))


def to_common_space(volumes: Mapping[str, Volume], *, target: str, mode: Mode = "auto") -> CommonSpace:
    """A study as scanned -> common space.

    Args:
        volumes: at least one, by modality; images that only registration is to see may have any other name.
        target: which of them masks go back to. A name and not a grid: series that were scanned with one and the same
            grid need not show the head in the same place.
        mode: "full" prepares; "off" takes the volumes as they are; "auto" does so where `is_prepared`.

    Raises:
        InputError: no brain is found, or `target` is not one of the volumes or cannot be used.
        GridMismatchError: mode "off" and more than one grid.
    """
    check_target(target, volumes)
    volumes = dict(zip(volumes, overlapped(with_zero_background, volumes.values(), at_once=len(volumes)), strict=True))
    if mode == "off" or (mode == "auto" and is_prepared(volumes)):
        return untouched(volumes, target, judged=mode != "off")
    return with_target(aligned(volumes, target), target)


def aligned(volumes: Mapping[str, Volume], target: str) -> CommonSpace:
    """`to_common_space` of volumes with zero background, whatever they show. The target may end among those left
    out: `with_target` raises then."""
    _check_axes(volumes)
    clock = Clock()
    reference = reference_of(volumes)
    with _step("brain extraction", reference):
        brain = extract_brain(volumes[reference])
    notes = quality.slab(reference, volumes[reference].grid)
    clock.step("brain")
    placed = {m: v for m, v in volumes.items() if m == reference or min(v.grid.shape) >= coverage.MIN_SLICES}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        turned = pool.submit(_turn_to_template, volumes[reference], brain, reference)
        to_series, more = _place_on(reference, placed, pool)
        clock.step("register")
        to_reference, still_more = turned.result()
    clock.step("template")
    left_out, lost = _left_out(reference, brain, volumes, to_series)
    used = {m: v for m, v in volumes.items() if m not in lost}
    transforms = {m: to_series[m] @ to_reference for m in used}
    with _step("resampling", ", ".join(used)):
        grid = _grid_around(brain, volumes[reference].grid, to_reference)
        share = resample(Volume(brain.astype(np.float32), volumes[reference].grid), grid, to_reference)
        brain = share > 0.5
        common = {m: _interpolate(v, grid, transforms[m], brain) for m, v in used.items()}
    clock.step("resample")
    notes += [note for name, note in more.items() if name not in left_out]
    grids = {m: v.grid for m, v in used.items()}
    return CommonSpace(common, brain, transforms, grids, target, clock.seconds, [*notes, *still_more], left_out)


def reference_of(volumes: Mapping[str, Volume]) -> str:
    """The series that the others are registered to and the brain is found on: one that shows the whole head before
    those that show part of it, thin slices before thick ones, then the contrast that shows the brain best."""

    def rank(name: str) -> tuple[bool, bool, int]:
        grid = volumes[name].grid
        partial = any(coverage.is_part_of(grid, other.grid) for other in volumes.values())
        contrast = BRAIN_CONTRASTS.index(name) if name in BRAIN_CONTRASTS else len(BRAIN_CONTRASTS)
        return partial, bool(grid.spacing.max() > THIN), contrast

    return min(volumes, key=rank)


@contextmanager
def _step(what: str, name: str) -> Iterator[None]:
    """Errors of the libraries that do a step are the image's: the user gets a sentence, the log the rest."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{name}: {error}") from error
    except (RuntimeError, ValueError, IndexError, ArithmeticError, np.linalg.LinAlgError) as error:
        logger.exception("%s of %s failed", what, name)
        raise InputError(f"{name} cannot be prepared: {what} failed, expected an MR image of a head") from error


def with_target(result: CommonSpace, target: str) -> CommonSpace:
    """The same study with masks going back to another of its images.

    Raises:
        InputError: the study has no such image, or it could not be used.
    """
    if target in result.left_out and target not in result.volumes:
        raise InputError(f"the target image {target} cannot be used: {result.left_out[target]}")
    check_target(target, result.volumes)
    return replace(result, target=target)


def check_target(target: str, volumes: Mapping[str, Volume]) -> None:
    """Raises InputError: `target` is not one of the volumes."""
    if target not in volumes:
        raise InputError(f"the target image {target} is not in the study, expected one of {', '.join(volumes)}")


def _check_axes(volumes: Mapping[str, Volume]) -> None:
    for name, volume in volumes.items():
        axes = volume.grid.affine[:3, :3] / volume.grid.spacing
        if np.abs(axes.T @ axes - np.eye(3)).max() > ORTHOGONAL:
            raise InputError(f"{name} has axes that are not at right angles (a tilted gantry?), expected right angles")


def untouched(volumes: Mapping[str, Volume], target: str, *, judged: bool) -> CommonSpace:
    """`to_common_space` of volumes with zero background that are to stay as they are.

    Args:
        judged: whether they are known to be stripped, so that zeros are where nothing was scanned.
    """
    grid = volumes[target].grid
    for name, volume in volumes.items():
        if not volume.grid.matches(grid):
            raise GridMismatchError(
                f"{name} and {target} lie on different grids, expected all modalities of a study on one grid where "
                f"preparation is off: of {name}, {volume.grid.differences(grid)}"
            )
    brain = reduce(np.logical_or, [v.data != 0 for v in volumes.values()])
    shares = {m: coverage.filled_share(v, brain) for m, v in volumes.items()} if judged and len(volumes) > 1 else {}
    most = max(shares.values(), default=1.0)
    left_out = {m: coverage.too_little(s) for m, s in shares.items() if s < coverage.ENOUGH * most}
    grids = {m: grid for m in volumes}
    ordered = {target: volumes[target], **volumes}  # the target's grid stands for all
    matrices = {m: np.eye(4) for m in volumes}
    return CommonSpace(ordered, brain, matrices, grids, target, {}, quality.few_slices(target, grid), left_out)


def _place_on(
    reference: str, volumes: Mapping[str, Volume], pool: ThreadPoolExecutor
) -> tuple[dict[str, Matrix], dict[str, str]]:
    """Per series the matrix from the reference's world to its own, and sentences on doubtful ones."""
    placed = pool.map(lambda name: _placed(reference, name, volumes), volumes)
    found = dict(zip(volumes, placed, strict=True))
    notes = {name: note for name, (_, note) in found.items() if note}
    return {name: matrix for name, (matrix, _) in found.items()}, notes


def _placed(reference: str, name: str, volumes: Mapping[str, Volume]) -> tuple[Matrix, str]:
    """Registered; by the scanner's coordinates where too little is shown for that."""
    fixed, moving = volumes[reference], volumes[name]
    if name == reference or coverage.is_part_of(moving.grid, fixed.grid):
        return np.eye(4), ""
    try:
        found = register_rigid(fixed, moving)
    except UnalignedError:
        return np.eye(4), quality.not_registered(name, reference)
    if found.information >= quality.MIN_INFORMATION:
        return found.matrix, ""
    return found.matrix, quality.poorly_registered(name, reference, found.information)


def _left_out(
    reference: str, brain: NDArray[np.bool_], volumes: Mapping[str, Volume], to_series: Mapping[str, Matrix]
) -> tuple[dict[str, str], set[str]]:
    """Series that are not to be segmented from -> why, and those of them whose place is not known either."""
    left_out, lost = {}, set()
    for name, volume in volumes.items():
        if name not in to_series:
            left_out[name] = coverage.too_few(min(volume.grid.shape), reference)
            lost.add(name)
        elif name != reference:
            share = coverage.scanned_share(brain, volumes[reference].grid, volume.grid, to_series[name])
            if share < coverage.ENOUGH:
                left_out[name] = coverage.too_little(share)
            if share == 0:
                lost.add(name)
    return left_out, lost


def _turn_to_template(reference: Volume, brain: NDArray[np.bool_], name: str) -> tuple[Matrix, list[str]]:
    """The matrix from the template's world to the reference's, and warnings; without a match the head stays as
    it was scanned."""
    if coverage.is_slab(reference.grid):  # nothing to tell what is above and below it
        return np.eye(4), []
    stripped = Volume(np.where(brain, reference.data, 0).astype(np.float32), reference.grid)
    with suppress(UnalignedError):
        found = register_rigid(template(), stripped, fine=False)
        if found.information >= quality.MIN_OF_TEMPLATE:
            return found.matrix, []
    standard = template()
    own, expected = _corners(brain, reference.grid.affine), _corners(standard.data != 0, standard.grid.affine)
    return np.eye(4), [quality.not_turned(name, own[1] - own[0], expected[1] - expected[0])]


def _grid_around(brain: NDArray[np.bool_], grid: Grid, to_own: Matrix) -> Grid:
    """1 mm in the axes of the common world, around a brain on a grid of its own."""
    to_common = np.linalg.inv(to_own) @ grid.affine
    least, greatest = _corners(brain, to_common)
    low = np.floor(least) - MARGIN
    a, b, c = (np.ceil(greatest) + MARGIN - low + 1).astype(int).tolist()
    affine = np.eye(4)
    affine[:3, 3] = low
    return Grid((a, b, c), affine)


def _corners(mask: NDArray[np.bool_], affine: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the greatest place of a mask, mm in the world that `affine` leads to."""
    points = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    return points.min(axis=0), points.max(axis=0)


def _interpolate(volume: Volume, grid: Grid, to_own: Matrix, brain: NDArray[np.bool_]) -> Volume:
    """The series in common space: zero outside the brain and where it was not scanned, nowhere else."""
    data = resample(volume, grid, to_own, outside=float("nan"))
    scanned = brain & ~np.isnan(data)
    data = np.where(data == 0, INSIDE, data)
    return Volume(np.where(scanned, data, 0).astype(np.float32), grid)
