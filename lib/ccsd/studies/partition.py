"""The free-form names of a folder -> those of one study each, by what differs between them beside the modality.

A word that is not understood is taken for the name of a patient or a visit. A number is the name of a study where it is
shared by images of several modalities and not by all; numbers that differ from image to image are those of series.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ccsd.studies.identity import Identity, identity_of, is_label_name
from ccsd.studies.words import evidence_from_words

MANY = 3  # images of one kind that differ by a number alone are of as many studies


@dataclass(frozen=True)
class Named:
    """A free-form name: whose image it is, and which of that study's images (None: not one that matters here)."""

    identity: Identity
    kind: tuple[Hashable, ...] | None


def named(text: str) -> Named:
    evidence = evidence_from_words(text)
    if is_label_name(text):
        return Named(identity_of(text), ("label",))
    kind = (evidence.sequence, evidence.contrast) if evidence.sequence and not evidence.refused else None
    return Named(identity_of(text), kind)


def partition(stems: Mapping[Path, str]) -> dict[Path, str]:
    """File -> what its study is called beside the others; empty where all are of one study.

    Images of no known modality go with those whose name they share, else with the first study without a name.
    """
    names = {path: named(stem) for path, stem in stems.items()}
    telling = {path: name for path, name in names.items() if name.kind}
    common = frozenset.intersection(*(n.identity.words for n in telling.values())) if telling else frozenset()
    groups = _by_words(telling, common)
    parts = {path: words | _numbered(members)[path] for words, members in groups for path in members}
    called = {part: "_".join(sorted(part)) for part in parts.values()} if len(set(parts.values())) > 1 else {}
    out = {path: called.get(part, "") for path, part in parts.items()}
    return out | {p: called.get(_nearest(n, common, called), "") for p, n in names.items() if p not in out}


def _nearest(name: Named, common: frozenset[str], called: Mapping[frozenset[str], str]) -> frozenset[str]:
    """The study that the name of an image of no known modality points to."""
    own = name.identity.words - common
    having = [p for p in called if own & p or set(name.identity.numbers) & p]
    return having[0] if len(having) == 1 else frozenset()


def _by_words(names: Mapping[Path, Named], common: frozenset[str]) -> list[tuple[frozenset[str], dict[Path, Named]]]:
    """(words, images that have them): who says less is of the one study that says more, if that has no such image."""
    groups: dict[frozenset[str], dict[Path, Named]] = defaultdict(dict)
    for path, name in names.items():
        groups[name.identity.words - common][path] = name
    for words in sorted(groups, key=lambda w: (len(w), sorted(w))):
        fuller = [w for w in groups if words < w]
        if len(fuller) == 1 and _may_join(groups[words], words, groups[fuller[0]], fuller[0]):
            groups[fuller[0]] |= groups.pop(words)
    return list(groups.items())


def _may_join(
    less: Mapping[Path, Named], words: frozenset[str], more: Mapping[Path, Named], fuller: frozenset[str]
) -> bool:
    visits = frozenset[str]().union(*(n.identity.visits for n in more.values()))
    return not (fuller - words) & visits and not _images(less) & _images(more)


def _images(names: Mapping[Path, Named]) -> set[tuple[Hashable, ...]]:
    return {(n.kind, n.identity.frame) for n in names.values()}


def _numbered(names: Mapping[Path, Named]) -> dict[Path, frozenset[str]]:
    """File -> the number that is its study's name; nothing where numbers are those of series, or all have the same."""
    most = max(len(n.identity.numbers) for n in names.values())
    slots = [_values(names, slot) for slot in (*range(most), *range(-most, 0))]
    told = [values for values in slots if _tell_studies(values, names)]
    best = max(told, key=lambda values: _certainty(values, names), default=None)
    return {p: frozenset((best[p],)) if best and best[p] else frozenset() for p in names}


def _values(names: Mapping[Path, Named], slot: int) -> dict[Path, str]:
    """File -> its number at a place, counted from the front or the end."""
    numbers = {path: name.identity.numbers for path, name in names.items()}
    return {p: n[slot] if -len(n) <= slot < len(n) else "" for p, n in numbers.items()}


def _tell_studies(values: Mapping[Path, str], names: Mapping[Path, Named]) -> bool:
    kinds = _kinds(values, names)
    if len(kinds) < 2:
        return False
    alike = len({(n.kind, n.identity.frame) for n in names.values()}) == 1
    return any(len(k) > 1 for value, k in kinds.items() if value) or (alike and len(kinds) == len(names) >= MANY)


def _kinds(values: Mapping[Path, str], names: Mapping[Path, Named]) -> dict[str, set[Hashable]]:
    kinds: dict[str, set[Hashable]] = defaultdict(set)
    for path, value in values.items():
        kinds[value].add((names[path].kind, names[path].identity.frame))
    return kinds


def _certainty(values: Mapping[Path, str], names: Mapping[Path, Named]) -> tuple[float, int]:
    """Studies of several images count, then long numbers: those of patients are longer than those of series."""
    kinds = _kinds(values, names)
    return sum(len(k) > 1 for k in kinds.values()) / len(kinds), max(map(len, kinds))


def is_series_numbers(numbers: Sequence[str], kinds: Sequence[Hashable]) -> bool:
    """Whether numbers in front of names are those of series: each comes with one kind of image, and there are several
    kinds. Numbers of cases come with several kinds, or all with the same."""
    of_number: dict[str, set[Hashable]] = defaultdict(set)
    for number, kind in zip(numbers, kinds, strict=True):
        of_number[number].add(kind)
    return len(of_number) > 1 and all(len(k) == 1 for k in of_number.values()) and len(set(kinds)) > 1
