"""Measurement over the lattice of subsets (15 for four modalities): what a model is worth with some missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ccsd.common.errors import InputError
from ccsd.evaluation.metrics import apply_et_rule, dice, hd95
from ccsd.evaluation.summary import Row
from ccsd.imaging.lattice import lies_on
from ccsd.imaging.volumes import Grid, Volume
from ccsd.inference.label_map import MIN_COMPONENT_FRACTION, label_map
from ccsd.inference.pipeline import common_input, mask_on_grid
from ccsd.inference.predict import predict
from ccsd.inference.windows import WindowConfig
from ccsd.method import subsets
from ccsd.method.network import CCSDNetwork
from ccsd.method.task import Task
from ccsd.preprocessing.common_space import CommonSpace
from ccsd.preprocessing.prepare import NetworkInput
from ccsd.studies.labels import label_grid, read_annotation
from ccsd.studies.study import Study, read_with_target


@dataclass(frozen=True)
class LabelledStudy:
    """A study, its reference, and the network's input.

    Attributes:
        volumes: the images as they are, by name.
        reference: (D, H, W) uint8 on `grid`, that of the image that it was drawn on.
        annotated: the regions that it knows.
        common: the study in common space, with the way back to `grid`.
    """

    id: str
    volumes: dict[str, Volume]
    reference: NDArray[np.uint8]
    annotated: tuple[str, ...]
    common: CommonSpace
    prepared: NetworkInput

    @property
    def grid(self) -> Grid:
        return self.common.grids[self.common.target]


@dataclass(frozen=True)
class Measured:
    """One subset of one study, on the grid of its reference.

    Attributes:
        label: (D, H, W) uint8, the mask that a user gets.
        rows: Dice and HD95 of each region that the reference knows; et_rule_rows: the same after BraTS's rule for
            small ET.
    """

    subset: int
    label: NDArray[np.uint8]
    rows: list[Row]
    et_rule_rows: list[Row]


def read_labelled(study: Study, task: Task, *, label: Path | None = None, image: Path | None = None) -> LabelledStudy:
    """Images, reference and preparation of a study; a raw study is brought to common space.

    Args:
        label: the reference (None: the study's own).
        image: that it was drawn on (None: the first on the label's grid).

    Raises:
        InputError: there is no label, or an image or the label cannot be used.
    """
    label = label or study.label
    if label is None:
        raise InputError(f"study {study.id} has no label, expected one beside its images")
    volumes, target = read_with_target(study, image or next(iter(study.sources.values())).path)
    if image is None:
        target = _drawn_on(label_grid(label), volumes) or target
    region = task.region_of(label.name)
    reference = read_annotation(
        label,
        known=len(task.labels),
        aliases=task.aliases,
        names=task.segment_names,
        reference=volumes[target].grid,
        segments=({"name": region, "idx": 1},) if region else (),
        inner=tuple(task.region_labels.values()),
    )
    annotated = task.annotated(reference.listed) if reference.listed else tuple(task.regions)
    prepared, common = common_input(study, volumes, target, task)
    return LabelledStudy(study.id, volumes, reference.values, annotated, common, prepared)


def _drawn_on(grid: Grid, volumes: Mapping[str, Volume]) -> str | None:
    """The first image whose grid a label has, else the first on whose voxels it lies."""
    same = (name for name, volume in volumes.items() if volume.grid.matches(grid))
    return next(same, next((name for name, volume in volumes.items() if lies_on(grid, volume.grid)), None))


def measure(
    network: CCSDNetwork,
    study: LabelledStudy,
    *,
    window: WindowConfig,
    min_component_fraction: float = MIN_COMPONENT_FRACTION,
) -> Iterator[Measured]:
    """Every subset of the modalities that the study has, all of them first. Masks are restored to the reference's grid
    as inference restores them, one subset at a time, and compared there in mm.

    Args:
        min_component_fraction: see `ccsd.inference.label_map.label_map`.
    """
    task = network.task
    truth = _regions(torch.from_numpy(study.reference), task)
    voxel_ml = float(np.prod(study.grid.spacing)) / 1000
    wanted = subsets.lattice(subsets.from_present(study.prepared.present))
    predicted = predict(network, study.prepared.volumes, study.prepared.present, wanted, window)
    for subset in wanted:
        label, _ = mask_on_grid(
            predicted[subset], study.prepared, study.common, task, min_component_fraction=min_component_fraction
        )
        found = torch.from_numpy(label)
        ruled = apply_et_rule(found, task, voxel_ml)
        rows = _rows(study, subset, found, truth, task)
        ruled_rows = rows if torch.equal(ruled, found) else _rows(study, subset, ruled, truth, task)
        yield Measured(subset, label, rows, ruled_rows)


def dice_by_subset(
    network: CCSDNetwork,
    volumes: Tensor,
    present: Tensor,
    label: Tensor,
    *,
    annotated: Tensor | None = None,
    window: WindowConfig,
) -> dict[int, Tensor]:
    """Dice (R,) of each subset of what is present against the label map (d, h, w), both in the network's frame: the
    quick form for validation during training. Regions that are not `annotated` (R,) are NaN."""
    wanted = subsets.lattice(subsets.from_present(present))
    reference = _regions(label, network.task)
    predicted = predict(network, volumes, present, wanted, window)
    masks = {s: label_map(p, network.task)[0] for s, p in predicted.items()}
    found = {s: dice(_regions(mask, network.task), reference) for s, mask in masks.items()}
    return found if annotated is None else {s: torch.where(annotated, d, torch.nan) for s, d in found.items()}


def table(results: dict[int, Tensor], task: Task) -> list[dict[str, Any]]:
    """Rows for a report: `{"modalities": [...], "WT": 0.9, ...}`, in lattice order."""
    return [
        {
            "modalities": list(subsets.names(s, task.modalities)),
            **{g: round(float(v), 4) for g, v in zip(task.regions, value, strict=True) if not v.isnan()},
        }
        for s, value in results.items()
    ]


def mean_over(results: Sequence[dict[int, Tensor]]) -> dict[int, Tensor]:
    """The mean over studies of each subset's Dice; a study counts for the subsets that it has and the regions that it
    knows (NaN: none knows it)."""
    chosen = dict.fromkeys(s for r in results for s in r)
    return {s: torch.stack([r[s] for r in results if s in r]).nanmean(dim=0) for s in chosen}


def _rows(study: LabelledStudy, subset: int, found: Tensor, truth: Tensor, task: Task) -> list[Row]:
    regions = _regions(found, task)
    distances = hd95(regions, truth, [float(s) for s in study.grid.spacing])
    values = zip(task.regions, dice(regions, truth).tolist(), distances.tolist(), strict=True)
    return [Row(study.id, subset, region, d, h) for region, d, h in values if region in study.annotated]


def _regions(label: Tensor, task: Task) -> Tensor:
    """Label map (D, H, W) -> boolean (R, D, H, W)."""
    return task.to_regions(label[None])[0].bool()
