"""A DICOM series -> its volumes: stacks, echoes and components are volumes of their own, of time points one is used.

Slices are only parted where several lie at one place, or where frames lie in several stacks. What parts them is looked
for in this order; an attribute that is another one in each slice (a time, an instance) parts nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from ccsd.imaging.dicom import Series
from ccsd.imaging.dicom_header import Slice

Key = Callable[[Slice], Hashable]

CONTRASTS: tuple[tuple[str, Key], ...] = (  # volumes that differ in them are images of different kinds
    ("{}", lambda s: "\\".join(s.tags.image_type[2:])),
    ("TE {} ms", lambda s: _short(s.tags.echo_time)),
    ("b {}", lambda s: _short(s.tags.b_value)),
    ("TI {} ms", lambda s: _short(s.tags.inversion_time)),
    ("flip angle {}", lambda s: _short(s.tags.flip_angle)),
)
REPEATS: tuple[Key, ...] = (  # the same image again
    lambda s: s.moment.zfill(8),
    lambda s: s.run.zfill(8),
    lambda s: (s.path if s.frame is not None else "",),
)


def volumes(series: Series) -> list[Series]:
    """The volumes of a series, in a fixed order; the series itself where its slices make up one, or none."""
    diffusion = max((s.tags.b_value or 0 for s in series.slices), default=0)
    found = [part for stack in _stacks(series) for part in _contrasts(stack)]
    return [_first_repeat(_of_diffusion(part, diffusion)) for part in found]


def _stacks(series: Series) -> list[Series]:
    """Frames that lie in several directions or stacks. Files of one slice each are not parted: those are localisers."""
    if any(s.frame is None for s in series.slices):
        return [series]
    groups = _parted(series.slices, _plane)
    if len(groups) == 1 and len(_parted(series.slices, _stack)) * 2 <= len(series.slices):
        groups = _parted(series.slices, _stack)
    if len(groups) == 1:
        return [series]
    return [replace(series, slices=g, part=f"stack {i} of {len(groups)}") for i, g in enumerate(groups, start=1)]


def _contrasts(series: Series) -> list[Series]:
    """The volumes of a stack that differ in what they show."""
    parts = [series]
    for words, key in CONTRASTS:
        parts = [smaller for part in parts for smaller in _split(part, words, key)]
    return parts


def _split(series: Series, words: str, key: Key) -> list[Series]:
    groups = _parted(series.slices, key)
    if not _tells_apart(groups, series.slices):
        return [series]
    named = [(g, words.format(key(g[0]) or "unknown")) for g in groups]
    return [replace(series, slices=g, part=", ".join(filter(None, (series.part, name)))) for g, name in named]


def _first_repeat(series: Series) -> Series:
    """The first whole volume where the same was acquired several times."""
    most = _most(series.slices)
    if most == 1 or len(_places(series.slices)) < 2:
        return series
    for key in (*REPEATS, _occurrence(series.slices)):
        groups = _parted(series.slices, key)
        if _tells_apart(groups, series.slices):
            first = max(groups, key=len)  # the first of the largest
            rest = (s.path for g in groups if g is not first for s in g)
            series = replace(series, slices=first, also=(*series.also, *rest))
    note = f"up to {most} slices lie at one place (time points or repeats): the first whole volume is used"
    return replace(series, notes=(*series.notes, note))


def _of_diffusion(series: Series, b_value: float) -> Series:
    """Diffusion, also where a part is its image without weighting."""
    if not b_value:
        return series
    return replace(series, slices=tuple(replace(s, tags=replace(s.tags, b_value=b_value)) for s in series.slices))


def _tells_apart(groups: Sequence[Sequence[Slice]], slices: Sequence[Slice]) -> bool:
    """Whether fewer slices lie at one place in each group than before, and no more groups came of it than that."""
    before = _most(slices)
    return 1 < len(groups) <= before and max(map(_most, groups)) < before


def _parted(slices: Iterable[Slice], key: Key) -> list[tuple[Slice, ...]]:
    groups: dict[str, list[Slice]] = defaultdict(list)
    for piece in slices:
        groups[str(key(piece))].append(piece)
    return [tuple(groups[k]) for k in sorted(groups, key=_numerically)]


def _numerically(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return 0.0, text


def _most(slices: Sequence[Slice]) -> int:
    """How many slices lie at one place, at most."""
    return max(_places(slices).values(), default=0)


def _places(slices: Iterable[Slice]) -> Counter[tuple[float, ...]]:
    return Counter(_rounded(s.position) for s in slices)


def _occurrence(slices: Sequence[Slice]) -> Key:
    """Which one of those at its place a slice is, in the order of instances."""
    seen: Counter[tuple[float, ...]] = Counter()
    numbers: dict[int, int] = {}
    for piece in slices:
        numbers[id(piece)] = seen[_rounded(piece.position)]
        seen[_rounded(piece.position)] += 1
    return lambda s: numbers[id(s)]


def _plane(piece: Slice) -> Hashable:
    return piece.rows, piece.columns, _rounded(piece.orientation), _rounded(piece.spacing)


def _stack(piece: Slice) -> Hashable:
    return piece.stack


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(v) for v in np.round(values, 2) + 0.0)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
