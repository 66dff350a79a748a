"""Tumours that infiltrate along white matter, in the forms that occur; and what looks alike and is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ccsd.demo.anatomy import Anatomy, Array, smooth_noise
from ccsd.experiments.synthesis.anatomy import Mass
from ccsd.method.task import ENHANCING, NECROTIC, OEDEMA

GROWTH_GRID = 3.0  # mm
Mask = NDArray[np.bool_]

# How often each form is made. In the 13 training studies 10 are of the first kind, 3 of the third.
FORMS = {"ring": 0.52, "solid": 0.12, "low grade": 0.24, "cavity": 0.12}


@dataclass(frozen=True)
class Plan:
    """What a tumour will be, before it is grown.

    Attributes:
        form: of FORMS; masses: its foci, the first is the main one.
        core, oedema: mm, radius of the core and reach of the infiltration beyond it.
        rim: mm, mean thickness of what enhances; gaps: share of the rim that does not.
    """

    form: str
    masses: tuple[Mass, ...]
    core: float
    oedema: float
    rim: float
    gaps: float


@dataclass(frozen=True)
class Lesions:
    """`label`: (D, H, W) uint8, BraTS's values; `cavity`, `white`, `stroke`: what is not tumour."""

    label: NDArray[np.uint8]
    cavity: Mask
    white: Mask
    stroke: Mask


def plan_tumour(anatomy: Anatomy, points: Array, rng: np.random.Generator) -> Plan:
    """Draw a form, sizes and places in white matter of an anatomy at template `points` (3, D, H, W) mm."""
    form = str(rng.choice(list(FORMS), p=list(FORMS.values())))
    core = float(rng.lognormal(np.log({"ring": 15, "solid": 8, "low grade": 19, "cavity": 14}[form]), 0.35))
    core = float(np.clip(core, 4, 30))
    oedema = float(rng.uniform(3, 8) if form == "low grade" else rng.uniform(6, 22))
    places = np.argwhere((anatomy.wm > 0.5) & anatomy.brain)
    count = 1 + int(rng.random() < 0.2) + int(rng.random() < 0.06)
    masses: list[Mass] = []
    for number in range(count):
        d, h, w = places[rng.integers(len(places))]
        centre = points[:, d, h, w]
        if number and rng.random() < 0.7:  # a satellite is near the first
            near = np.linalg.norm(points[:, places[:, 0], places[:, 1], places[:, 2]].T - masses[0].centre, axis=1)
            close = places[(near > 1.2 * core) & (near < 3.5 * core + 10)]
            if len(close):
                d, h, w = close[rng.integers(len(close))]
                centre = points[:, d, h, w]
        radius = core if not number else core * float(rng.uniform(0.25, 0.6))
        x, y, z = (float(v) for v in centre)
        masses.append(Mass((x, y, z), radius, float(rng.uniform(0, 0.35))))
    rim = float(rng.uniform(2, 6)) if form != "low grade" else float(rng.uniform(1.5, 4))
    gaps = float(rng.uniform(0, 0.35)) if form != "low grade" else float(rng.choice([1.0, 0.8], p=[0.6, 0.4]))
    return Plan(form, tuple(masses), core, oedema, rim, gaps)


def grow(
    anatomy: Anatomy, points: Array, plan: Plan, spacing: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], Mask]:
    """(label, resection cavity), both (D, H, W): core with an irregular surface, oedema by diffusion and growth."""
    shape = anatomy.brain.shape
    shape3 = (shape[0], shape[1], shape[2])
    tissue = anatomy.brain & (anatomy.csf < 0.65)
    core = np.zeros(shape, dtype=bool)
    depth = np.zeros(shape, dtype=np.float32)
    for mass in plan.masses:
        away = points - np.array(mass.centre, dtype=np.float32)[:, None, None, None]
        stretch = rng.uniform(0.75, 1.3, 3).astype(np.float32)[:, None, None, None]
        distance = np.sqrt(np.square(away * stretch).sum(axis=0))
        rough = 1 + 0.2 * smooth_noise(shape3, 14 / spacing, rng) + 0.08 * smooth_noise(shape3, 5 / spacing, rng)
        inside = mass.radius - distance * rough
        core |= (inside > 0) & anatomy.brain
        depth = np.maximum(depth, inside)
    core &= ndimage.binary_opening(tissue | core, iterations=1)
    infiltrated = _infiltrate(anatomy, core, plan.oedema, spacing, rng) & tissue
    thickness = plan.rim * (1 + 0.5 * smooth_noise(shape3, 10 / spacing, rng))
    gaps = smooth_noise(shape3, 9 / spacing, rng)
    closed = gaps > np.quantile(gaps[core], plan.gaps) if core.any() and plan.gaps < 1 else np.zeros(shape, bool)
    rim = core & (depth < np.maximum(thickness, 0.8)) & closed
    label = np.zeros(shape, dtype=np.uint8)
    label[infiltrated | core] = OEDEMA
    label[core] = NECROTIC
    if plan.form == "solid":
        rim = core & (gaps > np.quantile(gaps[core], 0.15)) if core.any() else rim
    label[rim] = ENHANCING
    cavity = np.zeros(shape, dtype=bool)
    if plan.form == "cavity":  # what was taken out is filled with fluid; BraTS 2018 labels no cavity
        cavity = core & (depth > np.maximum(thickness, 1.5)) & anatomy.brain
        label[cavity] = 0
    return label, cavity


