"""The parameters of an infer request, read by name and checked; unknown keys are MONAI Label's own and ignored."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ccsd.common.devices import read_device
from ccsd.common.errors import InputError
from ccsd.inference.label_map import MIN_COMPONENT_FRACTION
from ccsd.inference.mask_file import EXTENSIONS
from ccsd.inference.pipeline import Options
from ccsd.inference.windows import WindowConfig
from ccsd.method.task import Task
from ccsd.preprocessing.common_space import MODES


@dataclass(frozen=True)
class InferRequest:
    """What a client asked for.

    Attributes:
        options: of the segmentation.
        relabel: label value -> value to write instead (the request's `enhancing_value`: BraTS 2018 to 2021 wrote 4).
        extension: of the mask file (None: that of the target image); compress: whether a .nrrd is compressed.
    """

    options: Options
    relabel: Mapping[int, int]
    extension: str | None
    compress: bool


def read_request(request: Mapping[str, Any], task: Task) -> InferRequest:
    """Raises InputError naming the parameter, what was found and what was expected."""
    usual = WindowConfig()
    edge = _number(request, "window", usual.edge or 0)
    specks = _number(request, "specks", MIN_COMPONENT_FRACTION)
    if not 0 <= specks <= 1:
        raise InputError(f"specks is {specks}, expected 0 to 1")
    extension = request.get("result_extension") or None
    if extension not in (None, *EXTENSIONS):
        raise InputError(f"result_extension is {extension!r}, expected one of {', '.join(EXTENSIONS)}")
    modalities, named = _modalities(request.get("modalities"), task.modalities)
    preprocess = request.get("preprocess") or MODES[0]
    if preprocess == list(MODES):  # as clients' options panels have it before anyone chose
        preprocess = MODES[0]
    if preprocess not in MODES:
        raise InputError(f"preprocess is {preprocess!r}, expected one of {', '.join(MODES)}")
    options = Options(
        modalities=modalities,
        named=named,
        preprocess=preprocess,
        window=WindowConfig(edge=int(edge) or None, overlap=_number(request, "overlap", usual.overlap)),
        min_component_fraction=specks,
        device=read_device(request.get("device")),
        confidence=_flag(request, "confidence"),
    )
    return InferRequest(options, _relabel(request, task), extension, bool(request.get("result_compress", False)))


def named_images(request: Mapping[str, Any], task: Task) -> tuple[Mapping[str, str], str | None]:
    """(modality -> image, as far as the request says so; the modality, if it names just one). Raises InputError as
    `read_request`."""
    modalities, named = _modalities(request.get("modalities"), task.modalities)
    return named, modalities[0] if modalities and len(modalities) == 1 else None


def _modalities(value: Any, known: Sequence[str]) -> tuple[tuple[str, ...] | None, Mapping[str, str]]:
    """A list, or text such as "t1,flair" (what Slicer's options panel sends) -> names; none or "all": None. A table
    `{"t1ce": "<id>"}` also says which image each one is."""
    if isinstance(value, str):
        value = _json(value.strip()) if value.strip().startswith(("[", "{")) else _words(value)
    if value in (None, "all", ["all"]):
        return None, {}
    if value in ([], {}):
        raise InputError(f"modalities is empty, expected names from {', '.join(known)}, or all")
    named = value if isinstance(value, dict) and all(isinstance(v, str) for v in value.values()) else {}
    value = list(named) or value
    if not isinstance(value, list) or not all(isinstance(m, str) for m in value):
        raise InputError(f"modalities is {value!r}, expected a list of names from {', '.join(known)}")
    unknown = [m for m in value if m not in known]
    if unknown:
        raise InputError(f"modalities has {', '.join(unknown)}, expected names from {', '.join(known)}")
    return tuple(dict.fromkeys(value)), named


def _words(text: str) -> list[str] | None:
    """`t1, flair` -> its names; None for no text at all."""
    return [word for word in text.replace(" ", "").split(",") if word] if text.strip() else None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _relabel(request: Mapping[str, Any], task: Task) -> dict[int, int]:
    """`enhancing_value`, an alias of the task -> {the value that it stands for: alias}."""
    if "enhancing_value" not in request:
        return {}
    wanted = int(_number(request, "enhancing_value", 0))
    if wanted in task.aliases:
        return {task.aliases[wanted]: wanted}
    if wanted not in task.aliases.values():
        allowed = sorted({*task.aliases, *task.aliases.values()})
        raise InputError(f"enhancing_value is {wanted}, expected {' or '.join(map(str, allowed)) or 'none'}")
    return {}


def _flag(request: Mapping[str, Any], name: str) -> bool:
    """Also as text, which some clients' forms send."""
    value = request.get(name) or False
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise InputError(f"{name} is {value!r}, expected true or false")
    return text == "true"


def _number(request: Mapping[str, Any], name: str, default: float) -> float:
    value = request.get(name, default)
    try:
        if isinstance(value, bool) or not math.isfinite(float(value)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name} is {value!r}, expected a number") from None
