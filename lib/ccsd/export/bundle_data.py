"""A folder of studies as MONAI's list of dictionaries, and the two label conversions as transforms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from monai.utils import convert_to_dst_type
from torch import Tensor

from ccsd.common.errors import InputError
from ccsd.inference.label_map import label_map
from ccsd.method.task import Task


def list_studies(folder: str, modalities: Sequence[str], label: str | None = None) -> list[dict[str, Any]]:
    """A dictionary a study: "image" -> the modalities' files, which LoadImage stacks as channels, "label" -> a file.

    A study is a folder in `folder` with files named `<anything>_<modality>.nii[.gz]`, as BraTS has them.

    Args:
        label: what the label's name ends in (None: labels are not needed).

    Raises:
        InputError: no folder there, or a study with none or several files of one kind.
    """
    studies = sorted(path for path in Path(folder).iterdir() if path.is_dir())
    if not studies:
        raise InputError(f"{folder} has no folders, expected one a study")
    images = [{"image": [_only(study, m) for m in modalities]} for study in studies]
    if label is None:
        return images
    return [{**files, "label": _only(study, label)} for study, files in zip(studies, images, strict=True)]


def _only(study: Path, ending: str) -> str:
    found = [p for p in sorted(study.iterdir()) if p.name.removesuffix(".gz").endswith(f"_{ending}.nii")]
    if len(found) != 1:
        raise InputError(f"study {study.name} has {len(found)} files *_{ending}.nii[.gz], expected one")
    return str(found[0])


class ToRegions:
    """Label map (1, D, H, W) -> overlapping regions (R, D, H, W) of 0.0 and 1.0; other spellings of values count."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __call__(self, label: Tensor) -> Tensor:
        values = label.round().long()
        for spelling, value in self.task.aliases.items():
            values = torch.where(values == spelling, value, values)
        return self.task.to_regions(values)[0]


class ToLabel:
    """Probabilities of the regions (R, D, H, W) -> label map (1, D, H, W) uint8."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __call__(self, probabilities: Tensor) -> Tensor:
        label, _ = label_map(torch.as_tensor(probabilities), self.task)
        placed: Tensor = convert_to_dst_type(label[None], probabilities, dtype=torch.uint8)[0]  # with their affine
        return placed
