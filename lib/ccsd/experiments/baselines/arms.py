"""CCSD and what it is compared with: each arm is a network and what it changes in the training's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ccsd.experiments.baselines.unet import PlainUNet
from ccsd.method.network import CCSDNetwork, NetworkConfig
from ccsd.method.task import Task

NO_DISTILLATION = {"lambda_h": 0.0, "lambda_d": 0.0}
LOGITS = {"distil": "logits", "per_level": 1, "lambda_h": 0.5, "lambda_d": 0.5}


@dataclass(frozen=True)
class Arm:
    """`build` makes the network; `losses` changes the objective."""

    build: Callable[[Task, NetworkConfig], nn.Module]
    losses: Mapping[str, Any] = field(default_factory=dict)


ARMS = {
    "CCSD": Arm(CCSDNetwork),
    "CCSD, features normalised": Arm(CCSDNetwork, {"normalise": True, "lambda_h": 0.5, "lambda_d": 0.5}),
    "CCSD, logits": Arm(CCSDNetwork, LOGITS),
    "CCSD, logits, averaged teacher": Arm(CCSDNetwork, LOGITS | {"teacher": "average"}),
    "without distillation": Arm(CCSDNetwork, NO_DISTILLATION),
    "plain U-Net": Arm(PlainUNet, {**NO_DISTILLATION, "lambda_align": 0.0, "lambda_classify": 0.0}),
}


def untrained(arm: Arm, task: Task, config: NetworkConfig, *, seed: int) -> nn.Module:
    """The arm's network with random weights, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return arm.build(task, config)
