"""Prepared studies in small files, to train on a machine that has no images and takes no large files.

A packed study has 8 bits a voxel and takes about 3 MiB with four modalities. It is read back as the `Case` that it was
packed from, up to a step of 1/254 of each modality's range.
"""

from __future__ import annotations

import bz2
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ccsd.common.errors import InputError
from ccsd.common.files import replacing
from ccsd.method.task import Task
from ccsd.training.cases import Case

ENDING = ".case"
LEVELS = 254  # of a modality's range; level 0 is outside the brain, where volumes are zero


@dataclass(frozen=True)
class PackedStudy:
    """A file that `pack` wrote."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name.removesuffix(ENDING)


def packed_studies(folder: Path) -> list[PackedStudy]:
    """Those in `folder` and its parts, by name."""
    return sorted(map(PackedStudy, folder.rglob(f"*{ENDING}")), key=lambda study: study.id)


def pack(cases: Iterable[Case], task: Task, folder: Path, *, digests: Mapping[str, str], part_bytes: int) -> list[Path]:
    """Write `folder`/part-01/ID.case and so on; the files of a part have at most `part_bytes` together.

    Args:
        digests: of the studies' files, by id (`ccsd.training.digest`).

    Raises:
        InputError: a case that is larger than a part.
    """
    parts: list[Path] = []
    room = 0
    for case in cases:
        content = packed(case, task, digests[case.id])
        if len(content) > part_bytes:
            raise InputError(f"{case.id} takes {len(content)} bytes, expected at most {part_bytes}, those of a part")
        if len(content) > room:
            parts.append(folder / f"part-{len(parts) + 1:02d}")
            room = part_bytes
        with replacing(parts[-1] / f"{case.id}{ENDING}") as file:
            file.write_bytes(content)
        room -= len(content)
    return parts


def packed(case: Case, task: Task, digest: str) -> bytes:
    """A case as a file holds it."""
    volumes = case.volumes.float()
    low, high = volumes.amin((1, 2, 3), keepdim=True), volumes.amax((1, 2, 3), keepdim=True)
    step = ((high - low) / LEVELS).clamp_min(1e-6)
    levels = torch.where(volumes == 0, 0, 1 + ((volumes - low) / step).round()).to(torch.uint8)
    values: dict[str, Any] = {f.name: getattr(case, f.name) for f in fields(Case)}
    content = {"case": values | {"volumes": levels}, "low": low, "step": step, "digest": digest, **_names(task)}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return bz2.compress(buffer.getvalue())


def read_packed(study: PackedStudy, task: Task) -> tuple[Case, str]:
    """The case, and the digest of the files that it was made from.

    Raises:
        InputError: no packed study, or one of another task.
    """
    name = study.path.name
    try:
        content = torch.load(io.BytesIO(bz2.decompress(study.path.read_bytes())), weights_only=True)
        case = Case(**content["case"])
        names = {key: content[key] for key in _names(task)}
        volumes, digest = _volumes(case.volumes, content["low"], content["step"]), str(content["digest"])
    except Exception as error:
        raise InputError(f"{name} is no packed study ({type(error).__name__})") from error
    if names != _names(task):
        raise InputError(f"{name} was packed for {names}, expected {_names(task)}")
    return replace(case, volumes=volumes), digest


def _names(task: Task) -> dict[str, list[str]]:
    return {"modalities": list(task.modalities), "regions": list(task.regions)}


def _volumes(levels: Tensor, low: Tensor, step: Tensor) -> Tensor:
    """(N, d, h, w) levels -> half precision; low, step: (N, 1, 1, 1)."""
    return torch.where(levels == 0, 0, low + (levels.float() - 1) * step).half()
