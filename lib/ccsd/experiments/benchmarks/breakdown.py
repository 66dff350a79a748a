"""Where the time of a study goes: each step from files to mask, and the network by kind of operation."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from ccsd.common.clock import Clock
from ccsd.inference.mask_file import write_mask
from ccsd.inference.pipeline import Options, Segmenter
from ccsd.inference.predict import WindowConfig, quickest
from ccsd.method.network import CCSDNetwork
from ccsd.models.served import ServedModel
from ccsd.studies.study import Study

EDGE = 128  # voxels of the profiled window
KINDS = {
    "convolution": ("conv", "mkldnn", "thnn"),
    "instance norm": ("norm",),
    "interpolation": ("upsample", "interpolate"),
    "activation": ("relu", "gelu", "silu", "sigmoid"),
    "precision and memory format": ("copy_", "to_copy", "contiguous", "clone", "aten::cat"),
}


def steps(model: ServedModel, study: Study, folder: Path, window: WindowConfig) -> dict[str, float]:
    """Step -> CPU seconds of this process for one study, after one that is not measured."""
    options = Options(window=window, device=torch.device("cpu"))
    for _ in range(2):
        clock = Clock(time.process_time)
        found = Segmenter(model, cache=folder).segment(study, options=options, clock=clock)  # a new one remembers none
        write_mask(folder / "mask.nii.gz", found)
        clock.end("write")
    return {step: spent for step, spent in clock.seconds.items() if step != "total"}


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
