"""What a request can say of a training, and what it is without a word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lib.errors import InputError
from lib.publishing.rule import PublishRule
from lib.training.config import TrainConfig

DEFAULTS: dict[str, Any] = {
    "max_epochs": 10,
    "max_minutes": 0.0,
    "steps": 20,
    "patch": 128,
    "train_batch_size": 1,
    "learning_rate": 0.0005,
    "val_split": 0.2,
    "new_share": 0.5,
    "keep": 0.0,
    "publish_margin": PublishRule.margin,
    "publish_collapse": PublishRule.collapse,
    "threads": 0,
    "gpu_memory": 0.7,
    "multi_gpu": False,
    "gpus": "all",
    "seed": 0,
}


@dataclass(frozen=True)
class Wanted:
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


def read_wanted(request: Mapping[str, Any]) -> Wanted:
    """The request's known keys -> settings. Raises InputError naming a value that cannot be used."""
    values = {**DEFAULTS, **{k: request[k] for k in DEFAULTS if request.get(k) is not None}}
    try:
        wanted = Wanted(
            train=TrainConfig(
                max_epochs=int(values["max_epochs"]),
                max_minutes=float(values["max_minutes"]) or None,
                steps=int(values["steps"]),
                patch=int(values["patch"]),
                batch=int(values["train_batch_size"]),
                learning_rate=float(values["learning_rate"]),
                keep=float(values["keep"]),
                seed=int(values["seed"]),
            ),
            rule=PublishRule(float(values["publish_margin"]), float(values["publish_collapse"])),
            val_split=float(values["val_split"]),
            new_share=float(values["new_share"]),
            threads=int(values["threads"]),
            gpu_memory=float(values["gpu_memory"]),
            multi_gpu=bool(values["multi_gpu"]),
        )
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"a training parameter is not a number ({error}), found {values}") from None
    for name, low, high in (("val_split", 0, 0.9), ("new_share", 0, 1), ("gpu_memory", 0.05, 1), ("threads", 0, 1024)):
        if not low <= getattr(wanted, name) <= high:
            raise InputError(f"{name} is {values[name]!r}, expected {low} to {high}")
    return wanted
