"""Results of cells -> a table in Markdown, with mean and spread over the seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ccsd.evaluation.summary import aurc
from ccsd.method.task import Task


def render(title: str, rows: Mapping[str, Sequence[Mapping[str, Any]]], task: Task) -> str:
    """Rows: variant -> one result a seed. Dice in percent: the average over the subsets, AURC of the regions' mean, and
    the single modalities alone."""
    regions = list(task.regions)
    head = ["variant", *regions, "mean", "AURC", "one modality", "all modalities", "minutes a run"]
    lines = [f"### {title}", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, results in rows.items():
        cells = [_spread([_average(r["subsets"], [g]) for r in results]) for g in regions]
        cells.append(_spread([_average(r["subsets"], regions) for r in results]))
        cells.append(_spread([_aurc(r["subsets"], task) for r in results]))
        for size in (1, len(task.modalities)):
            cells.append(_spread([_average(_of_size(r["subsets"], size), regions) for r in results]))
        cells.append(f"{statistics.mean(r['seconds'] for r in results) / 60:.1f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _average(rows: Sequence[Mapping[str, Any]], regions: Sequence[str]) -> float:
    return statistics.mean(row[region] for row in rows for region in regions)


def _of_size(rows: Sequence[Mapping[str, Any]], size: int) -> list[Mapping[str, Any]]:
    return [row for row in rows if len(row["modalities"]) == size]


def _aurc(rows: Sequence[Mapping[str, Any]], task: Task) -> float:
    sizes = range(len(task.modalities), 0, -1)
    return aurc([_average(_of_size(rows, k), list(task.regions)) for k in sizes])


def _spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over seeds, in percent."""
    mean = 100 * statistics.mean(values)
    return f"{mean:.1f}" if len(values) == 1 else f"{mean:.1f} ± {100 * statistics.stdev(values):.1f}"
