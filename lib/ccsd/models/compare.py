"""Two versions side by side: what each was trained on, with which settings, and what it reaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccsd.method.task import Task
from ccsd.models.versions import Version


def compare(first: Version, second: Version, task: Task) -> dict[str, Any]:
    """`versions`: both names; `dice`: per subset and region the pair of values; `only`: the studies that one of them
    alone was trained on; `changed`: those whose label or images differ; `settings`: pairs, where they differ;
    `comparable`: whether both were measured on the same studies with the same labels."""
    cards = first.card, second.card
    rows = [{tuple(row["modalities"]): row for row in card.dice} for card in cards]
    subsets = [key for key in rows[0] if key in rows[1]]
    trained = [set(card.training) for card in cards]
    digests = [card.digests for card in cards]
    settings = [flat(card.settings) for card in cards]
    names = sorted({*settings[0], *settings[1]})
    validated = [list(card.validation) for card in cards]
    changed = sorted(s for s in set(digests[0]) & set(digests[1]) if digests[0][s] != digests[1][s])
    return {
        "versions": [first.version, second.version],
        "validated_on": validated,
        "comparable": set(validated[0]) == set(validated[1]) != set() and not set(changed) & set(validated[0]),
        "dice": [
            {"modalities": list(key), **{g: [r[key].get(g) for r in rows] for g in task.regions}} for key in subsets
        ],
        "only": [sorted(trained[0] - trained[1]), sorted(trained[1] - trained[0])],
        "changed": changed,
        "settings": {
            name: [s.get(name) for s in settings] for name in names if settings[0].get(name) != settings[1].get(name)
        },
    }


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found
