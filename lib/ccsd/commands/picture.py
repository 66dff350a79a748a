"""Draw a mask over the images of its study, and beside it the map of agreement."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ccsd.common.errors import InputError
from ccsd.common.settings import read_task
from ccsd.imaging.grid import Grid
from ccsd.imaging.volumes import read_grid, read_values
from ccsd.method.task import BRATS
from ccsd.pictures.overlay import overlay
from ccsd.studies.labels import read_label
from ccsd.studies.study import read_with_target, study_of

EXAMPLE = """example:
  ccsd picture --image patient7/t1ce.nii.gz --mask masks/patient7_seg.nii.gz --out patient7.png
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", type=Path, required=True, help="any image of the study")
    parser.add_argument("--mask", type=Path, required=True, help="label map on the image's grid")
    parser.add_argument("--agreement", type=Path, help="map of agreement on the image's grid")
    parser.add_argument("--modalities", nargs="+", help="rows of the picture (default: all on the image's grid)")
    parser.add_argument("--task", type=Path, help="task file in TOML (default: BraTS)")
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    arguments = parser.parse_args()
    task = read_task(arguments.task) if arguments.task else BRATS
    study = study_of(arguments.image, task.modalities)
    if arguments.modalities:
        study = study.restricted(arguments.modalities)
    volumes, target = read_with_target(study, arguments.image)
    grid = volumes[target].grid
    shown = [m for m in arguments.modalities or study.sources if volumes[m].grid.matches(grid)]
    mask, _ = read_label(arguments.mask, known=len(task.labels), aliases=task.aliases, reference=grid)
    agreement = _map_on(grid, arguments.agreement) if arguments.agreement else None
    overlay([volumes[m].data for m in shown or [target]], mask, grid, agreement=agreement).save(arguments.out)
    print(arguments.out)


def _map_on(grid: Grid, path: Path) -> NDArray[np.float32]:
    """Raises InputError: it lies on another grid."""
    own = read_grid(path)
    if not own.matches(grid):
        raise InputError(f"{path} has the grid {own.describe()}, expected the image's: {grid.describe()}")
    return read_values(path, own)
