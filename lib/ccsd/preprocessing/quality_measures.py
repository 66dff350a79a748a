"""Figures of image quality from pixels alone, for the warnings of `ccsd.preprocessing.quality`.

All but `air_ghosts` take a study in common space; every second millimetre of it is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ccsd.imaging.volumes import Grid, Volume

Image = NDArray[np.float32]

COARSE_MM = 2.0
SAMPLES, MANY_SAMPLES = 10_000, 50_000  # voxels that are looked at where all would be too many
SEED = 1

SIDES = (("left", "right"), ("back", "front"), ("bottom", "top"))  # of the axes R, A, S
END_MM = 3.0  # thickness of the layer at an end
STRAY = 1e-4  # share of the brain's voxels that may lie beyond its end
AT_EDGE = 1.0  # planes: this near to the first or last one a brain reaches the edge of the field

BINS = 24  # of equally many voxels
MOVED_MM = 8.0  # aligned images share much less information when one is moved by this

BRAIN_RADIUS = 70.0  # mm
KEPT = (25, 85)  # percentiles of what a bias field does not explain: tumours and fluid are beyond

BRIGHTEST = 0.95  # rank from which on T2 shows fluid, FLAIR a lesion or white matter's rim

PLANES = 7  # of the middle half of the slices
HEAD = 0.15  # of the brightest: air is darker
AWAY = 5  # voxels of 2 mm from the head, where its blur ends
MIN_AIR = 50  # voxels in a plane


@dataclass(frozen=True)
class End:
    """Where the brain ends in a series: `side` of the patient, the series' `axis` and `plane`, and the cm2 of brain in
    the END_MM before. `at_edge`: whether that is the first or last plane; beyond a plane of thin slices there can be
    zeros instead."""

    side: str
    axis: int
    plane: int
    area: float
    at_edge: bool


def coarse(volume: Volume, mm: float = COARSE_MM) -> Volume:
    """A voxel of the image about every `mm`."""
    steps = [max(1, round(mm / own)) for own in volume.grid.spacing]
    data = volume.data[:: steps[0], :: steps[1], :: steps[2]]
    a, b, c = data.shape
    return Volume(data, Grid((a, b, c), volume.grid.affine @ np.diag([*map(float, steps), 1.0])))


def brain_ends(volume: Volume, series: Grid, matrix: NDArray[np.float64]) -> list[End]:
    """The six ends of the brain in a series.

    Args:
        volume: the series in common space, zero outside the brain and where nothing was scanned.
        series, matrix: its grid as scanned; (4, 4), world mm of `volume` -> that of the series.
    """
    to_index = np.linalg.inv(series.affine) @ matrix @ volume.grid.affine
    filled = np.flatnonzero(volume.data)
    if not filled.size:
        return []
    places = _places(filled, volume.data.shape, MANY_SAMPLES)
    index = places @ to_index[:3, :3].T + to_index[:3, 3]
    voxel = float(np.prod(volume.grid.spacing)) * filled.size / len(places)
    return [_end(index[:, a], a, side, series, voxel) for a in range(3) for side in (0, 1)]


def _end(places: NDArray[np.float64], axis: int, side: int, series: Grid, voxel: float) -> End:
    """`places`: of the brain's voxels along an axis, in planes."""
    mm, planes = float(series.spacing[axis]), series.shape[axis]
    last = float(np.quantile(places, 1 - STRAY if side else STRAY))
    depth = max(END_MM, mm) / mm
    near = places > last - depth if side else places < last + depth
    towards = series.affine[:3, axis]
    world = int(np.abs(towards).argmax())
    name = SIDES[world][int((towards[world] > 0) == bool(side))]
    at_edge = mm <= END_MM or (last > planes - 1 - AT_EDGE if side else last < AT_EDGE)
    plane = min(max(round(last), 0), planes - 1)
    return End(name, axis, plane, float(near.sum()) * voxel / (depth * mm) / 100, at_edge)


def alignment(volumes: Mapping[str, Volume]) -> dict[str, float]:
    """Name of each series -> how many times as much information it shares with the one that it fits best as it does
    when moved by MOVED_MM; about 1: it fits none. All on one grid; empty where there is nothing to compare."""
    shape, spacing = next((v.data.shape, v.grid.spacing) for v in volumes.values())
    filled = np.flatnonzero(np.all([v.data != 0 for v in volumes.values()], axis=0))
    if len(volumes) < 2 or filled.size < SAMPLES // 10:
        return {}
    moves = np.concatenate([np.zeros((1, 3), int), *(np.diag(np.round(s * MOVED_MM / spacing)) for s in (-1, 1))])
    places = _places(filled, shape, SAMPLES)[None] + moves[:, None].astype(int)
    places = np.clip(places, 0, np.array(shape) - 1)  # (7, SAMPLES, 3): at rest first, then moved
    classes = {name: _classes(v.data[tuple(np.moveaxis(places, -1, 0))]) for name, v in volumes.items()}
    best = dict.fromkeys(volumes, 0.0)
    for one, other in combinations(volumes, 2):
        here, *moved = (_information(classes[one][0], there) for there in classes[other])
        sharpness = here / max(float(np.mean(moved)), 1e-6)
        best[one], best[other] = max(best[one], sharpness), max(best[other], sharpness)
    return best


