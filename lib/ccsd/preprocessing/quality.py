"""What is said of the images before their mask is believed: every warning on quality is a function here, and each gives
its sentences, or none. A sentence names the series, what was found, and what to do.

Limits were chosen on one half of the studies that are fine and counted on the other (docs/notebook.md, Quality of the
input). What `ccsd.preprocessing.quality_measures` measures is in docs/studies.md, Warnings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ccsd.common.overlap import overlapped
from ccsd.imaging.volumes import Grid, Volume
from ccsd.preprocessing import coverage
from ccsd.preprocessing.quality_measures import (
    COARSE_MM,
    End,
    air_ghosts,
    alignment,
    bias_ratio,
    brain_ends,
    coarse,
    fluid_contrast,
)
from ccsd.preprocessing.skull import shows_skull
from ccsd.studies.enhancement import is_after

BRAIN_SERIES = {"t1", "t1ce", "flair"}  # a task with none of them may be of another organ
ADULT_ML = (900.0, 2000.0)  # a brain with its fluid
CUT_CM2 = 50.0  # of brain at an end of what was scanned
CUT_TUMOUR_CM2, BESIDE_CM2 = 1.0, 20.0  # of tumour there, and of brain around it
MIN_SHARPNESS = 1.25  # `alignment`
MAX_BIAS = 2.4  # `bias_ratio`
MAX_GHOSTS = 0.08  # `air_ghosts`
EXCHANGED_FLUID = -0.1  # `fluid_contrast`
MIN_INFORMATION = 0.5  # nats that two aligned heads share; 10 mm apart they share less
MIN_OF_TEMPLATE = 0.455  # nats that a brain shares with the standard one; upside down it shares less

Matrix = NDArray[np.float64]


def of_scans(scanned: Mapping[str, Volume]) -> list[str]:
    """Warnings on series as scanned, with the air around the head."""
    return [sentence for name, volume in scanned.items() for sentence in moved(name, volume)]


def of_brain(volumes: Mapping[str, Volume], grids: Mapping[str, Grid], transforms: Mapping[str, Matrix]) -> list[str]:
    """Warnings on a study in common space without skull.

    Args:
        volumes: the series that are segmented from, all on one grid, zero outside the brain.
        grids, transforms: of each, as `ccsd.preprocessing.common_space.CommonSpace` has them.
    """
    seen = {name: coarse(volume) for name, volume in volumes.items()}

    def whole() -> list[str]:
        if any(coverage.is_slab(grid) for grid in grids.values()):
            return []
        ends = {name: brain_ends(volume, grids[name], transforms[name]) for name, volume in seen.items()}
        return cut_brain(ends) or brain_size(seen)

    checks: list[Callable[[], list[str]]] = [
        whole,
        partial(exchanged_agent, seen),
        partial(exchanged_fluid, seen),
        partial(not_aligned, seen),
        *[partial(biased, name, coarse(volume, 2 * COARSE_MM)) for name, volume in seen.items()],
    ]
    found = overlapped(lambda check: check(), checks, at_once=len(checks))
    return [sentence for sentences in found for sentence in sentences]


def few_slices(name: str, grid: Grid) -> list[str]:
    """A prepared image of too few slices."""
    if min(grid.shape) >= coverage.MIN_SLICES:
        return []
    return [f"{name} has {min(grid.shape)} slices, the network was trained on whole brains: check the mask"]


def slab(name: str, grid: Grid) -> list[str]:
    """A scan of a part of the head."""
    if not coverage.is_slab(grid):
        return []
    side = coverage.shortest_side(grid)
    return [f"{name} covers {side:.0f} mm of the head, the network was trained on whole brains: check the mask"]


def brain_size(volumes: Mapping[str, Volume]) -> list[str]:
    """A brain that is no adult's, or none."""
    size = float(np.median([(v.data != 0).sum() * np.prod(v.grid.spacing) / 1000 for v in volumes.values()]))
    low, high = ADULT_ML
    if low <= size <= high:
        return []
    return [
        f"the brain measures {size:.0f} mL, expected {low:.0f} to {high:.0f} of an adult: check that the voxel size is "
        f"right and that the images show a whole brain and nothing else"
    ]


def cut_brain(ends: Mapping[str, list[End]]) -> list[str]:
    """A field of view that ends inside the brain."""
    sides: dict[str, dict[str, float]] = defaultdict(dict)
    for name, found in ends.items():
        for end in found:
            if end.area > CUT_CM2 and end.at_edge:
                sides[end.side][name] = end.area
    return [
        f"{_names(areas)} cut{'s' if len(areas) == 1 else ''} the brain at the {side} ({max(areas.values()):.0f} cm2 "
        f"of brain in the last slice): what lies beyond is neither in the mask nor in its volumes"
        for side, areas in sides.items()
    ]


