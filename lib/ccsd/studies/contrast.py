"""Which T1 images are after contrast agent, where neither tags nor names say it: by the order of acquisition.

The agent stays for the rest of an examination. So what follows a series that is known to be after it, or a perfusion
series, is after it; and of one protocol that is repeated in a study with contrast agent, the first run is before it and
the last one after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ccsd.studies.candidates import Candidate
from ccsd.studies.evidence import T1, Evidence
from ccsd.studies.sides import shows_more
from ccsd.studies.words import speaks_of_contrast

REPETITION_TOLERANCE = 0.1  # relative; scanners lengthen TR when slices are added


@dataclass(frozen=True)
class _Marker:
    """An image of which the side of the injection is known."""

    time: float
    name: str
    why: str


@dataclass(frozen=True)
class _Injection:
    """What is known of when the agent was given: everything up to `before` is before it, from `after` on after it.

    Attributes:
        sharp: an image between the two is before (the first after is marked as such); otherwise nothing is known of it.
    """

    before: _Marker | None
    after: _Marker | None
    sharp: bool


def resolve(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates with the T1 images told apart that can be; the others get a reason for the doubt."""
    candidates = _by_their_names(_without_early_agents(candidates))
    open_ones = [c for c in candidates if _is_open(c)]
    if not open_ones:
        return candidates
    given = any(speaks_of_contrast(c.tags.study_text) for c in candidates if c.tags and c.tags.study_text)
    injection = _marked(candidates) or _repeated(open_ones, given=given)
    told = [_told(c, injection, candidates, given=given) if _is_open(c) else c for c in candidates]
    return _by_pixels(told, [c for c in told if c.evidence.unsure and c.source in {o.source for o in open_ones}])


def _by_pixels(candidates: Sequence[Candidate], doubtful: Sequence[Candidate]) -> list[Candidate]:
    """Of two runs of a protocol the one that enhances is after contrast agent, unless it was acquired first."""
    found = {id(c): c for c in candidates}
    for one in doubtful:
        twins = [c for c in candidates if c is not one and c.evidence.sequence == T1 and _is_twin(one, c)]
        if len(twins) != 1 or twins[0].evidence.refused or twins[0].evidence.contrast:
            continue
        first, last = sorted((one, twins[0]), key=lambda c: (c.acquired or 0.0, c.name))
        after = shows_more(last.source, first.source)
        if after is None or (not after and first.acquired != last.acquired):
            continue
        before, enhanced = (first, last) if after else (last, first)
        found[id(before)] = _by_look(before, False, f"nothing enhances in it as in {enhanced.name}")
        found[id(enhanced)] = _by_look(enhanced, True, f"vessels and mucosa enhance in it, unlike in {before.name}")
    return list(found.values())


def _by_look(candidate: Candidate, contrast: bool, why: str) -> Candidate:
    return replace(candidate, evidence=_with(replace(candidate.evidence, unsure=None), contrast, why))


def _is_open(candidate: Candidate) -> bool:
    evidence = candidate.evidence
    return evidence.sequence == T1 and evidence.contrast is None and not evidence.refused and not evidence.unsure


def _is_after(candidate: Candidate) -> bool:
    evidence = candidate.evidence
    return bool(evidence.contrast) and not evidence.refused and not evidence.unsure


def _told(
    candidate: Candidate, injection: _Injection | None, all_of_study: Sequence[Candidate], *, given: bool
) -> Candidate:
    """The candidate with its side of the injection, or with the doubt."""
    evidence, time = candidate.evidence, candidate.acquired
    if injection is None or time is None:
        return replace(candidate, evidence=_timeless(candidate, all_of_study, given=given))
    before, after = injection.before, injection.after
    if after and time >= after.time:
        return replace(candidate, evidence=_with(evidence, True, after.why))
    if before and time <= before.time:
        return replace(candidate, evidence=_with(evidence, False, before.why))
    if after and injection.sharp:
        return replace(
            candidate, evidence=_with(evidence, False, f"acquired before {after.name}, the first after contrast agent")
        )
    names = " and ".join(m.name for m in (before, after) if m)
    doubt = f"T1 acquired {'between' if after else 'after'} {names}: before or after contrast agent is not said"
    return replace(candidate, evidence=replace(evidence, unsure=doubt))


