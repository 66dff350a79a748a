"""Which studies validate: a list that stays, so that versions can be compared; what is on it is never trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

from ccsd.common.files import replacing


def choose_validation(ids: Sequence[str], file: Path, *, share: float, trained: Collection[str]) -> list[str]:
    """The ids that validate: those in `file` (one a line), which grows until it holds `share` of all.

    Args:
        trained: studies that earlier weights saw; they are not added.
    """
    listed = file.read_text().split("\n") if file.exists() else []
    chosen = [name for name in listed if name in set(ids)]
    free = sorted((name for name in ids if name not in {*listed, *trained}), key=_by_chance)
    added = free[: max(0, int(len(ids) * share) - len(chosen))]
    if added:
        with replacing(file) as temporary:
            temporary.write_text("\n".join([*(name for name in listed if name), *added, ""]))
    return [*chosen, *added]


def _by_chance(name: str) -> str:
    """The same for the same study, whenever it is labelled."""
    return hashlib.sha256(name.encode()).hexdigest()
