"""Dice over the lattice of subsets: what a model is worth with any of its modalities missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.metrics import compute_dice
from torch import Tensor

from lib.ccsd import subsets
from lib.ccsd.network import CCSDNetwork
from lib.ccsd.task import Task
from lib.evaluation.predict import WindowConfig, predict


def dice(predicted: Tensor, reference: Tensor) -> Tensor:
    """Dice of boolean (R, D, H, W) against (R, D, H, W): (R,). Both empty: 1, one empty: 0 (BraTS convention)."""
    value = compute_dice(predicted[None].float(), reference[None].float(), ignore_empty=False)
    return value[0].float()


def dice_by_subset(
    network: CCSDNetwork,
    volumes: Tensor,
    present: Tensor,
    label: Tensor,
    *,
    chosen: Sequence[int] | None = None,
    window: WindowConfig,
) -> dict[int, Tensor]:
    """Dice (R,) of each chosen subset (all of what is present, by default) against the label map (d, h, w)."""
    wanted = list(chosen) if chosen is not None else subsets.lattice(subsets.from_present(present))
    reference = network.task.to_regions(label[None])[0]
    predicted = predict(network, volumes, present, wanted, window)
    return {s: dice(as_nested(p, network.task), reference) for s, p in predicted.items()}


def as_nested(probabilities: Tensor, task: Task) -> Tensor:
    """Region probabilities (R, d, h, w) -> boolean regions after the label map that is served, so that what is measured
    is what a user gets."""
    label = task.to_label(probabilities > 0.5)
    return task.to_regions(label[None])[0].bool()


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