def _classes(values: Image) -> NDArray[np.int64]:
    """(7, SAMPLES) brightness -> 0 to BINS - 1 with equally many at rest; -1 outside the brain."""
    edges = np.quantile(values[0], np.linspace(0, 1, BINS + 1)[1:-1])
    return np.where(values == 0, -1, np.searchsorted(edges, values))


def _information(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Mutual information in nats of two lists of classes, where both are inside."""
    inside = (one >= 0) & (other >= 0)
    pairs = np.bincount(one[inside] * BINS + other[inside], minlength=BINS**2).reshape(BINS, BINS)
    p = pairs / max(pairs.sum(), 1)
    apart = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    some = p > 0
    return float((p[some] * np.log(p[some] / apart[some])).sum())


def _places(filled: NDArray[np.int64], shape: tuple[int, ...], most: int) -> NDArray[np.int64]:
    """Flat indices -> (n, 3) voxels, `most` of them at most, always the same ones."""
    return np.stack(np.unravel_index(_sampled(filled, most), shape), axis=1)


def _sampled(rows: NDArray[Any], most: int = SAMPLES) -> NDArray[Any]:
    if len(rows) <= most:
        return rows
    return rows[np.random.default_rng(SEED).integers(0, len(rows), most)]


def bias_ratio(volume: Volume) -> float:
    """How many times as bright the brain is where a smooth field makes it brightest as where it is darkest (95 % of the
    brain); 1 without a bias field. A polynomial of second order is fitted to the logarithm of the common tissue."""
    inside = ndimage.binary_erosion(volume.data > 0)
    filled = np.flatnonzero(inside)
    if filled.size < SAMPLES // 10:
        return 1.0
    places = _places(filled, inside.shape, SAMPLES)
    values = np.log(volume.data[tuple(places.T)].astype(np.float64))
    x, y, z = ((places - places.mean(axis=0)) * volume.grid.spacing / BRAIN_RADIUS).T
    terms = np.stack([np.ones_like(x), x, y, z, x * x, y * y, z * z, x * y, y * z, z * x], axis=1)
    field = np.full_like(values, np.median(values))
    for _ in range(3):
        low, high = np.percentile(values - field, KEPT)
        kept = (values - field >= low) & (values - field <= high)
        field = terms @ np.linalg.lstsq(terms[kept], values[kept], rcond=None)[0]
    low, high = np.percentile(field, (2.5, 97.5))
    return float(np.exp(high - low))


def fluid_contrast(t2: Volume, flair: Volume) -> float:
    """Above 0 where the first is T2 and the second FLAIR, below 0 where they are exchanged: what is brightest on T2 is
    fluid, dark on FLAIR; what is brightest on FLAIR is bright on T2 too. -1 to 1."""
    inside = (t2.data != 0) & (flair.data != 0)
    if inside.sum() < SAMPLES // 10:
        return 0.0
    both = _sampled(np.stack([t2.data[inside], flair.data[inside]], axis=1))
    first, second = (_ranks(both[:, i]) for i in (0, 1))
    return float(first[second > BRIGHTEST].mean() - second[first > BRIGHTEST].mean())


def _ranks(values: Image) -> NDArray[np.float64]:
    """0 to 1 by size."""
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.linspace(0, 1, len(values))
    return ranks


def air_ghosts(volume: Volume) -> float:
    """How much brighter the air is beside the head along one axis of the slices than along the other, as a share of the
    head's brightness: ghosts of motion lie along the phase axis alone. 0 where there is no air to look at.

    Method: Mortamet et al., "Automatic quality assessment in structural brain magnetic resonance imaging", MRM 62,
    2009, takes all air; the two axes are held against each other here, as noise is the same along both.
    """
    across = int(volume.grid.spacing.argmax()) if volume.grid.spacing.max() > 1.2 * volume.grid.spacing.min() else 2
    steps = [max(1, round(COARSE_MM / mm)) for mm in np.delete(volume.grid.spacing, across)]
    slices = np.moveaxis(volume.data, across, 0)[:, :: steps[0], :: steps[1]]
    middle = np.linspace(len(slices) // 4, 3 * len(slices) // 4, PLANES).astype(int)
    found = [difference for s in np.unique(middle) if (difference := _ghosts(slices[s])) is not None]
    return abs(float(np.median(found))) if found else 0.0


def _ghosts(plane: Image) -> float | None:
    """Of one slice: brightness of the air beside the head along its first axis less that along its second."""
    rough = np.pad(plane > HEAD * np.percentile(plane, 99), 3)
    parts, count = ndimage.label(ndimage.binary_fill_holes(ndimage.binary_closing(rough, iterations=3))[3:-3, 3:-3])
    if not count:
        return None
    head = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax())
    air = ndimage.distance_transform_edt(~head) > AWAY
    rows, columns = head.any(axis=1)[:, None], head.any(axis=0)[None, :]
    first, second = plane[air & columns & ~rows], plane[air & rows & ~columns]
    if min(first.size, second.size) < MIN_AIR:
        return None
    return float((first.mean() - second.mean()) / max(np.median(plane[head]), 1e-6))
