"""The candidates of a study -> one source a modality, by rules or as a request names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ccsd.common.errors import InputError, NotFoundError
from ccsd.imaging import filenames
from ccsd.imaging.sources import LeftOut, Source
from ccsd.studies import contrast, rank
from ccsd.studies.candidates import NOTHING_SAID, Candidate
from ccsd.studies.words import made_by

OTHERWISE = "its name says that it was prepared as the asked image was"
TIED = "nothing tells them apart but the order of their names"


@dataclass(frozen=True)
class Choice:
    """What is used of a study and what is not.

    Attributes:
        sources: modality -> source, in the order in which the names sort.
        unknown: images that cannot be told; refused: those that are not to be segmented from; spare: those of a
            modality that has a better one.
    """

    sources: dict[str, Source]
    unknown: tuple[LeftOut, ...] = ()
    refused: tuple[LeftOut, ...] = ()
    spare: tuple[LeftOut, ...] = ()


def choose(
    study: str, candidates: Sequence[Candidate], modalities: Sequence[str], *, asked: Path | None = None
) -> Choice:
    """One source a modality.

    Args:
        study: its id, for messages.
        asked: an image that goes before others of its modality, whatever its rank.

    Raises:
        InputError: two files whose names spell the same modality, and nothing tells them apart.
    """
    by_modality: dict[str, list[Candidate]] = {}
    unknown, refused, spare = [], [], []
    for candidate in settle(candidates):
        evidence, modality = candidate.evidence, candidate.evidence.modality
        if evidence.refused:
            refused.append(LeftOut(candidate.source, evidence.refused))
        elif modality is None:
            unknown.append(LeftOut(candidate.source, evidence.unsure or NOTHING_SAID))
        elif modality not in modalities:
            refused.append(LeftOut(candidate.source, f"{modality}, which is not among {', '.join(modalities)}"))
        else:
            by_modality.setdefault(modality, []).append(candidate)
    sources = {}
    for modality, rivals in by_modality.items():
        sources[modality], others = _one(study, modality, rivals, asked)
        spare += others
    ordered = dict(sorted(sources.items(), key=lambda item: (item[1].path.name, item[1].channel or 0)))
    return Choice(ordered, tuple(unknown), tuple(refused), tuple(spare))


def settle(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates after a look at all of them: T1 before and after contrast agent told apart, and images made from
    others refused where there are original ones."""
    usable = [c for c in candidates if c.evidence.sequence and not c.evidence.refused and not c.evidence.unsure]
    if any(not c.evidence.secondary for c in usable):
        candidates = [_original(c) for c in candidates]
    return contrast.resolve(candidates)


def name_sources(
    choice: Choice, candidates: Sequence[Candidate], named: Mapping[str, str], modalities: Sequence[str]
) -> Choice:
    """The choice with the modalities that a request names taken from what it names, whatever the rules say of that.

    Args:
        named: modality -> a file's name or id, `file[2]` for a channel, a SeriesInstanceUID or a series number.

    Raises:
        InputError: an unknown modality, or a name that several images have.
        NotFoundError: a name that no image has.
    """
    unknown = [m for m in named if m not in modalities]
    if unknown:
        raise InputError(f"modalities names {', '.join(unknown)}, expected names from {', '.join(modalities)}")
    taken = {m: replace(_by_name(text, candidates), rule="named in the request") for m, text in named.items()}
    kept = {m: s for m, s in choice.sources.items() if m not in taken and not any(_same(s, t) for t in taken.values())}
    sources = dict(sorted((kept | taken).items(), key=lambda item: (item[1].path.name, item[1].channel or 0)))

    def left(group: Sequence[LeftOut]) -> tuple[LeftOut, ...]:
        return tuple(o for o in group if not any(_same(o.source, t) for t in taken.values()))

    replaced = tuple(
        LeftOut(s, f"{m}, but the request names another")
        for m, s in choice.sources.items()
        if m in taken and not any(_same(s, t) for t in taken.values())
    )
    return Choice(sources, left(choice.unknown), left(choice.refused), (*left(choice.spare), *replaced))


def _original(candidate: Candidate) -> Candidate:
    """The candidate, refused if it was made from other images."""
    evidence = candidate.evidence
    return (
        candidate
        if not evidence.secondary
        else replace(candidate, evidence=replace(evidence, refused=evidence.refused or evidence.secondary))
    )


def _one(study: str, modality: str, rivals: Sequence[Candidate], asked: Path | None) -> tuple[Source, list[LeftOut]]:
    """The best of the rivals, and the others with the reason."""
    if len(rivals) == 1:
        return replace(rivals[0].source, rule=rivals[0].evidence.because), []
    wanted = [c for c in rivals if asked is not None and c.source.holds(asked)]
    alike = [c for c in rivals if asked is not None and made_by(c.source.path.name) == made_by(asked.name)]
    first, others, ties = rank.best(alike or rivals)
    others += [(c, OTHERWISE) for c in rivals if alike and c not in alike]
    clashing = [c for c in ties if c.strict and first.strict and c.variant == first.variant]
    if clashing:
        raise InputError(f"study {study} has two files for {modality}: {first.name} and {clashing[0].name}")
    if len(wanted) == 1:
        first, others = wanted[0], [(c, "it is the image that is asked for") for c in rivals if c is not wanted[0]]
    reasons = {id(c): reason or TIED for c, reason in others}
    left = [LeftOut(c.source, f"{modality} as well, but {first.name} goes before: {reasons[id(c)]}") for c, _ in others]
    why = f"{first.evidence.because}; before {others[0][0].name}: {reasons[id(others[0][0])]}"
    return replace(first.source, rule=why), left


def _same(one: Source, other: Source) -> bool:
    return (one.path, one.channel, one.uid, one.frames) == (other.path, other.channel, other.uid, other.frames)


def _by_name(text: str, candidates: Sequence[Candidate]) -> Source:
    for matches in (_is_exactly, _is_nearly):
        found = [c.source for c in candidates if matches(c.source, text.strip())]
        if len(found) > 1:
            raise InputError(
                f"modalities names {text}, which is {' and '.join(s.name for s in found)}, expected one image"
            )
        if found:
            return found[0]
    known = ", ".join(c.name for c in candidates[:20])
    raise NotFoundError(f"modalities names {text}, which is not among the images of the study: {known}")


def _is_exactly(source: Source, text: str) -> bool:
    return text in (source.uid, source.name) if source.series else text == source.name


def _is_nearly(source: Source, text: str) -> bool:
    """By id, number, title, or one of a series' files."""
    if source.series is None:
        return text == filenames.strip_extension(source.path.name) or text == source.path.name
    number = source.title.split(" ")[1] if source.title.startswith("series ") else ""
    return text in (number, f"series {number}", source.title) or any(p.name == text for p in source.series)
