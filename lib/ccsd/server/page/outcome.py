"""How a training ended, as people say it: whether the new weights are served, how good they are, or why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ccsd.models.versions import Version


def in_words(outcome: str | None, stats: Mapping[str, Any], versions: Sequence[Version]) -> str | None:
    """One or two sentences; None while there is no outcome.

    Args:
        outcome: what the status of the training says (`GET /train/`).
        stats: what the training wrote of itself.
    """
    known = {one.version: one for one in versions}
    published = known.get(stats.get("version") or "")
    if outcome is None:
        return None
    if outcome.startswith("published ") and published is not None:
        return _published(published, stats["history"][0]["score"], versions)
    kept = next((one for one in versions if one.card.kept_back and one.version in outcome), None)
    if kept is not None:
        why = f"The old weights stay served, because {kept.card.kept_back}."
        return f"{why} The new ones are kept as candidate {kept.version}."
    return f"{outcome[:1].upper()}{outcome[1:]}."


def _published(new: Version, before: float | None, versions: Sequence[Version]) -> str:
    pinned = next((one.version for one in versions if one.pinned and one.version != new.version), None)
    head = f"New weights are published, but {pinned} is pinned and stays served" if pinned else "New weights are served"
    was = "they are the first" if before is None else f"before {before:.3f}"
    score = f"{new.card.score:.3f}" if new.card.score is not None else "not known"
    count, held_out = len(new.card.validation), new.card.held_out
    where = f"{count} {'validation ' if held_out else ''}{'study' if count == 1 else 'studies'}"
    known = "" if held_out else " They were trained on these, too: too few are labelled to hold one out."
    return f"{head}: mean Dice on {where} {score}, {was}.{known}"
