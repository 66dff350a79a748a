"""Rigid registration of one series to another by mutual information, and resampling through the result.

Everything here is a pure function of its arguments: metric samples come from a fixed seed and one thread adds them up
(several take turns, and the last digits with them), so one input has one result. SimpleITK (Apache 2.0) does the work;
it never shows outside this file.

Method: Mattes, Haynor, Vesselle, Lewellen, Eubank, "PET-CT image registration in the chest using free-form
deformations", IEEE TMI 22(1), 2003; the optimiser is ITK's regular step gradient descent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk  # noqa: N813  (its usual name)
from numpy.typing import NDArray

from ccsd.common.errors import UnalignedError
from ccsd.imaging.volumes import Grid, Volume

logger = logging.getLogger(__name__)

Matrix = NDArray[np.float64]
SEED = 1
BINS = 32


class _Level(NamedTuple):
    """`mm` between voxels, where they were nearer; `deviation` of the smoothing, in mm; `samples`: voxels in which the
    images are compared; `step`: the first one, in mm; `relaxation`: how much shorter each turn makes it."""

    mm: float
    deviation: float
    samples: int
    step: float
    relaxation: float


COARSE = _Level(mm=4.0, deviation=4.0, samples=5_000, step=2.0, relaxation=0.9)
MIDDLE = _Level(mm=2.0, deviation=2.0, samples=10_000, step=0.5, relaxation=0.8)
FINE = _Level(mm=2.0, deviation=1.0, samples=40_000, step=0.5, relaxation=0.8)
SHORTEST = 0.01  # step, in mm
SMALLEST = 4  # voxels along an axis that smoothing takes
sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # one registration's own setting does not reach its metric
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # ITK's world axes from ours (RAS+), and back


@dataclass(frozen=True)
class Rigid:
    """Where a moving image lies: `matrix` (4, 4), fixed world mm -> moving world mm (RAS+), and `information`, the
    mutual information in nats that the two share there (0: nothing in common)."""

    matrix: Matrix
    information: float


def register_rigid(fixed: Volume, moving: Volume, *, fine: bool = True) -> Rigid:
    """The rotation and shift that bring `moving` onto `fixed`, whatever their contrasts and grids.

    The search starts twice, as the scanner's coordinates say and with the centres of mass together; the better end is
    refined. The whole heads are compared: inside the brain alone, results were less consistent. A start from which ITK
    finds no way (images that do not meet there) is passed over.

    Args:
        fine: without, the result is good to some 3 mm.

    Raises:
        UnalignedError: there is no way from either start.
    """
    still, moved = _image(fixed), _image(moving)
    coarse = _optimise(still, moved, _starts(still, moved), COARSE)
    if not coarse:
        raise UnalignedError("the images have nothing in common that they could be aligned by")
    best = max(coarse, key=lambda result: result[1])
    (best,) = _optimise(still, moved, [best[0]], FINE if fine else MIDDLE) or [best]
    return Rigid(_matrix(best[0]), best[1])


def resample(volume: Volume, grid: Grid, matrix: Matrix, *, outside: float = 0.0) -> NDArray[np.float32]:
    """`volume` linearly interpolated at the voxels of `grid`, (D, H, W) float32.

    Args:
        matrix: (4, 4), world mm of `grid` -> world mm of `volume`.
        outside: the value where `volume` has none.
    """
    image = sitk.Resample(
        _image(volume), grid.shape, _transform(matrix), sitk.sitkLinear, *_geometry(grid), outside, sitk.sitkFloat32
    )
    return np.ascontiguousarray(sitk.GetArrayViewFromImage(image).T)


def _optimise(
    fixed: sitk.Image, moving: sitk.Image, starts: Iterable[sitk.Euler3DTransform], level: _Level
) -> list[tuple[sitk.Euler3DTransform, float]]:
    """The transform and the mutual information that each start leads to, but where ITK gives up."""
    fixed, moving = (_reduced(image, level) for image in (fixed, moving))
    found = []
    for start in starts:
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(BINS)
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(min(1.0, level.samples / fixed.GetNumberOfPixels()), SEED)
        method.MetricUseFixedImageGradientFilterOff()  # these images are smooth already
        method.MetricUseMovingImageGradientFilterOff()
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(level.step, SHORTEST, 100, level.relaxation, 1e-6)
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(sitk.Euler3DTransform(start), inPlace=True)
        try:
            found.append((sitk.Euler3DTransform(method.Execute(fixed, moving)), -method.GetMetricValue()))
        except RuntimeError as error:
            logger.info("no way from one start of a registration: %s", str(error).strip().splitlines()[-1])
    return found


def _reduced(image: sitk.Image, level: _Level) -> sitk.Image:
    """Voxels averaged until they are about as far apart as the level's, and smoothed; thicker slices stay."""
    factors = [
        max(1, min(round(level.mm / own), n // SMALLEST))
        for own, n in zip(image.GetSpacing(), image.GetSize(), strict=True)
    ]
    return sitk.SmoothingRecursiveGaussian(sitk.BinShrink(image, factors), level.deviation)


def _starts(fixed: sitk.Image, moving: sitk.Image) -> Iterator[sitk.Euler3DTransform]:
    """As the scanner's coordinates say, and with the centres of mass together; both turn about the fixed centre."""
    same = sitk.Euler3DTransform()
    same.SetCenter(fixed.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in fixed.GetSize()]))
    yield same
    moments = sitk.CenteredTransformInitializerFilter.MOMENTS
    try:
        yield sitk.Euler3DTransform(sitk.CenteredTransformInitializer(fixed, moving, sitk.Euler3DTransform(), moments))
    except RuntimeError as error:  # an image without mass
        logger.info("no centre of mass: %s", str(error).strip().splitlines()[-1])


def _image(volume: Volume) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.data.T, dtype=np.float32))
    origin, spacing, direction = _geometry(volume.grid)
    image.SetOrigin(origin)
    image.SetSpacing(spacing)
    image.SetDirection(direction)
    return image


def _geometry(grid: Grid) -> tuple[list[float], list[float], list[float]]:
    """Origin, spacing and direction of a grid as ITK says them."""
    affine = LPS @ grid.affine
    return affine[:3, 3].tolist(), grid.spacing.tolist(), (affine[:3, :3] / grid.spacing).flatten().tolist()


def _transform(matrix: Matrix) -> sitk.AffineTransform:
    lps = LPS @ matrix @ LPS
    return sitk.AffineTransform(lps[:3, :3].flatten().tolist(), lps[:3, 3].tolist())


def _matrix(transform: sitk.Transform) -> Matrix:
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, :3] = np.column_stack([np.array(transform.TransformPoint(e)) - origin for e in np.eye(3).tolist()])
    matrix[:3, 3] = origin
    return np.asarray(LPS @ matrix @ LPS)
