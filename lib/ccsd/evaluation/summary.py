"""Measurements of many studies -> the figures of docs/method.md: Evaluation. Pure functions on a table of rows.

A row is one case, one subset and one region: Dice and HD95 in mm.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan, nan
from statistics import fmean
from typing import Any

from ccsd.method import subsets
from ccsd.method.task import Task

DEFINITIONS = {
    "average": "mean over the subsets of the mean over cases",
    "aurc": "area under (mean Dice with k modalities missing), k = 0..N-1, trapezoid rule, divided by N-1, "
    "so that a flat curve of Dice d scores d",
    "average_hd95": "the same mean of HD95",
    "hd95": "95th percentile Hausdorff distance in mm, the larger direction; a region empty in one of the two masks: "
    "373.13, in both: 0",
    "worsening": "share of (case, subset) pairs whose Dice falls when some one modality is added",
    "worsening_steps": "share of (case, subset, added modality) whose Dice is lower with the modality than without it",
    "worst": "for each number of modalities, the subset with the lowest Dice, as a mean over regions and cases",
    "et_rule": "the same figures after relabelling a predicted ET of less than 0.5 mL (500 voxels of 1 mm) as the core "
    "around it",
}


@dataclass(frozen=True)
class Row:
    """One case, one subset (bit mask), one region; `hd95` in mm."""

    case: str
    subset: int
    region: str
    dice: float
    hd95: float


@dataclass(frozen=True)
class Mean:
    """Means over cases, or over subsets of such means; `hd95` in mm."""

    dice: float
    hd95: float

    def rounded(self) -> dict[str, float | None]:
        return {"dice": _rounded(self.dice), "hd95": _rounded(self.hd95)}


UNKNOWN = Mean(nan, nan)


def summarise(rows: Sequence[Row], task: Task) -> dict[str, Any]:
    """What `summary.json` holds.

    `average`, `aurc`, `average_hd95`, `worsening` and `worsening_steps` by region; `subsets`, a list of
    `{"modalities": [...], region: {"dice": x, "hd95": x}}`, larger subsets first, and `cases`, how many studies each of
    them was measured on; `sizes`, the means of the subsets with k modalities, and `worst`, both by k as text.

    A region that no reference knows has None for every figure. `aurc` is also None where no study has all of the task's
    modalities: the curve then lacks its beginning.

    Raises:
        ValueError: no rows.
    """
    if not rows:
        raise ValueError("there is nothing to summarise, expected at least one row")
    regions = list(task.regions)
    chosen = sorted({r.subset for r in rows}, key=lambda s: (-subsets.size(s), s))
    means = {(s, g): UNKNOWN for s in chosen for g in regions} | _means(rows)
    sizes = _by_size(means, chosen, regions)
    overall = {g: _mean([means[s, g] for s in chosen]) for g in regions}
    curves = {g: [size[g].dice for size in sizes.values()] for g in regions}
    whole = len(task.modalities) in sizes
    counts = Counter(s for _, s in {(r.case, r.subset) for r in rows})
    return {
        "average": {g: _rounded(overall[g].dice) for g in regions},
        "aurc": {g: _rounded(aurc(curves[g])) if whole else None for g in regions},
        "average_hd95": {g: _rounded(overall[g].hd95) for g in regions},
        "worsening": {g: worsening(_of(rows, g)) for g in regions},
        "worsening_steps": {g: worsening_steps(_of(rows, g)) for g in regions},
        "subsets": [{"modalities": _names(s, task), **{g: means[s, g].rounded() for g in regions}} for s in chosen],
        "cases": [counts[s] for s in chosen],
        "sizes": {str(k): {g: size[g].rounded() for g in regions} for k, size in sizes.items()},
        "worst": _worst(means, chosen, task),
    }


def aurc(curve: Sequence[float]) -> float:
    """Area under the robustness curve: Dice with 0, 1, ... modalities missing. One point is its own area.

    Example: aurc([0.9, 0.8, 0.4]) == ((0.9 + 0.8) / 2 + (0.8 + 0.4) / 2) / 2.
    """
    if len(curve) == 1:
        return curve[0]
    return sum((a + b) / 2 for a, b in pairwise(curve)) / (len(curve) - 1)


def worsening(rows: Sequence[Row]) -> float:
    """The share of (case, subset) pairs whose Dice falls when some one modality is added, for the rows of one region.
    Pairs without a larger subset do not count; 0 where there is no pair."""
    falls = [any(steps) for steps in _steps(rows)]
    return round(fmean(falls), 4) if falls else 0.0


def worsening_steps(rows: Sequence[Row]) -> float:
    """The share of (case, subset, added modality) in which Dice falls, for the rows of one region; 0 where there is no
    such step."""
    falls = [fell for steps in _steps(rows) for fell in steps]
    return round(fmean(falls), 4) if falls else 0.0


def _steps(rows: Iterable[Row]) -> list[list[bool]]:
    """For each (case, subset) that can be added to: whether Dice falls with each modality that can be added."""
    found = {(r.case, r.subset): r.dice for r in rows}
    bits = max((subset.bit_length() for _, subset in found), default=0)
    steps = []
    for (case, subset), value in found.items():
        larger = [(case, subset | 1 << m) for m in range(bits) if not subset >> m & 1]
        steps.append([found[key] < value for key in larger if key in found])
    return [falls for falls in steps if falls]


def _means(rows: Iterable[Row]) -> dict[tuple[int, str], Mean]:
    """(subset, region) -> mean over cases."""
    groups: dict[tuple[int, str], list[Mean]] = defaultdict(list)
    for r in rows:
        groups[r.subset, r.region].append(Mean(r.dice, r.hd95))
    return {key: _mean(values) for key, values in groups.items()}


def _by_size(
    means: Mapping[tuple[int, str], Mean], chosen: Sequence[int], regions: Sequence[str]
) -> dict[int, dict[str, Mean]]:
    """Number of modalities -> region -> mean over the subsets of that size; largest first."""
    sizes = dict.fromkeys(subsets.size(s) for s in chosen)
    return {k: {g: _mean([means[s, g] for s in chosen if subsets.size(s) == k]) for g in regions} for k in sizes}


def _worst(means: Mapping[tuple[int, str], Mean], chosen: Sequence[int], task: Task) -> dict[str, dict[str, Any]]:
    scores = {s: _mean([means[s, g] for g in task.regions]).dice for s in chosen}
    worst: dict[str, dict[str, Any]] = {}
    for k in dict.fromkeys(map(subsets.size, chosen)):
        subset = min((s for s in chosen if subsets.size(s) == k), key=lambda s: scores[s])
        worst[str(k)] = {"modalities": _names(subset, task), "dice": round(scores[subset], 4)}
    return worst


def _mean(values: Sequence[Mean]) -> Mean:
    """The mean of those that are known."""
    known = [v for v in values if not isnan(v.dice)]
    return Mean(fmean(v.dice for v in known), fmean(v.hd95 for v in known)) if known else UNKNOWN


def _rounded(value: float) -> float | None:
    return None if isnan(value) else round(value, 4)


def _of(rows: Iterable[Row], region: str) -> list[Row]:
    return [r for r in rows if r.region == region]


def _names(subset: int, task: Task) -> list[str]:
    return list(subsets.names(subset, task.modalities))
