"""Settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from ccsd.common.devices import Precision
from ccsd.common.errors import InputError
from ccsd.method.losses import LossConfig


@dataclass(frozen=True)
class TrainConfig:
    """One run's settings; printed with the run and stored with the weights.

    Attributes:
        max_epochs: length; max_minutes ends earlier if it is reached first (None: no limit). The learning rate
            follows whichever is further.
        steps: optimiser steps an epoch.
        patch: edge of the cubic training crop in voxels.
        large_patch: edge of the crop in `large_share` of the steps: instance norm takes its statistics over the crop,
            and whole studies are predicted at once.
        brain_patch: edges (left to right, back to front, bottom to top) of the crops in the last `brain_share` of the
            run: as large as a brain, so that the network knows what one window over a study shows it.
        batch: crops a step, in each process.
        learning_rate: at the start; it falls to 0 by (1 - progress)^0.9 after `warm_up` steps of linear growth.
        tumour_share: share of crops centred on a tumour voxel.
        scanner_share: how often a crop's modality gets each of the scanner's effects (`ccsd.training.augment`).
        mask_share: share of steps whose studies are given with a random subset of their modalities only.
        validate_every: epochs between validations.
        ema_decay: decay of the exponential moving average of the weights, which is what is validated and published.
        parent_weight: share of the weights that the run started from in what is validated and published, against
            forgetting.
        precision: of the forward pass; "bfloat16" is mixed precision by autocast; "auto" is what the device is quickest
            in (`ccsd.common.devices`). On a CPU very small crops are always computed in float32
            (`ccsd.training.run.SAFE_EDGE`).
        seed: of crops, augmentation and subsets.
    """

    max_epochs: int = 10
    max_minutes: float | None = None
    steps: int = 50
    patch: int = 80
    large_patch: int = 128
    large_share: float = 0.0
    brain_patch: tuple[int, ...] = (144, 176, 144)
    brain_share: float = 0.0
    batch: int = 1
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warm_up: int = 20
    tumour_share: float = 0.5
    scanner_share: float = 0.0
    mask_share: float = 0.0
    validate_every: int = 1
    ema_decay: float = 0.99
    parent_weight: float = 0.0
    precision: Precision = "auto"
    seed: int = 0
    losses: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self) -> None:
        for name in ("max_epochs", "steps", "patch", "large_patch", "batch", "validate_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}, expected at least 1")
        if len(self.brain_patch) != 3 or min(self.brain_patch) < 1:
            raise InputError(f"brain_patch is {self.brain_patch}, expected three edges in voxels")
        if self.max_minutes is not None and self.max_minutes <= 0:
            raise InputError(f"max_minutes is {self.max_minutes}, expected more than 0")
        if not 0 < self.learning_rate < 1:
            raise InputError(f"learning_rate is {self.learning_rate}, expected between 0 and 1")
        for name in ("tumour_share", "scanner_share", "mask_share", "large_share", "brain_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}, expected 0 to 1")
        for name in ("ema_decay", "parent_weight"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}, expected 0 up to but not 1")
        if self.precision not in get_args(Precision):
            raise InputError(f"precision is {self.precision!r}, expected one of {', '.join(get_args(Precision))}")