def cut_tumour(label: NDArray[np.uint8], name: str, volume: Volume, grid: Grid, matrix: Matrix) -> list[str]:
    """A tumour that reaches the end of the target image inside the brain.

    Args:
        label: (D, H, W) on `grid`, the grid of the target image as scanned.
        volume: the target image in common space; matrix: (4, 4), world mm of it -> world mm of `grid`.
    """
    if not label.any():
        return []
    return [
        f"the mask reaches the {end.side} of what {name} shows: it may go on beyond, take its volume as a lower bound"
        for end in brain_ends(coarse(volume), grid, matrix)
        if end.at_edge and end.area > BESIDE_CM2 and _area(label, grid, end) > CUT_TUMOUR_CM2
    ]


def _area(label: NDArray[np.uint8], grid: Grid, end: End) -> float:
    """cm2 of tumour in the plane where the brain ends."""
    plane = np.moveaxis(label, end.axis, 0)[end.plane]
    return float((plane != 0).sum() * np.prod(np.delete(grid.spacing, end.axis)) / 100)


def not_aligned(volumes: Mapping[str, Volume]) -> list[str]:
    """Series that lie on none of the others: shifted, or of another patient."""
    away = [name for name, sharpness in alignment(volumes).items() if sharpness < MIN_SHARPNESS]
    if not away:
        return []
    if len(away) == len(volumes):
        return [
            f"{_names(away)} do not lie on one another: check that they are of one patient and visit, and aligned; "
            f"`preprocess` full aligns them"
        ]
    return [
        f"{name} does not lie on the other series: check that it is of the same patient and visit, and aligned; "
        f"`preprocess` full aligns it, without {name} the mask may be better"
        for name in away
    ]


def exchanged_agent(volumes: Mapping[str, Volume]) -> list[str]:
    """What is called T1 enhances and what is called T1ce does not."""
    plain, enhanced = volumes.get("t1"), volumes.get("t1ce")
    if plain is None or enhanced is None or is_after(enhanced.data, plain.data) is not False:
        return []
    return [
        "t1 and t1ce look exchanged: what is called t1 shows contrast agent, what is called t1ce does not; check the "
        "names, `modalities` of a request says which is which"
    ]


def exchanged_fluid(volumes: Mapping[str, Volume]) -> list[str]:
    """Fluid is dark on what is called T2 and bright on what is called FLAIR."""
    t2, flair = volumes.get("t2"), volumes.get("flair")
    if t2 is None or flair is None or fluid_contrast(t2, flair) > EXCHANGED_FLUID:
        return []
    return [
        "t2 and flair look exchanged: fluid is bright on what is called flair and dark on what is called t2; check the "
        "names, `modalities` of a request says which is which"
    ]


def biased(name: str, volume: Volume) -> list[str]:
    """A strong bias field."""
    ratio = bias_ratio(volume)
    if ratio <= MAX_BIAS:
        return []
    return [
        f"{name} is {ratio:.1f} times as bright at one end of the brain as at the other (a bias field): check the "
        f"mask, or correct the image (N4) and segment again"
    ]


def moved(name: str, volume: Volume) -> list[str]:
    """Ghosts of motion along the phase axis."""
    ghosts = air_ghosts(volume)
    if ghosts <= MAX_GHOSTS:
        return []
    return [
        f"{name} has ghosts of motion (the air beside the head has {ghosts:.0%} of its brightness): check the mask, "
        f"and compare it with the one without {name}"
    ]


def skull_left(volumes: Mapping[str, Volume]) -> list[str]:
    """A skull in images that are taken as stripped. Fluid at the rim of a T2 looks like a scalp, so a T2 is judged only
    where it is alone."""
    judged = [name for name in volumes if name != "t2"] or list(volumes)
    found = [name for name in judged if shows_skull(volumes[name])]
    if not found:
        return []
    return [f"{_names(found)} still show{'s' if len(found) == 1 else ''} a skull: `preprocess` full removes it"]


def not_registered(name: str, reference: str) -> str:
    """Registration found no way."""
    return f"{name} could not be registered to {reference}: it lies where the scanner put it"


def poorly_registered(name: str, reference: str, information: float) -> str:
    """Registration ended where the heads share little."""
    return (
        f"{name} may not lie on {reference}: registration ended at {information:.2f} nats of mutual information, "
        f"expected {MIN_INFORMATION} or more"
    )


def not_turned(name: str, measures: NDArray[np.float64], standard: NDArray[np.float64]) -> str:
    """The brain does not match the template; of both, mm along the patient's axes."""
    own, expected = (" x ".join(f"{mm:.0f}" for mm in size) for size in (measures, standard))
    return (
        f"{name} could not be turned to the standard brain: its brain measures {own} mm from side to side, front to "
        f"back and bottom to top, the standard one {expected}; check the slice distance, the voxel size and the "
        f"orientation in its header, the network sees the head as it was scanned"
    )


def _names(names: Mapping[str, float] | list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
