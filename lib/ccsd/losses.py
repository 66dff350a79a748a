"""The CCSD training objective: L = L_seg + auxiliary + lambda_h * L_HMSD + lambda_d * L_DMCD (METHOD: Losses)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.ccsd import distillation, subsets
from lib.ccsd.network import CCSDNetwork, Features


@dataclass(frozen=True)
class LossConfig:
    """Weights of the objective.

    Attributes:
        lambda_h, lambda_d: weights of HMSD and DMCD after warm-up; 0 switches a term off.
        tau: distillation temperature.
        warm_up: share of the training over which both weights grow linearly from 0.
        distilled_scales: how many of the deepest scales are distilled (their mean).
        path: which modality DMCD removes first.
        align: weight of ShaSpec's shared-feature alignment; classify: of its modality classification.
        subsets_per_step: how many sampled subsets are segmented beside the full available set.
    """

    lambda_h: float = 0.5
    lambda_d: float = 0.5
    tau: float = 2.0
    warm_up: float = 0.1
    distilled_scales: int = 2
    path: distillation.Path = "most"
    align: float = 0.1
    classify: float = 0.02
    subsets_per_step: int = 1

    def __post_init__(self) -> None:
        if self.tau <= 0:
            raise ValueError(f"losses: tau must be > 0, found {self.tau}")
        if min(self.lambda_h, self.lambda_d, self.align, self.classify, self.warm_up) < 0:
            raise ValueError("losses: weights and warm_up must not be negative")
        if self.distilled_scales < 1 or self.subsets_per_step < 1:
            raise ValueError("losses: distilled_scales and subsets_per_step must be at least 1")
        if self.path not in ("most", "random", "least"):
            raise ValueError(f"losses: path must be most, random or least, found {self.path!r}")


def segmentation(logits: Tensor, regions: Tensor) -> Tensor:
    """Soft Dice (over the batch, a mean over regions) plus binary cross entropy; both (B, R, D, H, W)."""
    p = torch.sigmoid(logits)
    axes = (0, 2, 3, 4)
    overlap = (p * regions).sum(axes)  # (R,)
    total = p.sum(axes) + regions.sum(axes)
    dice = 1 - ((2 * overlap + 1) / (total + 1)).mean()  # + 1 voxel: an empty region costs its false positives only
    return dice + F.binary_cross_entropy_with_logits(logits, regions)


def alignment(features: Features) -> Tensor:
    """How far the deepest shared features of the modalities are from their mean (mean squared; ShaSpec)."""
    shared = torch.stack(list(features.shared[-1].values()))  # (P, B, C, D_s, H_s, W_s)
    return (shared - shared.mean(dim=0, keepdim=True)).square().mean()


def classification(network: CCSDNetwork, features: Features) -> Tensor:
    """Cross entropy of telling the modality from its deepest specific features (ShaSpec)."""
    losses = []
    for m, specific in features.specific[-1].items():
        guess = network.modality_classifier(specific.mean(dim=(2, 3, 4)))  # (B, N)
        target = torch.full((guess.shape[0],), m, device=guess.device)
        losses.append(F.cross_entropy(guess, target))
    return torch.stack(losses).mean()


def compositional(
    network: CCSDNetwork, features: Features, config: LossConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(HMSD, DMCD) on the fused features of the whole lattice, a mean over the deepest scales."""
    scales = range(len(network.config.widths))[-config.distilled_scales :]
    lattice = subsets.lattice(features.available)
    hmsd, dmcd = [], []
    for scale in scales:
        z = {s: network.fuse(features, s, scale=scale) for s in lattice}
        hmsd.append(distillation.hmsd(z, features.available, tau=config.tau))
        dmcd.append(distillation.dmcd(z, features.available, tau=config.tau, generator=generator, path=config.path))
    return torch.stack(hmsd).mean(), torch.stack(dmcd).mean()


def objective(
    network: CCSDNetwork,
    volumes: Tensor,
    regions: Tensor,
    present: Tensor,
    config: LossConfig,
    *,
    progress: float,
    generator: torch.Generator,
) -> Mapping[str, Tensor]:
    """All terms of one training step and their weighted sum under "total".

    Args:
        volumes: (B, N, D, H, W); regions: (B, R, D, H, W) of 0/1; present: boolean (N,), what these studies have.
        progress: share of the training that is done, for the warm-up of the distillation weights.
        generator: draws the subsets, on the CPU.
    """
    features = network.encode(volumes, present)
    sampled = [subsets.sample(features.available, generator) for _ in range(config.subsets_per_step)]
    logits = network.decode(features, [features.available, *sampled])
    terms = {
        "seg_full": segmentation(logits[0], regions),
        "seg_subset": torch.stack([segmentation(x, regions) for x in logits[1:]]).mean(),
        "align": alignment(features),
        "classify": classification(network, features),
    }
    terms["hmsd"], terms["dmcd"] = compositional(network, features, config, generator)
    ramp = min(1.0, progress / config.warm_up) if config.warm_up else 1.0
    weights = {
        "seg_full": 1.0,
        "seg_subset": 1.0,
        "align": config.align,
        "classify": config.classify,
        "hmsd": ramp * config.lambda_h,
        "dmcd": ramp * config.lambda_d,
    }
    terms["total"] = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    return terms
