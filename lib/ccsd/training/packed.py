"""Prepared studies in small files, to train on a machine that has no images and takes no large files.

A packed study has 8 bits a voxel, about 3.5 MB for four modalities. It is read back as the `Case` that it was packed
from, up to a step of 1/254 of each modality's range. The first axis is N, the modalities.
"""

from __future__ import annotations

import bz2
import io
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ccsd.common.errors import InputError
from ccsd.common.files import replacing
from ccsd.training.cases import Case

ENDING = ".case"
LEVELS = 254  # of a modality's range; level 0 is outside the brain, where volumes are zero


def pack(cases: Iterable[Case], folder: Path, *, part_bytes: int) -> list[Path]:
    """Write `folder`/part-01/ID.case and so on; the files of a part have at most `part_bytes` together.

    Raises:
        InputError: a case that is larger than a part.
    """
    parts: list[Path] = []
    room = 0
    for case in cases:
        content = packed(case)
        if len(content) > part_bytes:
            raise InputError(f"{case.id} takes {len(content)} bytes, expected at most {part_bytes}, those of a part")
        if len(content) > room:
            parts.append(folder / f"part-{len(parts) + 1:02d}")
            room = part_bytes
        parts[-1].mkdir(parents=True, exist_ok=True)
        with replacing(parts[-1] / f"{case.id}{ENDING}") as file:
            file.write_bytes(content)
        room -= len(content)
    return parts


def packed_files(folder: Path) -> list[Path]:
    """The packed studies in `folder` and its parts, by name."""
    return sorted(folder.rglob(f"*{ENDING}"), key=lambda file: file.name)


def read_packed(files: Sequence[Path]) -> list[Case]:
    """The cases. Raises InputError for a file that is none."""
    return [_read(file) for file in files]


def packed(case: Case) -> bytes:
    """A case as a file holds it."""
    volumes = case.volumes.float()
    low, high = volumes.amin((1, 2, 3), keepdim=True), volumes.amax((1, 2, 3), keepdim=True)
    step = ((high - low) / LEVELS).clamp_min(1e-6)
    levels = torch.where(volumes == 0, 0, 1 + ((volumes - low) / step).round()).to(torch.uint8)
    values: dict[str, Any] = {f.name: getattr(case, f.name) for f in fields(Case)}
    buffer = io.BytesIO()
    torch.save(values | {"volumes": levels, "low": low, "step": step}, buffer)
    return bz2.compress(buffer.getvalue())


def _read(file: Path) -> Case:
    try:
        values = torch.load(io.BytesIO(bz2.decompress(file.read_bytes())), weights_only=True)
        low, step = values.pop("low"), values.pop("step")
        case = Case(**values)
    except Exception as error:
        raise InputError(f"{file.name} is no packed study ({type(error).__name__})") from error
    return replace(case, volumes=_volumes(case.volumes, low, step))


def _volumes(levels: Tensor, low: Tensor, step: Tensor) -> Tensor:
    """(N, d, h, w) levels -> half precision; low, step: (N, 1, 1, 1)."""
    return torch.where(levels == 0, 0, low + (levels.float() - 1) * step).half()
