"""How much a study's modalities are missing among those with a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def missing_shares(labelled: Sequence[set[str]], modalities: Sequence[str]) -> dict[str, float]:
    """Modality -> share of the labelled studies that do not have it (1 where none is labelled)."""
    count = max(1, len(labelled))
    return {m: 1 - sum(m in has for has in labelled) / count for m in modalities}


def weight(has: Sequence[str], rarity: Mapping[str, float]) -> float:
    """1, and up to 1 more for each modality of the study that no labelled study has."""
    return 1 + sum(rarity[m] for m in has if m in rarity)
