"""How much brains share with the standard brain once turned to it: as their headers say, with voxels scaled so that
the brain has the standard one's size, and with headers that lie about the orientation, where turning must fail."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ccsd.imaging.volumes import Grid, Volume, read_source
from ccsd.method.task import BRATS
from ccsd.preprocessing.background import with_zero_background
from ccsd.preprocessing.brain import extract_brain
from ccsd.preprocessing.common_space import reference_of
from ccsd.preprocessing.quality_measures import COARSE_MM, coarse
from ccsd.preprocessing.register import Matrix, register_rigid
from ccsd.preprocessing.template import template
from ccsd.studies.study import Study, find_studies

TURNS = {
    "upside down": np.diag([1.0, -1.0, -1.0, 1.0]),
    "on its side": np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]),
    "back to front": np.diag([-1.0, -1.0, 1.0, 1.0]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of studies, with skull or without")
    arguments = parser.parse_args()
    heads = ["study", "brain mm", "as it is", "scaled", *TURNS]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for study in [s for folder in arguments.data for s in find_studies(folder, BRATS.modalities)]:
        brain = _brain(study)
        size = _size(brain)
        scaled = np.diag([*_size(template()) / size, 1.0])
        shared = [_shared(_moved(brain, m)) for m in (np.eye(4), scaled, *TURNS.values())]
        row = [study.id, " x ".join(f"{mm:.0f}" for mm in size), *(f"{nats:.3f}" for nats in shared)]
        print(f"| {' | '.join(row)} |", flush=True)


def _brain(study: Study) -> Volume:
    """Of the series that would be turned."""
    volumes = {m: with_zero_background(read_source(source)) for m, source in study.sources.items()}
    reference = volumes[reference_of(volumes)]
    brain = Volume(np.where(extract_brain(reference), reference.data, 0).astype(np.float32), reference.grid)
    return coarse(brain) if brain.grid.spacing.max() < COARSE_MM else brain


def _size(brain: Volume) -> NDArray[np.float64]:
    """mm along the patient's axes."""
    return np.ptp(np.argwhere(brain.data) @ brain.grid.affine[:3, :3].T, axis=0)


def _shared(brain: Volume) -> float:
    """Nats, where turning ends."""
    return register_rigid(template(), brain, fine=False).information


def _moved(brain: Volume, matrix: Matrix) -> Volume:
    """With a header that lies, about the middle of the brain."""
    middle = np.append(np.argwhere(brain.data).mean(axis=0), 1)
    affine = matrix @ brain.grid.affine
    affine[:3, 3] += (brain.grid.affine @ middle - affine @ middle)[:3]
    return Volume(brain.data, Grid(brain.grid.shape, affine))
