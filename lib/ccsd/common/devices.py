"""Which device a request means, by MONAI Label's names (`NVIDIA H200`) or torch's (`cuda`, `cuda:1`), and what it is
quickest in."""

from __future__ import annotations

from typing import Any, Literal

import torch

from ccsd.common.errors import InputError

Precision = Literal["auto", "float32", "bfloat16"]


def device_names() -> dict[str, str]:
    """Name -> torch's name of each device to choose from, the best first; the CPU where there is no GPU."""
    count = torch.cuda.device_count()
    if count == 0:
        return {"cpu": "cpu"}
    if count == 1:
        return {torch.cuda.get_device_name(0): "cuda"}
    return {f"{torch.cuda.get_device_name(i)}:{i}": f"cuda:{i}" for i in range(count)}


def read_device(value: Any) -> torch.device:
    """A device of this machine; nothing, or a list (as clients' options panels have it), means the first.

    Raises:
        InputError: a device that this machine does not have.
    """
    names = device_names()
    if value is None or value == "" or isinstance(value, list):
        value = next(iter(names))
    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    allowed = dict.fromkeys([*names, "cpu", *(["cuda"] if gpus else []), *gpus])
    if value not in allowed:
        raise InputError(f"device is {value!r}, expected one of {', '.join(allowed)}")
    return torch.device(names.get(value, value))


def quickest(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it natively (docs/notebook.md has the measurement), else float32."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        able = torch.cpu.get_capabilities() if device.type == "cpu" else {}
        native = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return torch.bfloat16 if native else torch.float32


def computed_in(precision: Precision, device: torch.device) -> torch.dtype:
    """What a network is computed in; "auto" is what the device is quickest in."""
    return quickest(device) if precision == "auto" else getattr(torch, precision)
