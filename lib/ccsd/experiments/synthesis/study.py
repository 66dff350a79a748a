"""A whole synthetic study from its seed: anatomy -> tumour -> contrasts -> what the scanner adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccsd.demo.phantom import Phantom
from ccsd.experiments.synthesis.acquisition import acquire
from ccsd.experiments.synthesis.anatomy import make_anatomy, positions
from ccsd.experiments.synthesis.contrast import draw_contrasts
from ccsd.experiments.synthesis.lesions import Lesions, grow, imitations, plan_tumour
from ccsd.imaging.volumes import Grid
from ccsd.method.task import BRATS

CENTRE = (0.0, -18.0, 8.0)  # mm of template space in the middle of the grid
TRIES = 20


@dataclass(frozen=True)
class EngineConfig:
    """The grid: `shape` voxels, `spacing` mm; axes left, posterior, superior, as BraTS stores them."""

    shape: tuple[int, int, int] = (168, 208, 168)
    spacing: float = 1.0


def make_study(seed: int, config: EngineConfig = EngineConfig()) -> Phantom:  # frozen
    """The same for the same seed and configuration.

    Raises:
        RuntimeError: no tumour found a place in the field of view.
    """
    rng = np.random.default_rng([20251115, seed])
    affine = _affine(config)
    points = positions(affine, config.shape, rng)
    quiet = make_anatomy(points)
    for _ in range(TRIES):
        plan = plan_tumour(quiet, points, rng)
        anatomy = make_anatomy(points, plan.masses[0])
        label, cavity = grow(anatomy, points, plan, config.spacing, rng)
        if (label > 0).sum() * config.spacing**3 > 500:
            break
    else:
        raise RuntimeError(f"study {seed}: no tumour of 0.5 mL found a place")
    white, stroke = imitations(anatomy, label, config.spacing, rng)
    lesions = Lesions(label, cavity, white, stroke)
    contrasts = draw_contrasts(anatomy, lesions, config.spacing, rng, large=plan.form == "low grade")
    volumes = {m: acquire(contrasts[m], anatomy.brain, config.spacing, rng) for m in BRATS.modalities}
    return Phantom(volumes, label, Grid(config.shape, affine))


def _affine(config: EngineConfig) -> NDArray[np.float64]:
    affine = np.diag([-config.spacing, -config.spacing, config.spacing, 1.0])
    affine[:3, 3] = np.array(CENTRE) - affine[:3, :3] @ ((np.array(config.shape) - 1) / 2)
    return affine
