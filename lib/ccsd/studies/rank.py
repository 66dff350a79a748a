"""Several images of one modality -> the one to use, and why the others come after it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import log2

import nibabel as nib
import numpy as np

from ccsd.imaging.grid import Grid
from ccsd.imaging.volumes import source_grid
from ccsd.studies.candidates import Candidate

THIN = 2.0  # mm; slices up to this make an image 3D where no tag says so
_ECHO = re.compile(r"(?<![a-zA-Z0-9])e(?:cho)?[-_ ]?(\d)(?!\d)", re.IGNORECASE)
WHOLE_HEAD = 140.0  # mm that a volume must span to count as whole


def best(candidates: Sequence[Candidate]) -> tuple[Candidate, list[tuple[Candidate, str]], list[Candidate]]:
    """(the one to use, the others with the reason why they come after it, those that nothing tells from the first).

    Raises:
        InputError: a header cannot be read.
    """
    known = [c if c.grid else replace(c, grid=source_grid(c.source)) for c in candidates]
    ordered = sorted(
        known, key=lambda c: ([-float(rule(c)) for _, rule in RULES], _natural(c.source.path.name), c.source.uid)
    )
    first = ordered[0]
    others = [(c, _difference(first, c)) for c in ordered[1:]]
    return first, others, [c for c, reason in others if not reason]


def _natural(name: str) -> list[tuple[int, str]]:
    """For sorting: series 9 before series 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _difference(first: Candidate, other: Candidate) -> str:
    """The first rule by which they differ, or nothing."""
    return next((says for says, rule in RULES if rule(first) != rule(other)), "")


def _grid(candidate: Candidate) -> Grid:
    assert candidate.grid is not None  # `best` reads it
    return candidate.grid


def _is_strict(candidate: Candidate) -> float:
    return candidate.strict


def _is_said(candidate: Candidate) -> float:
    """What is said of contrast agent goes before silence."""
    return not candidate.evidence.assumed


def _echo(candidate: Candidate) -> float:
    """The number of the echo: the first of a T2 is proton density, later ones are heavier weighted."""
    found = _ECHO.search(candidate.name)
    return int(found[1]) if found else 0.0


def _is_original(candidate: Candidate) -> float:
    """Image Type's first value: DERIVED has been computed from other pixels (PS3.3 C.7.6.1.1.2)."""
    values = candidate.tags.image_type if candidate.tags else ()
    return not (values and values[0].upper() == "DERIVED")


def _is_3d(candidate: Candidate) -> float:
    acquisition = candidate.tags.acquisition if candidate.tags else ""
    return acquisition.upper() == "3D" if acquisition else _grid(candidate).spacing.max() <= THIN


def _fineness(candidate: Candidate) -> float:
    """Minus the largest voxel edge in half millimetres: the network works at 1 mm, slices are what is coarse."""
    return -round(float(_grid(candidate).spacing.max()) * 2)


def _coverage(candidate: Candidate) -> float:
    """The smallest edge of the volume in steps of 20 mm, up to a whole head."""
    grid = _grid(candidate)
    return round(min(float((np.array(grid.shape) * grid.spacing).min()), WHOLE_HEAD) / 20)


def _is_axial(candidate: Candidate) -> float:
    """Slices (the axis of the largest voxel edge) along the body; thin 3D volumes have no plane of their own."""
    grid = _grid(candidate)
    if grid.spacing.max() < 1.2 * grid.spacing.min():
        return True
    axes = nib.orientations.io_orientation(grid.affine)[:, 0]
    return bool(axes[int(grid.spacing.argmax())] == 2)


def _smallness(candidate: Candidate) -> float:
    """Minus the voxel's volume, in steps of a factor 1.4."""
    return -round(2 * log2(float(np.prod(_grid(candidate).spacing))))


def _is_before_contrast(candidate: Candidate) -> float:
    """T2 and FLAIR after contrast agent are a second choice: FLAIR enhances."""
    return candidate.evidence.sequence == "t1" or not candidate.evidence.contrast


def _earliness(candidate: Candidate) -> float:
    return -candidate.acquired if candidate.acquired is not None else 0.0


RULES: tuple[tuple[str, Callable[[Candidate], float]], ...] = (
    ("its name is strict", _is_strict),
    ("it says that it is before contrast agent", _is_said),
    ("it is original, not derived", _is_original),
    ("it is 3D", _is_3d),
    ("it is finer", _fineness),
    ("it covers more", _coverage),
    ("it is a later echo", _echo),
    ("it is axial", _is_axial),
    ("its voxels are smaller", _smallness),
    ("it is before contrast agent", _is_before_contrast),
    ("it was acquired earlier", _earliness),
)
