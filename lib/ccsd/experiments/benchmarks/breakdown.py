"""Where the time of a study goes: each step from files to mask, and the network by kind of operation."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from ccsd.imaging.volumes import read_sources, write_volume
from ccsd.inference.predict import WindowConfig, predict, quickest
from ccsd.method.network import CCSDNetwork
from ccsd.preprocessing.common_space_cache import cached_common_space
from ccsd.preprocessing.prepare import prepare
from ccsd.server.infers.ccsd import mask_on_grid
from ccsd.studies.study import Study

EDGE = 128  # voxels of the profiled window
KINDS = {
    "convolution": ("conv", "mkldnn", "thnn"),
    "instance norm": ("norm",),
    "interpolation": ("upsample", "interpolate"),
    "activation": ("relu", "gelu", "silu", "sigmoid"),
    "precision and memory format": ("copy_", "to_copy", "contiguous", "clone", "aten::cat"),
}


def steps(network: CCSDNetwork, study: Study, folder: Path, window: WindowConfig) -> Iterator[tuple[str, float]]:
    """(step, CPU seconds of this process) of one study, after one that is not measured."""
    for measured in (False, True):
        last = time.process_time()
        for step in _steps(network, study, folder, window):
            now = time.process_time()
            if measured:
                yield step, now - last
            last = time.process_time()


def _steps(network: CCSDNetwork, study: Study, folder: Path, window: WindowConfig) -> Iterator[str]:
    volumes = read_sources(study.sources)
    yield "read"
    asked, task = next(iter(volumes)), network.task
    common = cached_common_space(volumes, asked=asked, folder=folder)
    prepared = prepare(common.volumes, task.modalities, spacing=task.spacing)
    yield "prepare"
    subset = sum(1 << m for m, there in enumerate(prepared.present) if there)
    probabilities = predict(network, prepared.volumes, prepared.present, [subset], window)[subset]
    yield "network"
    label, _ = mask_on_grid(probabilities, prepared, common, task)
    yield "restore"
    write_volume(folder / "mask.nii.gz", label, common.grids[asked])
    yield "write"


@torch.no_grad()
def operations(network: CCSDNetwork) -> dict[str, float]:
    """Kind of operation -> its share of the time of one window with all modalities."""
    volumes = torch.randn(1, network.n, EDGE, EDGE, EDGE)
    present = torch.ones(network.n, dtype=torch.bool)
    kind = quickest(torch.device("cpu"))
    with torch.autocast("cpu", kind, enabled=kind != torch.float32):
        network(volumes, present)
        with profile(activities=[ProfilerActivity.CPU]) as found:
            network(volumes, present)
    spent: dict[str, float] = defaultdict(float)
    for event in found.key_averages():
        named = (of for of, words in KINDS.items() if any(w in event.key for w in words))
        spent[next(named, "other")] += event.self_cpu_time_total
    whole = sum(spent.values())
    return {of: value / whole for of, value in sorted(spent.items(), key=lambda item: -item[1])}
