"""The CCSD training objective: L_seg + auxiliary + lambda_h * L_HMSD + lambda_d * L_DMCD (docs/method.md: Losses)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ccsd.method import distillation, subsets
from ccsd.method.distillation import Lazy
from ccsd.method.network import CCSDNetwork, FeatureKind, Features

_DISTIL = Literal["features", "logits"]
_TEACHER = Literal["own", "average"]


@dataclass(frozen=True)
class LossConfig:
    """Weights and variants of the objective.

    Attributes:
        lambda_h, lambda_d: weights of HMSD and DMCD after warm-up; 0 switches a term off and costs nothing.
        tau: distillation temperature.
        warm_up: share of the training over which both weights grow linearly from 0.
        distil: "features" or "logits" (docs/method.md: Ablations).
        feature: which features are distilled: "fused", "shared" or "specific" (table 4).
        normalise: features are brought to zero mean and unit deviation, each channel of a study by itself, before the
            softmax over channels, so that channels of large values do not decide alone.
        teacher: whose full set teaches in HMSD: the network's "own", or that of its moving "average" (logits only).
        distilled_scales: how many of the deepest scales are distilled (their mean).
        path: which modality DMCD removes first: the "most" critical, the "least" or a "random" one (table 5).
        per_level: HMSD draws at most this many subsets of each size (0: all); for large N.
        lambda_align, lambda_classify: weights of ShaSpec's shared-feature alignment and modality classification.
        subsets_per_step: how many sampled subsets are segmented beside the full available set.
    """

    lambda_h: float = 0.5
    lambda_d: float = 0.5
    tau: float = 2.0
    warm_up: float = 0.1
    distil: _DISTIL = "features"
    feature: FeatureKind = "fused"
    normalise: bool = False
    teacher: _TEACHER = "own"
    distilled_scales: int = 2
    path: distillation.Path = "most"
    per_level: int = 0
    lambda_align: float = 0.1
    lambda_classify: float = 0.02
    subsets_per_step: int = 1

    def __post_init__(self) -> None:
        if self.tau <= 0:
            raise ValueError(f"losses: tau must be > 0, found {self.tau}")
        for name in ("lambda_h", "lambda_d", "lambda_align", "lambda_classify", "warm_up", "per_level"):
            if getattr(self, name) < 0:
                raise ValueError(f"losses: {name} must not be negative, found {getattr(self, name)}")
        for name in ("distilled_scales", "subsets_per_step"):
            if getattr(self, name) < 1:
                raise ValueError(f"losses: {name} must be at least 1, found {getattr(self, name)}")
        kinds = {"distil": _DISTIL, "feature": FeatureKind, "path": distillation.Path, "teacher": _TEACHER}
        for name, kind in kinds.items():
            if getattr(self, name) not in get_args(kind):
                expected = ", ".join(get_args(kind))
                raise ValueError(f"losses: {name} must be one of {expected}, found {getattr(self, name)!r}")
        if self.teacher == "average" and self.distil != "logits":
            raise ValueError(f"losses: teacher average goes with distil logits, found distil {self.distil}")


def segmentation(logits: Tensor, regions: Tensor, annotated: Tensor | None = None) -> Tensor:
    """Soft Dice (of each study and region, then their mean) plus binary cross entropy; both (B, R, D, H, W).

    Args:
        annotated: boolean (B, R), the regions that the labels know; the others count for nothing (None: all are known).
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # half precision from autocast
    p = torch.sigmoid(logits)
    axes = (2, 3, 4)
    overlap = (p * regions).sum(axes)  # (B, R)
    total = p.sum(axes) + regions.sum(axes)
    dice = 1 - (2 * overlap + 1) / (total + 1)  # + 1 voxel: an empty region costs its false positives only
    if annotated is None:
        return dice.mean() + F.binary_cross_entropy_with_logits(logits, regions)
    entropy = F.binary_cross_entropy_with_logits(logits, regions, reduction="none").mean(axes)
    known = annotated.to(dice)
    return ((dice + entropy) * known).sum() / known.sum().clamp_min(1)


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
    network: CCSDNetwork,
    features: Features,
    logits: Lazy,
    config: LossConfig,
    generator: torch.Generator,
    teacher: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """(HMSD, DMCD) over the lattice of what is available: on logits, or on features as a mean over the deepest scales.

    Args:
        logits: subset -> (B, R, D, H, W); what the segmentation loss decoded is not decoded again.
        teacher: (B, R, D, H, W), logits of the full set that teach in HMSD (None: the network's own).
    """
    scales = range(len(network.config.widths))[-config.distilled_scales :]
    stacks = [Lazy(partial(network.fuse, features, scale=s, kind=config.feature)) for s in scales]
    diverge = _divergence(config)
    zero = features.shared[-1][subsets.members(features.available)[0]].new_zeros(())
    hmsd, dmcd = [zero], [zero]
    for z in stacks if config.distil == "features" else [logits]:
        if config.lambda_h:
            hmsd.append(
                distillation.hmsd(
                    z,
                    features.available,
                    tau=config.tau,
                    teacher=teacher,
                    per_level=config.per_level or None,
                    generator=generator,
                    diverge=diverge,
                )
            )
        if config.lambda_d:
            dmcd.append(
                distillation.dmcd(
                    z,
                    features.available,
                    tau=config.tau,
                    generator=generator,
                    path=config.path,
                    features=z if config.distil == "features" else stacks[-1],
                    diverge=diverge,
                )
            )
    return _mean(hmsd), _mean(dmcd)