def imitations(
    anatomy: Anatomy, label: NDArray[np.uint8], spacing: float, rng: np.random.Generator
) -> tuple[Mask, Mask]:
    """(white-matter lesions, an old stroke): bright on FLAIR and T2, and no tumour."""
    shape = anatomy.brain.shape
    shape3 = (shape[0], shape[1], shape[2])
    white = np.zeros(shape, dtype=bool)
    if rng.random() < 0.45:
        ventricles = ndimage.binary_erosion(anatomy.csf > 0.8, iterations=2)
        if ventricles.any():
            near = ndimage.distance_transform_edt(~ventricles).astype(np.float32) * spacing
            spots = smooth_noise(shape3, rng.uniform(4, 9) / spacing, rng)
            wish = spots + rng.uniform(0.2, 1.0) * np.exp(-near / 5)
            inside = anatomy.wm > 0.75
            limit = np.quantile(wish[inside], 1 - rng.uniform(0.002, 0.03)) if inside.any() else np.inf
            white = inside & (wish > limit)
    stroke = np.zeros(shape, dtype=bool)
    if rng.random() < 0.08:
        cortex = np.argwhere(anatomy.gm > 0.7)
        if len(cortex):
            centre = cortex[rng.integers(len(cortex))]
            grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij", sparse=False)).astype(np.float32)
            distance = np.sqrt(np.square(grid - centre[:, None, None, None]).sum(axis=0)) * spacing
            rough = 1 + 0.3 * smooth_noise(shape3, 12 / spacing, rng)
            stroke = (distance * rough < rng.uniform(8, 18)) & anatomy.brain
    free = ~ndimage.binary_dilation(label > 0, iterations=2)
    return white & free, stroke & free


def _infiltrate(anatomy: Anatomy, core: Mask, reach: float, spacing: float, rng: np.random.Generator) -> Mask:
    """Cells diffuse (five times faster in white matter than in grey, not into CSF) and multiply (Fisher's equation, as
    Swanson 2000): where they are dense enough there is oedema."""
    step = spacing / GROWTH_GRID
    small = [ndimage.zoom(field, step, order=1) for field in (anatomy.wm, anatomy.gm, core.astype(np.float32))]
    wm, gm, cells = small[0], small[1], np.clip(small[2] * 1.5, 0, 1)
    speed = np.clip(wm + 0.2 * gm, 0, 1) * (wm + gm > 0.35)
    shape = (speed.shape[0], speed.shape[1], speed.shape[2])
    speed *= np.clip(1 + 0.6 * smooth_noise(shape, 22 / GROWTH_GRID, rng), 0.1, 2)
    for _ in range(max(4, round(3.2 * reach))):
        change = np.zeros_like(cells)
        for axis in range(3):
            flow = np.diff(cells, axis=axis)
            between = np.minimum(_head(speed, axis), _tail(speed, axis))  # no way through a barrier
            flow *= between * 0.075  # `speed` is at most 2: beyond 1/6 in all an explicit step is unstable
            change += np.pad(flow, [(0, 1) if a == axis else (0, 0) for a in range(3)])
            change -= np.pad(flow, [(1, 0) if a == axis else (0, 0) for a in range(3)])
        cells = np.clip(cells + change + 0.06 * cells * (1 - cells) * (speed > 0), 0, 1)
    dense = ndimage.zoom(cells, [n / m for n, m in zip(core.shape, cells.shape, strict=True)], order=1)
    shape3 = (core.shape[0], core.shape[1], core.shape[2])
    found: Mask = dense + 0.04 * smooth_noise(shape3, 4 / spacing, rng) > rng.uniform(0.12, 0.3)
    found &= dense > 0.06  # noise shapes the border and starts nothing elsewhere
    return found


def _head(field: Array, axis: int) -> Array:
    return np.take(field, range(field.shape[axis] - 1), axis=axis)


def _tail(field: Array, axis: int) -> Array:
    return np.take(field, range(1, field.shape[axis]), axis=axis)
