"""Measurement over the lattice of subsets: what a model is worth with any of its modalities missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lib.ccsd import subsets
from lib.ccsd.network import CCSDNetwork
from lib.ccsd.task import Task
from lib.evaluation.metrics import apply_et_rule, dice, hd95
from lib.evaluation.predict import WindowConfig, predict
from lib.preprocessing.prepare import prepare
from lib.studies.labels import read_label
from lib.studies.study import Study
from lib.studies.volumes import Volume, read_study


@dataclass(frozen=True)
class Measured:
    """One subset of one study, on the grid of the study's images.

    Attributes:
        label: (D, H, W) uint8, the mask that a user gets.
        dice, hd95: (R,); hd95 in mm. et_rule_dice, et_rule_hd95: the same after BraTS's rule for small ET.
    """

    subset: int
    label: NDArray[np.uint8]
    dice: Tensor
    hd95: Tensor
    et_rule_dice: Tensor
    et_rule_hd95: Tensor


def measure_study(
    network: CCSDNetwork, study: Study, label: Path, *, window: WindowConfig
) -> tuple[dict[str, Volume], NDArray[np.uint8], Iterator[Measured]]:
    """(volumes, reference (D, H, W), one measurement for each subset of what the study has, largest first).

    Everything is on the images' own grid; masks are restored to it as inference restores them.

    Raises:
        InputError: an image or the label cannot be used.
    """
    task = network.task
    volumes = read_study(study.files, asked=next(iter(study.files.values())))
    grid = next(iter(volumes.values())).grid
    reference, _ = read_label(label, known=len(task.labels), aliases=task.aliases, reference=grid)
    prepared = prepare(volumes, task.modalities, spacing=task.spacing)
    wanted = subsets.lattice(subsets.from_present(prepared.present))

    def each() -> Iterator[Measured]:
        truth = _regions(torch.from_numpy(reference), task)
        voxel_ml = float(np.prod(grid.spacing)) / 1000
        predicted = predict(network, prepared.volumes, prepared.present, wanted, window)
        for subset in wanted:
            found = task.to_label(prepared.frame.restore(predicted.pop(subset)) > 0.5)
            plain = _measure(found, truth, task, grid.spacing)
            ruled = apply_et_rule(found, task, voxel_ml)
            after = plain if torch.equal(ruled, found) else _measure(ruled, truth, task, grid.spacing)
            yield Measured(subset, found.numpy(), *plain, *after)

    return volumes, reference, each()


def dice_by_subset(
    network: CCSDNetwork,
    volumes: Tensor,
    present: Tensor,
    label: Tensor,
    *,
    chosen: Sequence[int] | None = None,
    window: WindowConfig,
) -> dict[int, Tensor]:
    """Dice (R,) of each chosen subset (all of what is present, by default) against the label map (d, h, w), both in the
    network's frame: the quick form for validation during training."""
    wanted = list(chosen) if chosen is not None else subsets.lattice(subsets.from_present(present))
    reference = _regions(label, network.task)
    predicted = predict(network, volumes, present, wanted, window)
    return {s: dice(_regions(network.task.to_label(p > 0.5), network.task), reference) for s, p in predicted.items()}


def table(results: dict[int, Tensor], task: Task) -> list[dict[str, Any]]:
    """Rows for a report: `{"modalities": [...], "WT": 0.9, ...}`, in lattice order."""
    return [
        {
            "modalities": list(subsets.names(s, task.modalities)),
            **{region: round(float(v), 4) for region, v in zip(task.regions, value, strict=True)},
        }
        for s, value in results.items()
    ]


def mean_over(results: Sequence[dict[int, Tensor]]) -> dict[int, Tensor]:
    """The mean over studies of each subset's Dice; a study counts for the subsets that it has."""
    chosen = dict.fromkeys(s for r in results for s in r)
    return {s: torch.stack([r[s] for r in results if s in r]).mean(dim=0) for s in chosen}


def _measure(found: Tensor, truth: Tensor, task: Task, spacing: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    regions = _regions(found, task)
    return dice(regions, truth), hd95(regions, truth, [float(s) for s in spacing])


def _regions(label: Tensor, task: Task) -> Tensor:
    """Label map (D, H, W) -> boolean (R, D, H, W)."""
    return task.to_regions(label[None])[0].bool()