def _divergence(config: LossConfig) -> distillation.Divergence:
    if config.distil == "logits":
        return distillation.region_divergence
    return distillation.normalised_divergence if config.normalise else distillation.divergence


def _mean(terms: list[Tensor]) -> Tensor:
    """Mean of all but the leading zero, which stands alone where a term is switched off."""
    return torch.stack(terms[1:]).mean() if len(terms) > 1 else terms[0]


def objective(
    network: CCSDNetwork,
    volumes: Tensor,
    regions: Tensor,
    present: Tensor,
    config: LossConfig,
    *,
    progress: float,
    generator: torch.Generator,
    annotated: Tensor | None = None,
    teacher: Tensor | None = None,
) -> Mapping[str, Tensor]:
    """All terms of one training step and their weighted sum under "total".

    Args:
        volumes: (B, N, D, H, W); regions: (B, R, D, H, W) of 0/1; present: boolean (N,), what these studies have.
        progress: share of the training that is done, for the warm-up of the distillation weights.
        generator: draws the subsets, on the CPU.
        annotated: boolean (B, R), see `segmentation`.
        teacher: (B, R, D, H, W), see `compositional`.
    """
    features = network.encode(volumes, present)
    sampled = [subsets.sample(features.available, generator) for _ in range(config.subsets_per_step)]
    logits = Lazy(lambda subset: network.decode(features, [subset])[0])
    off = volumes.new_zeros(())
    terms = {
        "seg_full": segmentation(logits[features.available], regions, annotated),
        "seg_subset": torch.stack([segmentation(logits[s], regions, annotated) for s in sampled]).mean(),
        "align": alignment(features) if config.lambda_align else off,
        "classify": classification(network, features) if config.lambda_classify else off,
        "hmsd": off,
        "dmcd": off,
    }
    if config.lambda_h or config.lambda_d:
        terms["hmsd"], terms["dmcd"] = compositional(network, features, logits, config, generator, teacher)
    ramp = min(1.0, progress / config.warm_up) if config.warm_up else 1.0
    weights = {
        "seg_full": 1.0,
        "seg_subset": 1.0,
        "align": config.lambda_align,
        "classify": config.lambda_classify,
        "hmsd": ramp * config.lambda_h,
        "dmcd": ramp * config.lambda_d,
    }
    terms["total"] = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    return terms
