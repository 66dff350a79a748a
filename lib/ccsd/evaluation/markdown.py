"""The evaluation as text: a Markdown table, then each figure with its definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccsd.evaluation.summary import DEFINITIONS
from ccsd.method.task import Task

TITLES = {
    "average": "average Dice",
    "aurc": "AURC",
    "average_hd95": "average HD95 in mm",
    "worsening": "worsened pairs",
    "worsening_steps": "worsening steps",
}
WITH_RULE = ("average", "aurc", "average_hd95")  # figures that are told again with BraTS's rule for small ET


def as_markdown(summary: Mapping[str, Any], task: Task) -> str:
    """Dice (HD95) of every subset and size, then the figures.

    Args:
        summary: as `ccsd.evaluation.summary.summarise` makes it, with `et_rule` (the same again) where the task has it.
    """
    head = f"| modalities | cases | {' | '.join(task.regions)} |"
    lines = [f"Dice (HD95: {DEFINITIONS['hd95']})\n", head, f"|---|---|{'---|' * len(task.regions)}"]
    for entry, cases in zip(summary["subsets"], summary["cases"], strict=True):
        lines.append(f"| {' '.join(entry['modalities'])} | {cases} | {_cells(entry, task)} |")
    lines.append(f"| **average of {len(summary['subsets'])}** | | {_cells(averages(summary, task), task)} |")
    lines += [f"| {k} of {len(task.modalities)} | | {_cells(v, task)} |" for k, v in summary["sizes"].items()]
    lines.append("")
    for title, values, definition in figures(summary):
        named = ", ".join(f"{region} {number(value)}" for region, value in values.items())
        lines.append(f"{title}: {named} ({definition})")
    worst = "; ".join(f"{k}: {' '.join(w['modalities'])} {w['dice']:.3f}" for k, w in summary["worst"].items())
    lines.append(f"worst subset by size: {worst} ({DEFINITIONS['worst']})")
    return "\n".join(lines)


def figures(summary: Mapping[str, Any]) -> list[tuple[str, Mapping[str, float | None], str]]:
    """(title, value by region, definition) of each figure that is one number a region."""
    found = [(title, summary[key], DEFINITIONS[key]) for key, title in TITLES.items()]
    if "et_rule" in summary:
        rule = summary["et_rule"]
        found += [(f"{TITLES[key]}, small ET relabelled", rule[key], DEFINITIONS["et_rule"]) for key in WITH_RULE]
    return found


def averages(summary: Mapping[str, Any], task: Task) -> dict[str, dict[str, float | None]]:
    """The averages over the subsets in the form that subsets and sizes have."""
    return {g: {"dice": summary["average"][g], "hd95": summary["average_hd95"][g]} for g in task.regions}


def number(value: float | None) -> str:
    """Three decimals; a figure that cannot be computed is `n/a`."""
    return "n/a" if value is None else f"{value:.3f}"


def _cells(entry: Mapping[str, Mapping[str, float | None]], task: Task) -> str:
    return " | ".join(_cell(**entry[g]) for g in task.regions)


def _cell(dice: float | None, hd95: float | None) -> str:
    return "n/a" if dice is None or hd95 is None else f"{dice:.3f} ({hd95:.1f})"
