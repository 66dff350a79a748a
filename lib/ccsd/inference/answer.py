"""Parts of what is said of a mask: volumes, expected Dice, notes on images, what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsd.imaging.sources import LeftOut
from ccsd.imaging.volumes import Grid
from ccsd.method.task import Task
from ccsd.models.checkpoint import Checkpoint
from ccsd.studies.study import Study


def expected_dice(checkpoint: Checkpoint, used: Iterable[str], task: Task) -> dict[str, Any] | None:
    """Mean Dice of each region with exactly these modalities, as the weights' own evaluation found it on studies that
    they had not seen, and the number of these studies; None where there is none."""
    row = _measured(checkpoint, used, task)
    if row is None or checkpoint.card.why_not_expected:
        return None
    return {**{g: round(float(row[g]), 3) for g in task.regions}, "studies": len(checkpoint.card.validation)}


def why_not_expected(checkpoint: Checkpoint, used: Iterable[str], task: Task) -> str | None:
    """Why there is no Dice to expect, in one sentence; None: there is."""
    why = checkpoint.card.why_not_expected
    if why is None and _measured(checkpoint, used, task) is None:
        return "the weights were not measured with exactly these modalities"
    return why


def _measured(checkpoint: Checkpoint, used: Iterable[str], task: Task) -> Mapping[str, Any] | None:
    row = checkpoint.card.row(used)
    return row if row is not None and set(row) >= set(task.regions) else None


def volumes(label: NDArray[np.uint8], grid: Grid, task: Task) -> dict[str, dict[str, float]]:
    """mL of each region and of each label of the map."""
    count = np.bincount(label.ravel(), minlength=len(task.labels) + 1) * voxel_ml(grid)
    return {
        "volumes_ml": {region: round(float(count[list(values)].sum()), 3) for region, values in task.regions.items()},
        "parts_ml": {name: round(float(count[value]), 3) for name, value in task.labels.items()},
    }


def notes(study: Study, used: Iterable[str]) -> list[str]:
    """What the user must know of how the images were found and read, once each."""
    found = [study.note, *(note for m in used for note in study.sources[m].notes)]
    return list(filter(None, dict.fromkeys(found)))


def voxel_ml(grid: Grid) -> float:
    """Of one voxel."""
    return abs(float(np.linalg.det(grid.affine[:3, :3]))) / 1000


def reasons(left_out: Iterable[LeftOut]) -> dict[str, str]:
    """Name of an image -> why it is not used."""
    return {left.name: left.reason for left in left_out}
