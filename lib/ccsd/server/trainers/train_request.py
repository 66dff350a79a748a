"""What a request can say of a training, and what it is without a word."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ccsd.common.errors import InputError
from ccsd.models.card import renamed
from ccsd.models.rule import PublishRule
from ccsd.training.config import TrainConfig

DEFAULTS: dict[str, Any] = {
    "max_epochs": 10,
    "max_minutes": 0.0,
    "steps": 20,
    "patch": 128,
    "train_batch_size": 1,
    "learning_rate": 0.0005,
    "val_split": 0.2,
    "new_share": 0.5,
    "parent_weight": 0.0,
    "publish_margin": PublishRule.margin,
    "publish_collapse": PublishRule.collapse,
    "threads": 0,
    "gpu_memory": 0.7,
    "multi_gpu": False,
    "gpus": "all",
    "seed": 0,
}


@dataclass(frozen=True)
class TrainRequest:
    """One training's settings.

    Attributes:
        train: the loop's; rule: the publish rule's.
        val_split: share of the labelled studies that validate.
        new_share: share of the crops that come from studies that the weights have not seen, if there are others.
        threads: of the CPU (0: half of them); gpu_memory: share of each GPU's. Inference goes on beside them.
        multi_gpu: one process a GPU.
    """

    train: TrainConfig
    rule: PublishRule
    val_split: float
    new_share: float
    threads: int
    gpu_memory: float
    multi_gpu: bool


def read_train_request(request: Mapping[str, Any]) -> TrainRequest:
    """The request's known keys -> settings. Raises InputError naming a value that cannot be used."""
    given = renamed({k: value for k, value in request.items() if value is not None})
    values = {**DEFAULTS, **{k: given[k] for k in DEFAULTS if k in given}}
    number = {name: _number(name, value) for name, value in values.items() if name not in ("multi_gpu", "gpus")}
    if not isinstance(values["gpus"], str):  # it becomes CUDA_VISIBLE_DEVICES
        raise InputError(f"gpus is {values['gpus']!r}, expected text such as 'all' or '0,1'")
    limits = {"val_split": (0, 0.9), "new_share": (0, 1), "gpu_memory": (0.05, 1), "threads": (0, 1024)}
    for name, (low, high) in {**limits, "seed": (0, 2**32 - 1)}.items():
        if not low <= number[name] <= high:
            raise InputError(f"{name} is {values[name]!r}, expected {low} to {high}")
    return TrainRequest(
        train=TrainConfig(
            max_epochs=int(number["max_epochs"]),
            max_minutes=number["max_minutes"] or None,
            steps=int(number["steps"]),
            patch=int(number["patch"]),
            batch=int(number["train_batch_size"]),
            learning_rate=number["learning_rate"],
            parent_weight=number["parent_weight"],
            seed=int(number["seed"]),
        ),
        rule=PublishRule(number["publish_margin"], number["publish_collapse"]),
        val_split=number["val_split"],
        new_share=number["new_share"],
        threads=int(number["threads"]),
        gpu_memory=number["gpu_memory"],
        multi_gpu=bool(values["multi_gpu"]),
    )


def _number(name: str, value: Any) -> float:
    try:
        if math.isfinite(float(value)):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{name} is {value!r}, expected a number")
