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
    rows = [{tuple(r["modalities"]): r for r in one.notes.get("dice") or ()} for one in (first, second)]
    subsets = [key for key in rows[0] if key in rows[1]]
    data = [dict(one.notes.get("data") or {}) for one in (first, second)]
    settings = [flat(one.notes.get("config") or one.notes.get("settings") or {}) for one in (first, second)]
    names = sorted({*settings[0], *settings[1]})
    validated = [list(one.notes.get("validation") or ()) for one in (first, second)]
    changed = sorted(study for study in set(data[0]) & set(data[1]) if data[0][study] != data[1][study])
    return {
        "versions": [first.version, second.version],
        "validated_on": validated,
        "comparable": set(validated[0]) == set(validated[1]) != set() and not set(changed) & set(validated[0]),
        "dice": [
            {"modalities": list(key), **{g: [r[key].get(g) for r in rows] for g in task.regions}} for key in subsets
        ],
        "only": [sorted(set(data[0]) - set(data[1])), sorted(set(data[1]) - set(data[0]))],
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
