"""The CCSD network: encode each modality once, fuse any subset, decode (docs/method.md: Network; arXiv 2511.14599).

Axes: B batch, N modalities, C channels, R regions, D H W voxels. A subset is a bit mask (`ccsd.method.subsets`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ccsd.method import subsets
from ccsd.method.decoder import Decoder
from ccsd.method.encoder import Encoder
from ccsd.method.fusion import FUSIONS, make_fusion
from ccsd.method.task import Task

FeatureKind = Literal["fused", "shared", "specific"]


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network.

    Attributes:
        widths: channels of each scale, from the finest down; every further scale halves the grid.
        decoder: the decoder's channels of each scale.
        blocks: convolution blocks of each scale in the encoders.
        stem_stride: stride of the encoders' first convolution: 1 works at full resolution, 2 from half of it.
        fusion: the compositional layer, one of `ccsd.method.fusion.FUSIONS`.
    """

    widths: tuple[int, ...]
    decoder: tuple[int, ...]
    blocks: tuple[int, ...]
    stem_stride: int = 1
    fusion: str = "convolution"

    def __post_init__(self) -> None:
        sizes = f"widths {self.widths}, decoder {self.decoder} and blocks {self.blocks}"
        if len({len(self.widths), len(self.decoder), len(self.blocks)}) != 1 or len(self.widths) < 2:
            raise ValueError(f"network: {sizes} must name the same 2+ scales")
        if min(self.widths + self.decoder + self.blocks) < 1:
            raise ValueError(f"network: {sizes} must be positive")
        if self.stem_stride not in (1, 2):
            raise ValueError(f"network: stem_stride must be 1 or 2, found {self.stem_stride}")
        if self.fusion not in FUSIONS:
            raise ValueError(f"network: fusion must be one of {', '.join(FUSIONS)}, found {self.fusion!r}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NetworkConfig:
        """The inverse of `dataclasses.asdict`."""
        scales = {name: tuple(values[name]) for name in ("widths", "decoder", "blocks")}
        return cls(**{**values, **scales})


PRESETS = {
    # A whole study on two CPU cores: half-resolution features from the first convolution on.
    "small": NetworkConfig(widths=(32, 64, 96, 128), decoder=(16, 32, 64, 128), blocks=(2, 2, 2, 2), stem_stride=2),
    # For a GPU: full-resolution features, the plain form of an nnU-Net.
    "base": NetworkConfig(widths=(32, 64, 96, 128, 160), decoder=(16, 32, 64, 96, 160), blocks=(2, 2, 2, 2, 2)),
    # For tests only: everything is there and nothing learns well.
    "tiny": NetworkConfig(widths=(4, 8, 16), decoder=(4, 8, 16), blocks=(1, 1, 1), stem_stride=2),
}


@dataclass
class Features:
    """What the encoders saw: per scale s and per available modality m, tensors (B, C_s, D_s, H_s, W_s),
    where D_s = D / (stem_stride * 2^s).

    `fused[s][m]` is C(shared, specific); it does not depend on the subset, so it is computed once.
    """

    available: int
    shared: list[dict[int, Tensor]]
    specific: list[dict[int, Tensor]]
    fused: list[dict[int, Tensor]]


class CCSDNetwork(nn.Module):
    """N specific encoders, one shared encoder, a compositional layer a scale and one decoder.

    Args:
        task: which modalities go in and which regions come out.
        config: sizes.
    """

    def __init__(self, task: Task, config: NetworkConfig) -> None:
        super().__init__()
        self.task = task
        self.config = config
        self.n = len(task.modalities)

        def encoder() -> Encoder:
            return Encoder(widths=config.widths, blocks=config.blocks, stem_stride=config.stem_stride)

        self.shared_encoder = encoder()
        self.specific_encoders = nn.ModuleList([encoder() for _ in task.modalities])
        deepest = len(config.widths) - 1
        self.fusions = nn.ModuleList(
            [
                make_fusion(config.fusion, width, kernel=3 if scale == deepest else 1)
                for scale, width in enumerate(config.widths)
            ]
        )
        self.decoder = Decoder(
            slots=self.n,
            encoder_widths=config.widths,
            widths=config.decoder,
            regions=len(task.regions),
            stem_stride=config.stem_stride,
        )
        self.modality_classifier = nn.Linear(config.widths[-1], self.n)

    @property
    def divisor(self) -> int:
        """Every edge of an input must be a multiple of this many voxels."""
        return int(self.config.stem_stride * 2 ** (len(self.config.widths) - 1))

    @property
    def features_per_voxel(self) -> float:
        """Values of features for each voxel of the input: shared, specific and fused, of all modalities and scales."""
        strides = [self.config.stem_stride * 2**scale for scale in range(len(self.config.widths))]
        return 3 * self.n * sum(width / s**3 for width, s in zip(self.config.widths, strides, strict=True))

    def to_device(self, device: torch.device) -> CCSDNetwork:
        """Move to `device`, in the memory format that its convolutions are fastest in."""
        memory = torch.channels_last_3d if device.type == "cpu" else torch.contiguous_format
        self.to(device)
        self.to(memory_format=memory)  # type: ignore[call-overload]  # torch's stubs lack this keyword
        return self

    def encode(self, volumes: Tensor, present: Tensor) -> Features:
        """Encode the present modalities, each exactly once.

        Args:
            volumes: (B, N, D, H, W), z-scored; slots that are not present are not read.
            present: boolean (N,).

        Raises:
            ValueError: no modality present, another N, or an edge that is not a multiple of `divisor`.
        """
        self._check(volumes, present)
        return self.encode_subset(volumes, subsets.from_present(present))

    def encode_subset(self, volumes: Tensor, available: int) -> Features:
        """As `encode`, unchecked and without a value that depends on a tensor, as tracing needs it."""
        own = subsets.members(available)
        shared = self._encode_shared(volumes, own)
        pyramids = {m: self.specific_encoders[m](volumes[:, m : m + 1]) for m in own}
        specific = [{m: pyramids[m][s] for m in own} for s in range(len(shared))]
        fused = [
            {m: fusion(shared[s][m], specific[s][m]) for m in own} for s, fusion in enumerate(self.fusions)
        ]  # [{m: (B, C_s, ...)}]
        return Features(available, shared, specific, fused)

    def fuse(self, features: Features, subset: int, *, scale: int, kind: FeatureKind = "fused") -> Tensor:
        """Z(S) at one scale: the N slots on channels, (B, N*C_s, D_s, H_s, W_s).

        Slot m is C(shared_m, specific_m) for m in S, else the mean of the shared features of S. For the ablations of
        what is distilled (docs/method.md: Ablations), `kind` puts the shared or the specific features in the slots of
        S instead; with "specific", absent slots are the mean of the specific features.
        """
        own = subsets.members(subset)
        slots: dict[int, Tensor] = getattr(features, kind)[scale]
        if len(own) == self.n:
            return torch.cat([slots[m] for m in own], dim=1)
        seen = features.specific[scale] if kind == "specific" else features.shared[scale]
        mean = _total(seen, own) / len(own)
        return torch.cat([slots[m] if m in own else mean for m in range(self.n)], dim=1)

    def decode(self, features: Features, chosen: Sequence[int]) -> list[Tensor]:
        """Logits (B, R, D, H, W) of each of the chosen subsets."""
        return [logits for _, logits in self._decode(features, chosen)]

    def lattice(self, features: Features) -> Iterator[tuple[int, Tensor]]:
        """(subset, logits) for every subset of what is available, largest first; one decoder pass each."""
        return self._decode(features, subsets.lattice(features.available))

    def forward(self, volumes: Tensor, present: Tensor) -> Tensor:
        """Segment with exactly the present modalities: (B, N, D, H, W), (N,) bool -> logits (B, R, D, H, W)."""
        features = self.encode(volumes, present)
        return self.decode(features, [features.available])[0]

    def _encode_shared(self, volumes: Tensor, own: Sequence[int]) -> list[dict[int, Tensor]]:
        """The shared encoder over the modalities `own`: [{m: (B, C_s, D_s, H_s, W_s)} for each scale s].

        Training on a GPU folds them into the batch, which is faster there. Elsewhere one goes after the other:
        convolution kernels round differently for different batch sizes, and a subset's logits must not depend on what
        else was encoded.
        """
        if self.training and volumes.device.type != "cpu":
            folded = torch.cat([volumes[:, m : m + 1] for m in own])  # (P*B, 1, D, H, W)
            chunks = [level.split(volumes.shape[0]) for level in self.shared_encoder(folded)]
            return [dict(zip(own, chunk, strict=True)) for chunk in chunks]
        pyramids = {m: self.shared_encoder(volumes[:, m : m + 1]) for m in own}
        return [{m: pyramids[m][s] for m in own} for s in range(len(self.config.widths))]

    def _decode(self, features: Features, chosen: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
        """(subset, logits of Z(subset)), with each present modality mixed once for all that are chosen."""
        parts = [
            {m: self.decoder.mix_slots(fused, [m], scale=scale) for m, fused in level.items()}
            for scale, level in enumerate(features.fused)
        ]
        for subset in chosen:
            if subset & ~features.available:
                raise ValueError(
                    f"subset {subset:b} has modalities that were not encoded, available are {features.available:b}"
                )
            own = subsets.members(subset)
            absent = [m for m in range(self.n) if m not in own]
            chosen_parts = [[level[m] for m in own] for level in parts]
            if absent:
                for scale, level in enumerate(features.shared):
                    total = _total(level, own)
                    part = self.decoder.mix_slots(total, absent, scale=scale, share=1 / len(own))
                    chosen_parts[scale].append(part)
            yield subset, self.decoder(chosen_parts)

    def _check(self, volumes: Tensor, present: Tensor) -> None:
        if volumes.ndim != 5 or volumes.shape[1] != self.n:
            raise ValueError(f"volumes must be (B, {self.n}, D, H, W), found {tuple(volumes.shape)}")
        if present.shape != (self.n,) or present.dtype != torch.bool:
            raise ValueError(f"present must be a boolean ({self.n},), found {present.dtype} {tuple(present.shape)}")
        if not bool(present.any()):
            raise ValueError("no modality is present, expected at least one")
        if any(edge % self.divisor for edge in volumes.shape[2:]):
            raise ValueError(f"edges must be multiples of {self.divisor}, found {tuple(volumes.shape[2:])}")


def _total(features: Mapping[int, Tensor], of: Sequence[int]) -> Tensor:
    return reduce(torch.add, [features[m] for m in of])
