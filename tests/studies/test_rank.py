from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ccsd.imaging.grid import Grid
from ccsd.imaging.sources import Source
from ccsd.imaging.tags import Tags
from ccsd.studies.candidates import Candidate
from ccsd.studies.evidence import Evidence
from ccsd.studies.rank import best


def candidate(name: str, spacing: tuple[float, float, float], shape: tuple[int, int, int], **tags: object) -> Candidate:
    grid = Grid(shape, np.diag([*spacing, 1.0]))
    return Candidate(Source(Path(name)), Evidence("t2"), tags=Tags(**tags) if tags else None, grid=grid)  # type: ignore[arg-type]  # keywords of Tags


FINE = candidate("fine", (1, 1, 1), (180, 220, 170))
AXIAL = candidate("axial", (0.5, 0.5, 6), (512, 512, 26))
CORONAL = candidate("coronal", (0.5, 6, 0.5), (512, 28, 512))
THICK = candidate("thick", (0.5, 0.5, 8), (512, 512, 20))
SLAB = candidate("slab", (0.5, 0.5, 6), (512, 512, 10))
COARSE = candidate("coarse", (1, 1, 6), (256, 256, 26))


@pytest.mark.parametrize(
    ("better", "worse", "reason"),
    [
        (FINE, AXIAL, "it is 3D"),
        (AXIAL, THICK, "it is finer"),
        (AXIAL, SLAB, "it covers more"),
        (AXIAL, CORONAL, "it is axial"),
        (AXIAL, COARSE, "its voxels are smaller"),
        (replace(COARSE, strict=True), FINE, "its name is strict"),
        (AXIAL, replace(FINE, tags=Tags(image_type=("DERIVED", "PRIMARY"))), "it is original, not derived"),
        (AXIAL, replace(AXIAL, evidence=Evidence("t2", contrast=True)), "it is before contrast agent"),
        (replace(AXIAL, tags=Tags(acquired=10.0)), replace(AXIAL, tags=Tags(acquired=20.0)), "it was acquired earlier"),
    ],
)
def test_the_better_of_two_goes_first_and_the_first_difference_is_the_reason(
    better: Candidate, worse: Candidate, reason: str
) -> None:
    for order in ((better, worse), (worse, better)):
        first, others, ties = best(order)
        assert first == better
        assert [why for _, why in others] == [reason]
        assert ties == []


def test_images_that_nothing_tells_apart_are_a_tie() -> None:
    first, _, ties = best([AXIAL, replace(AXIAL, source=Source(Path("other")))])
    assert (first.name, [t.name for t in ties]) == ("axial", ["other"])
