"""What the answer says of a mask: modalities and how recognised, settings, volumes, expected Dice, warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsd.imaging.sources import LeftOut
from ccsd.imaging.volumes import Grid
from ccsd.inference.predict import computed_in
from ccsd.method.task import Task
from ccsd.models.checkpoint import UNTRAINED, Checkpoint
from ccsd.models.expected import why_none
from ccsd.preprocessing.common_space import RawResult
from ccsd.server.infers.request import InferRequest
from ccsd.studies.study import Study

UNTRAINED_WARNING = "untrained weights: no model is published yet, this mask is meaningless"


def describe(
    study: Study,
    label: NDArray[np.uint8],
    removed: int,
    grid: Grid,
    common: RawResult,
    checkpoint: Checkpoint,
    wanted: InferRequest,
    task: Task,
) -> dict[str, Any]:
    """The answer's `ccsd` part; `image` is the one whose grid the mask has.

    Args:
        label: the mask (D, H, W) on `grid`, the asked image's; removed: voxels left out of it as specks.
    """
    used = [m for m in task.modalities if m in study.sources]
    missing = [m for m in task.modalities if m not in study.sources]
    untrained = [UNTRAINED_WARNING] if checkpoint.version == UNTRAINED else []
    return {
        "study": study.id,
        "image": study.sources[common.asked].name if common.asked in study.sources else common.asked,
        "modalities": {
            "used": {m: study.sources[m].name for m in used},
            "rules": {m: study.sources[m].rule for m in used},
            "missing": missing,
            "ignored": _reasons([*study.spare, *study.unknown, *study.refused]),
        },
        "preprocess": {"route": common.route, "cached": common.cached, "seconds": common.seconds},
        **volumes(label, grid, task),
        "removed_ml": round(removed * _voxel_ml(grid), 3),
        "expected_dice": expected_dice(checkpoint, used, task),
        "expected_dice_reason": why_not_expected(checkpoint, used, task),
        "model": checkpoint.version,
        "settings": {
            "window": wanted.window.edge or 0,
            "overlap": wanted.window.overlap,
            "specks": wanted.specks,
            "precision": str(computed_in(wanted.window, wanted.device)).removeprefix("torch."),
            "device": str(wanted.device),
        },
        "warnings": [*untrained, *_notes(study, used), *task.warnings(missing), *common.warnings],
    }


def provenance(answer: Mapping[str, Any], task: Task) -> dict[str, str]:
    """What a mask file says of how it was made, and no more: file names can be those of patients."""
    return {
        "model": str(answer["model"]),
        "task": task.name,
        "modalities": ", ".join(answer["modalities"]["used"]),
        "preprocess": str(answer["preprocess"]["route"]),
        **{name: str(value) for name, value in answer["settings"].items()},
    }


def expected_dice(checkpoint: Checkpoint, used: Iterable[str], task: Task) -> dict[str, Any] | None:
    """Mean Dice of each region with exactly these modalities, as the weights' own evaluation found it on studies that
    they had not seen, and the number of these studies; None where there is none."""
    row = _measured(checkpoint, used, task)
    if row is None or why_none(checkpoint.notes):
        return None
    return {**{g: round(float(row[g]), 3) for g in task.regions}, "studies": len(checkpoint.notes["validation"])}


def why_not_expected(checkpoint: Checkpoint, used: Iterable[str], task: Task) -> str | None:
    """Why there is no Dice to expect, in one sentence; None: there is."""
    why = why_none(checkpoint.notes)
    if why is None and _measured(checkpoint, used, task) is None:
        return "the weights were not measured with exactly these modalities"
    return why


def _measured(checkpoint: Checkpoint, used: Iterable[str], task: Task) -> Mapping[str, Any] | None:
    wanted = set(used)
    row = next((r for r in checkpoint.notes.get("dice", ()) if set(r["modalities"]) == wanted), None)
    return row if row is not None and set(row) >= set(task.regions) else None


def volumes(label: NDArray[np.uint8], grid: Grid, task: Task) -> dict[str, dict[str, float]]:
    """mL of each region and of each label of the map."""
    count = np.bincount(label.ravel(), minlength=len(task.labels) + 1) * _voxel_ml(grid)
    return {
        "volumes_ml": {region: round(float(count[list(values)].sum()), 3) for region, values in task.regions.items()},
        "parts_ml": {name: round(float(count[value]), 3) for name, value in task.labels.items()},
    }


def _notes(study: Study, used: Iterable[str]) -> list[str]:
    """What the user must know of how the images were found and read, once each."""
    notes = [study.note, *(note for m in used for note in study.sources[m].notes)]
    return list(filter(None, dict.fromkeys(notes)))


def _voxel_ml(grid: Grid) -> float:
    return abs(float(np.linalg.det(grid.affine[:3, :3]))) / 1000


def _reasons(left_out: Iterable[LeftOut]) -> dict[str, str]:
    return {left.name: left.reason for left in left_out}
