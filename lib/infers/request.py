"""The parameters of an infer request, read by name and checked; unknown keys are MONAI Label's own and ignored."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lib.devices import read_device
from lib.errors import InputError
from lib.evaluation.predict import WindowConfig
from lib.studies import names

ENHANCING_VALUES = (3, 4)
EXTENSIONS = (*names.EXTENSIONS, ".nrrd")


@dataclass(frozen=True)
class InferRequest:
    """What a client asked for.

    Attributes:
        modalities: use only these (None: all that the study has).
        window: how the study is cut.
        device: where to compute.
        enhancing_value: 3, or 4 to export as BraTS 2018 to 2021 wrote it.
        extension: of the mask file (None: that of the asked image); compress: whether a .nrrd is compressed.
    """

    modalities: tuple[str, ...] | None
    window: WindowConfig
    device: torch.device
    enhancing_value: int
    extension: str | None
    compress: bool


def read_request(request: Mapping[str, Any], *, known: Sequence[str]) -> InferRequest:
    """Raises InputError naming the parameter, what was found and what was expected."""
    edge = _number(request, "window", 0)
    value = int(_number(request, "enhancing_value", ENHANCING_VALUES[0]))
    if value not in ENHANCING_VALUES:
        raise InputError(f"enhancing_value is {value}, expected 3 or 4")
    extension = request.get("result_extension") or None
    if extension not in (None, *EXTENSIONS):
        raise InputError(f"result_extension is {extension!r}, expected one of {', '.join(EXTENSIONS)}")
    return InferRequest(
        modalities=_modalities(request.get("modalities"), known),
        window=WindowConfig(edge=int(edge) or None, overlap=_number(request, "overlap", 0.5)),
        device=read_device(request.get("device")),
        enhancing_value=value,
        extension=extension,
        compress=bool(request.get("result_compress", False)),
    )


def _modalities(value: Any, known: Sequence[str]) -> tuple[str, ...] | None:
    """A list, or text such as "t1,flair" (what Slicer's options panel sends) -> names; empty or "all": None."""
    if value in (None, "", "all", []):
        return None
    if isinstance(value, str):
        value = json.loads(value) if value.startswith("[") else value.replace(" ", "").split(",")
    if not isinstance(value, list) or not all(isinstance(m, str) for m in value):
        raise InputError(f"modalities is {value!r}, expected a list of names from {', '.join(known)}")
    unknown = [m for m in value if m not in known]
    if unknown:
        raise InputError(f"modalities has {', '.join(unknown)}, expected names from {', '.join(known)}")
    return tuple(value)


def _number(request: Mapping[str, Any], name: str, default: float) -> float:
    value = request.get(name, default)
    try:
        if isinstance(value, bool) or not math.isfinite(float(value)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name} is {value!r}, expected a number") from None
