"""Which figures of a version say what to expect: those of studies that neither it nor its ancestors were trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def trained_on(notes: Mapping[str, Any]) -> set[str]:
    """The studies that weights with these notes have seen, and those before them as far as they noted it."""
    return {str(study) for key in ("seen", "training", "cases") for study in notes.get(key) or ()}


def why_none(notes: Mapping[str, Any]) -> str | None:
    """Why the Dice in a version's notes is not to be expected of other studies, in one sentence; None: it is."""
    measured = {str(study) for study in notes.get("validation") or ()}
    if not notes.get("dice") or not measured:
        return "the weights were not measured"
    seen = measured & trained_on(notes)
    if seen:
        return f"the weights were trained on {len(seen)} of the {len(measured)} studies that they were measured on"
    return None
