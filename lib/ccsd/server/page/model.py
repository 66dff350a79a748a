"""What the page shows of the model that is served: where it is strong and weak, its versions, and its training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ccsd.evaluation.summary import DEFINITIONS, aurc
from ccsd.method.task import Task
from ccsd.models.card import Card
from ccsd.models.versions import Version
from ccsd.server.page.slices import legend


def served(card: Card, task: Task) -> dict[str, Any]:
    """The served model with its table, and the robustness curve that follows from it."""
    rows = [r for r in card.dice if all(g in r for g in task.regions)]
    sizes = by_size(rows, task)
    whole = len(task.modalities) in sizes
    return {
        "version": card.version,
        "task": task.name,
        "modalities": list(task.modalities),
        "labels": legend(task.labels),
        "regions": {g: [n for n, v in task.labels.items() if v in values] for g, values in task.regions.items()},
        "paints": dict(task.region_labels),
        "dice": rows,
        "average": {g: round(fmean(r[g] for r in rows), 4) for g in task.regions} if rows else None,
        "sizes": sizes,
        "aurc": {g: round(aurc([s[g] for s in sizes.values()]), 4) for g in task.regions} if whole else None,
        "definition": DEFINITIONS["aurc"],
        **_data(card),
    }


def by_size(rows: Sequence[Mapping[str, Any]], task: Task) -> dict[int, dict[str, float]]:
    """Number of modalities -> region -> mean Dice of the subsets of that size; largest first."""
    groups: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[len(row["modalities"])].append(row)
    return {k: {g: fmean(r[g] for r in groups[k]) for g in task.regions} for k in sorted(groups, reverse=True)}


def listed(versions: Sequence[Version], task: Task) -> list[dict[str, Any]]:
    """One entry a version; `mean`: Dice over subsets and regions."""
    found = []
    for one in versions:
        state = {"served": one.served, "pinned": one.pinned, "kept_back": one.card.kept_back}
        found.append({"version": one.version, **state, "mean": one.card.mean_dice(task.regions), **_data(one.card)})
    return found


def scored(found: Mapping[str, Mapping[str, Any]], version: str, task: Task) -> dict[str, Any]:
    """Dice by study, as far as it is of `version`, and `mean`: by subset over the studies that have it, with their
    number."""
    studies = {study: one for study, one in found.items() if one["version"] == version}
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for one in studies.values():
        for row in one["dice"]:
            groups[tuple(row["modalities"])].append(row)
    largest = sorted(groups, key=len, reverse=True)
    mean = [{"modalities": list(m), "studies": len(groups[m]), **_means(groups[m], task)} for m in largest]
    return {"version": version, "mean": mean, "studies": studies}


def _means(rows: Sequence[Mapping[str, Any]], task: Task) -> dict[str, float]:
    """Region -> mean Dice of the rows that know it."""
    known = {g: [row[g] for row in rows if g in row] for g in task.regions}
    return {g: round(fmean(values), 4) for g, values in known.items() if values}


def _data(card: Card) -> dict[str, Any]:
    return {
        "parent": card.parent,
        "published": card.published,
        "training": list(card.training),
        "validation": list(card.validation),
        "not_expected": card.why_not_expected,
    }