def _timeless(candidate: Candidate, all_of_study: Sequence[Candidate], *, given: bool) -> Evidence:
    """Without times: an image that does not speak of the agent is before it, if another does or none was given."""
    if any(_is_after(c) and c.evidence.sequence == T1 for c in all_of_study):
        silent = _with(candidate.evidence, False, "says nothing of contrast agent, another T1 does")
        return replace(silent, assumed=True)
    twins = [c for c in all_of_study if _is_open(c) and c is not candidate and _is_twin(c, candidate)]
    if twins:
        return replace(
            candidate.evidence, unsure=f"T1 of the same protocol as {twins[0].name}: one may be after contrast agent"
        )
    if given:
        return replace(candidate.evidence, unsure="T1 of a study with contrast agent: before or after it is not said")
    return _with(candidate.evidence, False, "no sign of contrast agent")


def _with(evidence: Evidence, contrast: bool, why: str) -> Evidence:
    return replace(evidence, contrast=contrast, because=", ".join(filter(None, (evidence.because, why))))


def _marked(candidates: Sequence[Candidate]) -> _Injection | None:
    """By images that say on which side they are, and by perfusion series."""
    after = [
        _Marker(c.acquired, c.name, f"acquired after {c.name}, {_why_after(c)}")
        for c in candidates
        if c.acquired is not None and (_is_after(c) or c.evidence.bolus)
    ]
    if not after:
        return None
    before = [
        _Marker(c.acquired, c.name, f"acquired before {c.name}, which is before contrast agent")
        for c in candidates
        if c.acquired is not None and c.evidence.contrast is False and not c.evidence.refused and not c.evidence.unsure
    ]
    return _Injection(_latest(before), min(after, key=lambda m: m.time), sharp=True)


def _why_after(candidate: Candidate) -> str:
    return "a perfusion series" if candidate.evidence.bolus else "which is after contrast agent"


def _repeated(open_ones: Sequence[Candidate], *, given: bool) -> _Injection | None:
    """By protocols that were run twice: the first runs are before, the last ones after if agent was given at all."""
    groups: list[list[Candidate]] = []
    for candidate in sorted((c for c in open_ones if c.acquired is not None), key=lambda c: c.acquired or 0.0):
        group = next((g for g in groups if _is_twin(g[0], candidate)), None)
        if group is None:
            groups.append([candidate])
        elif candidate.acquired != group[-1].acquired:
            group.append(candidate)
    pairs = [(g[0], g[-1]) for g in groups if len(g) > 1]
    if not pairs:
        return None
    again = "the same protocol in a study with contrast agent"
    firsts = [
        _Marker(a.acquired or 0.0, a.name, f"acquired before {b.name}, the same protocol again") for a, b in pairs
    ]
    lasts = [_Marker(b.acquired or 0.0, b.name, f"acquired after {a.name}, {again}") for a, b in pairs]
    before, after = _latest(firsts), min(lasts, key=lambda m: m.time)
    if before and before.time >= after.time:
        return None
    return _Injection(before, after if given else None, sharp=False)


def _latest(markers: Iterable[_Marker]) -> _Marker | None:
    return max(markers, key=lambda m: m.time, default=None)


def _is_twin(one: Candidate, other: Candidate) -> bool:
    """Whether both are of one protocol."""
    if one.protocol != other.protocol or not one.protocol:
        return False
    a, b = (c.tags.repetition_time if c.tags else None for c in (one, other))
    return a is None or b is None or abs(a - b) <= REPETITION_TOLERANCE * max(a, b)


def _by_their_names(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Where names tell T1 and T1ce apart, an agent in the sidecar of the T1 was entered before the injection."""
    named_after = any(c.named and c.named.contrast for c in candidates)
    return [
        replace(
            c, evidence=replace(c.named, because=f"{c.named.because}, and another T1 is named after contrast agent")
        )
        if named_after and c.named and c.named.contrast is False and c.evidence.contrast
        else c
        for c in candidates
    ]


def _without_early_agents(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Where an agent's name stands in both runs of a protocol, it was entered before the injection: the first run's
    side is then unknown."""
    by_tag = [c for c in candidates if _is_after(c) and c.evidence.sequence == T1 and c.tags and c.acquired is not None
              and "ContrastBolus" in c.evidence.because]  # fmt: skip
    doubtful = {
        id(c) for c in by_tag if any(_is_twin(c, d) and (d.acquired or 0.0) > (c.acquired or 0.0) for d in by_tag)
    }
    reason = "contrast agent stands in both runs of its protocol and may have been entered before it was given"
    return [replace(c, evidence=replace(c.evidence, unsure=reason)) if id(c) in doubtful else c for c in candidates]
