"""Labelled studies as training cases: decoded and prepared once, then cropped and augmented at random."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Protocol, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from ccsd.evaluation.lattice import LabelledStudy, read_labelled
from ccsd.method import subsets
from ccsd.method.task import Task
from ccsd.preprocessing.prepare import prepare_label
from ccsd.studies.study import Study
from ccsd.training.augment import intensities, uniform

MAX_ROTATION = 0.26  # radians, 15 degrees
MAX_SCALE = 0.15
MAX_GPU_SHARE = 0.25  # of a GPU's free memory that studies may fill


@dataclass(frozen=True)
class Case:
    """A prepared study with its label.

    Attributes:
        volumes: (N, d, h, w) half precision, z-scored.
        label: (d, h, w) uint8.
        available: the subset of modalities it has.
        tumour: (K, 3) voxel indices of (a sample of) the tumour.
        annotated: boolean (R,), the regions that the label knows.
    """

    id: str
    volumes: Tensor
    label: Tensor
    available: int
    tumour: Tensor
    annotated: Tensor

    @property
    def present(self) -> Tensor:
        """Boolean (N,): what it has."""
        return subsets.to_present(self.available, self.volumes.shape[0])

    def to_device(self, device: torch.device) -> Case:
        """The case with its volumes, label and tumour voxels on `device`."""
        on_device = {name: getattr(self, name).to(device) for name in ("volumes", "label", "tumour")}
        return replace(self, **on_device)


def load_case(
    study: Study, label: Path, task: Task, *, image: Path | None = None, annotated: Collection[str] | None = None
) -> Case:
    """Read and prepare a study and its label; a raw study is brought to common space, its label with it.

    Args:
        image: that the label was drawn on (None: the first on the label's grid).
        annotated: the regions that the label knows (None: all, or those that its file or its file's name tells of).

    Raises:
        InputError: an unreadable file, another grid, or label values that the task does not have.
    """
    return case_from(read_labelled(study, task, label=label, image=image), task, annotated=annotated)


def case_from(labelled: LabelledStudy, task: Task, *, annotated: Collection[str] | None = None) -> Case:
    """A study that was read, as a case; `annotated` as `load_case` takes it."""
    prepared = labelled.prepared
    label_map = prepare_label(labelled.common.to_common(labelled.reference), prepared.frame)
    tumour = torch.nonzero(label_map)
    every = max(1, len(tumour) // 20000)
    return Case(
        labelled.id,
        prepared.volumes.half(),
        label_map,
        subsets.from_present(prepared.present),
        tumour[::every].short(),
        torch.tensor([region in (labelled.annotated if annotated is None else annotated) for region in task.regions]),
    )


class Sample(Protocol):
    """What crops are taken from: a `Case`, or a `MadeCase` (`ccsd.training.healthy`, `ccsd.training.unenhanced`)."""

    @property
    def id(self) -> str: ...
    @property
    def volumes(self) -> Tensor: ...
    @property
    def label(self) -> Tensor: ...
    @property
    def available(self) -> int: ...
    @property
    def present(self) -> Tensor: ...
    @property
    def tumour(self) -> Tensor: ...
    @property
    def annotated(self) -> Tensor: ...
    def to_device(self, device: torch.device) -> Sample: ...


@dataclass(frozen=True)
class MadeCase:
    """A sample made from a case, anew each time that it is looked at, so that it takes no memory. What a kind of them
    does not say otherwise is the case's own.

    Attributes:
        SUFFIX: after the case's name, so that cards tell it from the case.
    """

    SUFFIX: ClassVar[str]
    case: Case

    @property
    def id(self) -> str:
        return f"{self.case.id}{self.SUFFIX}"

    @property
    def volumes(self) -> Tensor:
        return self.case.volumes

    @property
    def label(self) -> Tensor:
        return self.case.label

    @property
    def available(self) -> int:
        return self.case.available

    @property
    def present(self) -> Tensor:
        return self.case.present

    @property
    def tumour(self) -> Tensor:
        return self.case.tumour

    @property
    def annotated(self) -> Tensor:
        return self.case.annotated

    def to_device(self, device: torch.device) -> Self:
        return replace(self, case=self.case.to_device(device))


def on_device(cases: Sequence[Sample], device: torch.device) -> Sequence[Sample]:
    """The cases on a GPU that has room for them, where crops are made many times faster; else as they are."""
    if device.type != "cuda":
        return cases
    needed = sum(case.label.numel() * (1 + 2 * len(case.present)) for case in cases)
    free, _ = torch.cuda.mem_get_info(device)
    return [case.to_device(device) for case in cases] if needed < MAX_GPU_SHARE * free else cases


def crop(
    case: Sample,
    *,
    patch: int | Sequence[int],
    tumour_share: float,
    augment: bool,
    generator: torch.Generator,
    scanner_share: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """One random crop, on the device of the case: volumes (N, p, q, r) float and label (p, q, r) of integers.

    `tumour_share` of the crops are centred near a tumour voxel, each label of the case as often as the others; the
    others anywhere in the box. With `augment`: rotation, scale, flips and the intensities of `ccsd.training.augment`,
    `scanner_share` their `share`.
    """
    edges = torch.tensor([patch] * 3 if isinstance(patch, int) else list(patch))
    centre = _centre(case, edges, _aimed_at(case, tumour_share, generator), generator)
    grid = _sampling_grid(centre, edges, augment, generator, device=case.label.device)
    whole = case.label
    margin = _bounding_box(grid, whole.shape)
    local = _to_local(grid, whole.shape, margin)
    volumes = case.volumes[(slice(None), *margin)].float()
    label = whole[margin].float()
    sampled = F.grid_sample(volumes[None], local[None], mode="bilinear", padding_mode="zeros", align_corners=True)[0]
    labels = F.grid_sample(label[None, None], local[None], mode="nearest", padding_mode="zeros", align_corners=True)
    if augment:
        sampled = intensities(sampled, generator, share=scanner_share)
    return sampled, labels[0, 0].round().long()


def batches(
    cases: Sequence[Sample],
    *,
    steps: int,
    batch: int,
    generator: torch.Generator,
    weights: Sequence[float] | None = None,
) -> list[list[Sample]]:
    """`steps` batches, each of studies with the same modalities available (they share one encoder pass).

    Args:
        weights: how often each case is drawn, in proportion (None: all alike).
    """
    often = torch.tensor(weights if weights is not None else [1.0] * len(cases))
    groups: dict[int, list[int]] = {}
    for index, case in enumerate(cases):
        groups.setdefault(case.available, []).append(index)
    chosen = []
    for first in torch.multinomial(often, steps, replacement=True, generator=generator).tolist():
        group = groups[cases[first].available]
        rest = torch.multinomial(often[group], batch - 1, replacement=True, generator=generator) if batch > 1 else ()
        chosen.append([cases[first], *[cases[group[int(i)]] for i in rest]])
    return chosen


def _aimed_at(case: Sample, tumour_share: float, generator: torch.Generator) -> Tensor:
    """Tumour voxels (K, 3) of which one is to be near the crop's centre; none for a crop anywhere."""
    if not len(case.tumour) or float(torch.rand((), generator=generator)) >= tumour_share:
        return case.tumour[:0]
    values = case.label[tuple(case.tumour.long().T)]
    found = values.unique()
    return case.tumour[values == found[torch.randint(len(found), (1,), generator=generator)]]


def _centre(case: Sample, edges: Tensor, targets: Tensor, generator: torch.Generator) -> Tensor:
    """Voxel coordinates (3,) of the crop's centre, kept so that the crop stays inside the box where it can."""
    shape = torch.tensor(case.label.shape, dtype=torch.float32)
    if len(targets):
        index = int(torch.randint(len(targets), (1,), generator=generator))
        centre = targets[index].cpu().float() + uniform(-1, 1, (3,), generator) * edges / 4
    else:
        centre = torch.rand(3, generator=generator) * shape
    low = torch.minimum(shape, edges) / 2
    return torch.minimum(torch.maximum(centre, low), shape - low)


def _sampling_grid(
    centre: Tensor, edges: Tensor, augment: bool, generator: torch.Generator, *, device: torch.device
) -> Tensor:
    """(p, q, r, 3) voxel coordinates to sample."""
    axes = [torch.arange(edge, dtype=torch.float32, device=device) - (edge - 1) / 2 for edge in edges.tolist()]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)  # (p, q, r, 3)
    if augment:
        points = points @ _random_affine(generator).T.to(device)
    return points + centre.to(device) - 0.5


def _random_affine(generator: torch.Generator) -> Tensor:
    """Rotation about the three axes, scale and flips as a (3, 3) matrix."""
    matrix = torch.diag(uniform(1 - MAX_SCALE, 1 + MAX_SCALE, (3,), generator))
    for axis, angle in enumerate(uniform(-MAX_ROTATION, MAX_ROTATION, (3,), generator)):
        a, b = (i for i in range(3) if i != axis)
        turn = torch.eye(3)
        turn[a, a] = turn[b, b] = torch.cos(angle)
        turn[a, b], turn[b, a] = -torch.sin(angle), torch.sin(angle)
        matrix = turn @ matrix
    flips = torch.randint(0, 2, (3,), generator=generator) * 2.0 - 1
    return torch.diag(flips) @ matrix


def _bounding_box(grid: Tensor, shape: torch.Size) -> tuple[slice, slice, slice]:
    """The part of the study that the sampling needs, so that only this part is converted to float."""
    low = grid.amin(dim=(0, 1, 2)).floor().long()
    high = grid.amax(dim=(0, 1, 2)).ceil().long()
    a, b, c = (
        slice(max(0, min(int(lo), n - 2)), max(2, min(int(hi) + 1, n)))
        for lo, hi, n in zip(low, high, shape, strict=True)
    )
    return a, b, c


def _to_local(grid: Tensor, shape: torch.Size, box: tuple[slice, slice, slice]) -> Tensor:
    """Voxel coordinates -> grid_sample's (x, y, z) in [-1, 1] within `box`."""
    start = torch.tensor([s.start for s in box], dtype=torch.float32, device=grid.device)
    edge = torch.tensor([s.stop - s.start for s in box], dtype=torch.float32, device=grid.device)
    return ((grid - start) / (edge - 1) * 2 - 1).flip(-1)
