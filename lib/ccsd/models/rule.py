"""The publish rule: trained weights are served only if they are not worse than those before them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ccsd.common.errors import InputError
from ccsd.method import subsets
from ccsd.method.task import Task


@dataclass(frozen=True)
class PublishRule:
    """How much may be lost, in Dice on the fixed validation studies, over the lattice of subsets.

    Attributes:
        margin: of the mean over subsets and regions.
        collapse: of any one region with any one subset.
    """

    margin: float = 0.01
    collapse: float = 0.15

    def __post_init__(self) -> None:
        for name in ("margin", "collapse"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"publish_{name} is {getattr(self, name)}, expected 0 to 1")


@dataclass(frozen=True)
class Verdict:
    """Whether to publish, and why in one sentence."""

    publish: bool
    reason: str


def judge(before: Mapping[int, Tensor], after: Mapping[int, Tensor], rule: PublishRule, task: Task) -> Verdict:
    """Compare two models on the same studies; both are Dice (R,) by subset, NaN where no label knows the region."""
    old, new = _mean(before), _mean(after)
    if new < old - rule.margin:
        return Verdict(
            False, f"mean validation Dice fell from {old:.3f} to {new:.3f}, at most {rule.margin:g} is allowed"
        )
    worst = min(before, key=lambda s: _worst(before[s], after[s])[0])
    loss, region = _worst(before[worst], after[worst])
    if loss < -rule.collapse:
        name, with_ = list(task.regions)[region], "+".join(subsets.names(worst, task.modalities))
        return Verdict(
            False,
            f"{name} with {with_} fell from {float(before[worst][region]):.3f} to {float(after[worst][region]):.3f}, "
            f"at most {rule.collapse:g} is allowed",
        )
    return Verdict(True, f"mean validation Dice {new:.3f}, {old:.3f} before")


def _mean(dice: Mapping[int, Tensor]) -> float:
    return float(torch.stack(list(dice.values())).nanmean())


def _worst(before: Tensor, after: Tensor) -> tuple[float, int]:
    """(change, region) of the region that lost most."""
    change = (after - before).nan_to_num(nan=0.0)
    region = int(change.argmin())
    return float(change[region]), region
