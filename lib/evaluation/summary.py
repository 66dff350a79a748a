"""Measurements of many studies -> the figures of METHOD: Evaluation. Pure functions on a table of rows.

A row is one case, one subset and one region: Dice and HD95 in mm.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lib.ccsd import subsets
from lib.ccsd.task import Task

DEFINITIONS = {
    "average": "mean over the subsets of the mean over cases",
    "aurc": "area under (mean Dice with k modalities missing), k = 0..N-1, trapezoid rule, divided by N-1, "
    "so that a flat curve of Dice d scores d",
    "worst": "for each number of modalities, the subset with the lowest Dice, as a mean over regions and cases",
    "worsening": "share of (case, subset, added modality) whose Dice is lower with the modality than without it",
    "hd95": "95th percentile Hausdorff distance in mm, the larger direction; one region empty: 373.13, both: 0",
    "et_rule": "the same after relabelling a predicted ET of less than 0.5 mL as the core around it",
}


@dataclass(frozen=True)
class Row:
    case: str
    subset: int
    region: str
    dice: float
    hd95: float


def summarise(rows: Sequence[Row], task: Task) -> dict[str, Any]:
    """`average`, `aurc`, `average_hd95` and `worsening` by region, `subsets`, `sizes` and `worst` by size."""
    regions = list(task.regions)
    chosen = sorted({r.subset for r in rows}, key=lambda s: (-subsets.size(s), s))
    by_subset = {s: [r for r in rows if r.subset == s] for s in chosen}

    def named(subset: int) -> list[str]:
        return list(subsets.names(subset, task.modalities))

    return {
        "average": {g: _over_subsets(by_subset.values(), g, _dice) for g in regions},
        "aurc": {g: aurc([size[g]["dice"] for size in _sizes(by_subset, regions).values()]) for g in regions},
        "average_hd95": {g: _over_subsets(by_subset.values(), g, _hd95) for g in regions},
        "worsening": {g: worsening([r for r in rows if r.region == g]) for g in regions},
        "subsets": [{"modalities": named(s), **_by_region(found, regions)} for s, found in by_subset.items()],
        "sizes": {str(k): values for k, values in _sizes(by_subset, regions).items()},
        "worst": {
            str(k): {"modalities": named(s), "dice": round(value, 4)} for k, (s, value) in _worst(by_subset).items()
        },
    }


def aurc(curve: Sequence[float]) -> float:
    """Area under the robustness curve: Dice with 0, 1, ... modalities missing. One point is its own area.

    Example: aurc([0.9, 0.8, 0.4]) == ((0.9 + 0.8) / 2 + (0.8 + 0.4) / 2) / 2.
    """
    if len(curve) == 1:
        return curve[0]
    return round(sum((a + b) / 2 for a, b in pairwise(curve)) / (len(curve) - 1), 4)


def worsening(rows: Sequence[Row]) -> float:
    """The share of (case, subset, added modality) in which Dice falls, for the rows of one region. 0 where no subset
    can be compared with a larger one."""
    found = {(r.case, r.subset): r.dice for r in rows}
    falls = [
        found[case, larger] < value
        for (case, subset), value in found.items()
        for (other, larger) in found
        if other == case and larger & subset == subset and subsets.size(larger) == subsets.size(subset) + 1
    ]
    return round(statistics.mean(falls), 4) if falls else 0.0


def _sizes(by_subset: dict[int, list[Row]], regions: Sequence[str]) -> dict[int, dict[str, dict[str, float]]]:
    """Number of modalities -> region -> mean over the subsets of that size; largest first."""
    result = {}
    for k in dict.fromkeys(subsets.size(s) for s in by_subset):
        same = [rows for s, rows in by_subset.items() if subsets.size(s) == k]
        result[k] = {g: {"dice": _over_subsets(same, g, _dice), "hd95": _over_subsets(same, g, _hd95)} for g in regions}
    return result


def _worst(by_subset: dict[int, list[Row]]) -> dict[int, tuple[int, float]]:
    means = {s: statistics.mean(r.dice for r in rows) for s, rows in by_subset.items()}
    sizes = dict.fromkeys(subsets.size(s) for s in means)
    return {k: min(((s, d) for s, d in means.items() if subsets.size(s) == k), key=lambda pair: pair[1]) for k in sizes}


def _by_region(rows: Sequence[Row], regions: Sequence[str]) -> dict[str, dict[str, float]]:
    return {g: {"dice": _over_subsets([rows], g, _dice), "hd95": _over_subsets([rows], g, _hd95)} for g in regions}


def _over_subsets(groups: Iterable[Sequence[Row]], region: str, value: Callable[[Row], float]) -> float:
    """Mean over the groups of the mean over cases."""
    means = [statistics.mean(value(r) for r in rows if r.region == region) for rows in groups]
    return round(statistics.mean(means), 4)


def _dice(row: Row) -> float:
    return row.dice


def _hd95(row: Row) -> float:
    return row.hd95
