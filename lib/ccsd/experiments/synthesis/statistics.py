"""Intensities by tissue, of real and of made studies, in units of the healthy brain's mean and deviation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ccsd.method.task import BRATS

PERCENTILES = (2, 10, 50, 90, 98)
Statistics = dict[tuple[str, str], tuple[float, float]]


def statistics_of(volumes: Mapping[str, NDArray[np.float32]], label: NDArray[np.uint8]) -> Statistics:
    """(modality, tissue) -> (mean, deviation within); tissue: a label's name, or "brain p50" for percentiles of what is
    no tumour. Volumes and label: (D, H, W)."""
    found: Statistics = {}
    for modality, volume in volumes.items():
        brain = volume > 0
        z = (volume - volume[brain].mean()) / volume[brain].std()
        for name, value in BRATS.labels.items():
            inside = z[brain & (label == value)]
            if inside.size >= 100:
                found[modality, name] = float(inside.mean()), float(inside.std())
        for p, value in zip(PERCENTILES, np.percentile(z[brain & (label == 0)], PERCENTILES), strict=True):
            found[modality, f"brain p{p}"] = float(value), 0.0
    return found


def compare(real: Sequence[Statistics], made: Sequence[Statistics]) -> str:
    """A Markdown table: mean over studies ± deviation between them, of both; and the deviation within a study."""
    lines = [
        f"| modality, tissue | {len(real)} real | {len(made)} made | within, real | within, made |",
        "|---|---|---|---|---|",
    ]
    for key in dict.fromkeys(k for one in real for k in one):
        cells = [_told([one[key] for one in side if key in one]) for side in (real, made)]
        lines.append(f"| {key[0]}, {key[1]} | {cells[0][0]} | {cells[1][0]} | {cells[0][1]} | {cells[1][1]} |")
    return "\n".join(lines)


def _told(values: Sequence[tuple[float, float]]) -> tuple[str, str]:
    if not values:
        return "-", "-"
    means, within = np.array(values).T
    return f"{means.mean():.2f} ± {means.std():.2f}", f"{within.mean():.2f}" if within.any() else ""
