"""From files to a mask in one process: seconds of each step, for studies with 1 to N modalities; peers' networks."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from monai.networks.nets import DynUNet, SegResNet
from torch import Tensor, nn

from ccsd.common.devices import quickest
from ccsd.experiments.benchmarks.method import Setting, seconds
from ccsd.method import subsets
from ccsd.method.network import CCSDNetwork
from ccsd.method.task import BRATS
from ccsd.models.served import ServedModel
from ccsd.server.infers.ccsd import CCSDInferTask

NNUNET = "nnU-Net's default (DynUNet)"
STEPS = ("read", "prepare", "network", "restore", "write", "total")


def file_to_mask(
    model: ServedModel, study: Path, cache: Path, *, device: str, window: int, repeats: int
) -> list[dict[str, float]]:
    """Median seconds of each step with 1, 2, ... modalities, a new task each time, so that nothing is remembered.

    Args:
        study: folder with `*_<modality>.nii.gz`.
        window: as in requests; 0: the whole study at once.
    """
    measured = []
    for k in range(1, len(BRATS.modalities) + 1):
        chosen = list(BRATS.modalities[-k:])
        laps = [one_study(model, study, cache, chosen, device=device, window=window) for _ in range(repeats + 1)]
        measured.append({step: statistics.median(lap[step] for lap in laps[1:]) for step in STEPS})
    return measured


def one_study(model: ServedModel, study: Path, cache: Path, chosen: list[str], **request: Any) -> dict[str, float]:
    """Seconds of each step for one study with the `chosen` modalities, by a new task; `request` as of a client."""
    image = str(next(study.glob(f"*_{chosen[-1]}.nii.gz")))
    file, answer = CCSDInferTask(model, cache=cache)({"image": image, "modalities": chosen, **request})
    Path(str(file)).unlink()
    latencies: dict[str, float] = answer["latencies"]
    return latencies


def another_choice(model: ServedModel, study: Path, cache: Path, *, device: str) -> tuple[float, float]:
    """Seconds of the network for all modalities of a study in one window, then for two of them."""
    task = CCSDInferTask(model, cache=cache)
    image = str(next(study.glob(f"*_{BRATS.modalities[-1]}.nii.gz")))
    found = []
    for chosen in (list(BRATS.modalities), list(BRATS.modalities[-2:])):
        file, answer = task({"image": image, "device": device, "modalities": chosen, "window": 0})
        found.append(answer["latencies"]["network"])
        Path(str(file)).unlink()
    return found[0], found[1]


def peers(setting: Setting, shape: tuple[int, int, int]) -> dict[str, tuple[float, float]]:
    """Million parameters, and median seconds of one forward on (1, 4, *shape) with all modalities, of networks of the
    usual BraTS size: MONAI's SegResNet bundle, and nnU-Net's default network also for one modality (1, 1, *shape). In
    the precision that ours is served in."""
    n, regions = len(BRATS.modalities), len(BRATS.regions)
    segresnet = SegResNet(
        blocks_down=[1, 2, 2, 4], blocks_up=[1, 1, 1], init_filters=16, in_channels=n, out_channels=regions
    )
    networks: dict[str, tuple[nn.Module, int]] = {
        "SegResNet": (segresnet, n),
        NNUNET: (nnunet(n), n),
        f"{NNUNET}, 1 modality": (nnunet(1), 1),
    }
    runs = [
        partial(_forward, network.to(setting.device).eval(), torch.randn(1, channels, *shape, device=setting.device))
        for network, channels in networks.values()
    ]
    sizes = [millions(network) for network, _ in networks.values()]
    return dict(zip(networks, zip(sizes, seconds(runs, setting), strict=True), strict=True))


def nnunet(modalities: int) -> nn.Module:
    """nnU-Net's default network for BraTS (its plan `3d_fullres`: six levels, 32 to 320 channels), as MONAI has it."""
    filters = [32, 64, 128, 256, 320, 320]
    return DynUNet(
        spatial_dims=3,
        in_channels=modalities,
        out_channels=len(BRATS.regions),
        kernel_size=[3] * len(filters),
        strides=[1] + [2] * (len(filters) - 1),
        upsample_kernel_size=[2] * (len(filters) - 1),
        filters=filters,
    )


def one_a_subset() -> float:
    """Million parameters of nnU-Net's default networks for all subsets of the modalities, one for each."""
    size = {k: millions(nnunet(k)) for k in range(1, len(BRATS.modalities) + 1)}
    return sum(size[subsets.size(s)] for s in subsets.lattice(subsets.full(len(BRATS.modalities))))


@torch.no_grad()
def all_subsets(setting: Setting, network: CCSDNetwork, shape: tuple[int, int, int]) -> float:
    """Seconds of the logits of all subsets of four modalities, from one pass of the encoders."""
    volumes = torch.randn(1, network.n, *shape, device=setting.device)
    present = torch.ones(network.n, dtype=torch.bool)

    def lattice(volumes: Tensor) -> None:
        for _ in network.lattice(network.encode(volumes, present)):
            pass

    return seconds([partial(_forward, lattice, volumes)], setting)[0]


def ours(setting: Setting, network: nn.Module, shape: tuple[int, int, int]) -> float:
    """As `peers`, for the CCSD network."""
    volumes = torch.randn(1, len(BRATS.modalities), *shape, device=setting.device)
    present = torch.ones(volumes.shape[1], dtype=torch.bool)
    return seconds([partial(_forward, network, volumes, present)], setting)[0]


def millions(network: nn.Module) -> float:
    return sum(p.numel() for p in network.parameters()) / 1e6


@torch.no_grad()
def _forward(network: Callable[..., Tensor | None], *inputs: Tensor) -> None:
    device = inputs[0].device
    kind = quickest(device)
    with torch.autocast(device.type, kind, enabled=kind != torch.float32):
        network(*inputs)
