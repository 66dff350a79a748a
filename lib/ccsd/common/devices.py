"""Which device a request means, by MONAI Label's names (`NVIDIA H200`) or torch's (`cuda`, `cuda:1`)."""

from __future__ import annotations

from typing import Any

import torch
from monailabel.utils.others.generic import device_list, name_to_device

from ccsd.common.errors import InputError


def read_device(value: Any) -> torch.device:
    """A device of this machine; nothing, or a list (as clients' options panels have it), means the first.

    Raises:
        InputError: a device that this machine does not have.
    """
    known = device_list()
    if value is None or value == "" or isinstance(value, list):
        value = known[0]
    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    allowed = dict.fromkeys([*known, "cpu", *(["cuda"] if gpus else []), *gpus])
    if value not in allowed:
        raise InputError(f"device is {value!r}, expected one of {', '.join(allowed)}")
    return torch.device(name_to_device(value))
