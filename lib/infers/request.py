"""The parameters of an infer request, read by name and checked; unknown keys are MONAI Label's own and ignored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from monailabel.utils.others.generic import device_list, name_to_device

from lib.errors import InputError
from lib.evaluation.predict import WindowConfig

ENHANCING_VALUES = (3, 4)


@dataclass(frozen=True)
class InferRequest:
    """What a client asked for.

    Attributes:
        modalities: use only these (None: all that the study has).
        window: how the study is cut.
        device: where to compute.
        enhancing_value: 3, or 4 to export as BraTS 2018 to 2021 wrote it.
    """

    modalities: tuple[str, ...] | None
    window: WindowConfig
    device: torch.device
    enhancing_value: int


def read_request(request: Mapping[str, Any], *, known: Sequence[str]) -> InferRequest:
    """Raises InputError naming the parameter, what was found and what was expected."""
    edge = _number(request, "window", 0)
    value = int(_number(request, "enhancing_value", ENHANCING_VALUES[0]))
    if value not in ENHANCING_VALUES:
        raise InputError(f"enhancing_value is {value}, expected 3 or 4")
    return InferRequest(
        modalities=_modalities(request.get("modalities"), known),
        window=WindowConfig(edge=int(edge) or None, overlap=_number(request, "overlap", 0.5)),
        device=_device(request.get("device")),
        enhancing_value=value,
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
        if isinstance(value, bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} is {value!r}, expected a number") from None


def _device(value: Any) -> torch.device:
    """A device of this machine by MONAI Label's name or torch's; nothing or a list (the options panel's): the first."""
    known = device_list()
    if value is None or value == "" or isinstance(value, list):
        value = known[0]
    allowed = [*known, "cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    if value not in allowed:
        raise InputError(f"device is {value!r}, expected one of {', '.join(dict.fromkeys(allowed))}")
    return torch.device(name_to_device(value))
