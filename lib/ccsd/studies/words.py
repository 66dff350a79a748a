"""Free-form names and series descriptions -> a evidence, by the words of `vocabulary`. Unsure stays unsaid."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from ccsd.studies.agents import AGENT_WORDS, fold
from ccsd.studies.evidence import FLAIR, T1, T2, Evidence
from ccsd.studies.vocabulary import (
    AFTER_CONTRAST,
    BEFORE_CONTRAST,
    BODY_PARTS,
    BRAIN_WORDS,
    CONTRAST_IN_SEQUENCE,
    GLUED,
    MADE,
    NEUTRAL,
    PERFUSION,
    PHRASES,
    PLANES,
    REFUSALS,
    SEQUENCE_WORDS,
    TECHNIQUE,
)

_REASON = {word: reason for reason, words in REFUSALS.items() for word in words}
_STRONG = set(SEQUENCE_WORDS) | AFTER_CONTRAST | BEFORE_CONTRAST | PLANES | set(_REASON)  # not part of a case's name
_KNOWN = _STRONG | NEUTRAL | BODY_PARTS
_UNDERSTOOD = _KNOWN | BRAIN_WORDS | MADE | TECHNIQUE | {"wwo", "eitherway", "firstecho", "t1weighted", "t2weighted"}
_PREFIXED = re.compile(r"^(?!c)[a-z]{1,3}(t[12]w[a-z0-9]*)$")  # Philips: sT1W, dT2W, vsT1W
_DOUBTS = {
    "eitherway": "-C may mean without contrast agent or be a hyphen",
    "iv": "IV may mean an injection or be a number",
    "c": "C may mean contrast agent or be a letter",
}
_TOKENS = re.compile(r"[a-z0-9]+|[^\W_a-z0-9]+")
_CASE_TOKENS = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True)
class _Read:
    """The words of a text that mean something, in their order."""

    words: tuple[str, ...]

    def of(self, vocabulary: frozenset[str]) -> list[str]:
        return [w for w in self.words if w in vocabulary]


def evidence_from_words(text: str) -> Evidence:
    """What a name or a description says. Examples: `AX T1 POST GAD` -> T1 after contrast agent; `T2 FLAIR` -> FLAIR;
    `T1 FLAIR` -> T1; `ep2d_diff_b1000` -> refused; `T1 T2` -> unsure."""
    read = _read(text)
    sequence, doubt = _sequence(read)
    reason, word = _refusal(read, sequence)
    if reason:
        return Evidence(refused=f"{reason} (says {word})", because=f"says {word}", bolus=reason == PERFUSION)
    contrast, clash = _contrast(read)
    used = [w for w in read.words if w in SEQUENCE_WORDS or w in AFTER_CONTRAST or w in BEFORE_CONTRAST]
    because = f"says {' '.join(dict.fromkeys(used))}" if used else ""
    if sequence == T1 and clash:
        doubt = doubt or clash
    return Evidence(sequence, contrast, unsure=doubt, because=because)


def contrast_in(text: str) -> bool | None:
    """Whether a text speaks of images after (True) or before contrast agent (False); None: neither, or both."""
    return _contrast(_read(text))[0]


def speaks_of_contrast(text: str) -> bool:
    """Whether a text about a whole study says that contrast agent was given: `MRI BRAIN W WO CONTRAST` does,
    `MRI BRAIN WO CONTRAST` does not."""
    words = set(_read(text).words)
    return "wwo" in words or bool(words & AFTER_CONTRAST)


@lru_cache(maxsize=4096)
def ends_in_word(case: str) -> bool:
    """Whether the last part of a case's name is a telling word: `p1_POST`, `AX`; not `sub-01`, `TCGA-FG-6692`."""
    tokens = _CASE_TOKENS.findall(case)
    return bool(tokens) and _is_strong(tokens[-1])


def case_part(stem: str) -> str:
    """What stands before the first telling word: `patient7_AX_T1_POST` -> `patient7`, `T1_AX` and `MRHR_T1` -> no case,
    since a case's name has a digit."""
    matches = list(_CASE_TOKENS.finditer(stem))
    kept: list[re.Match[str]] = []
    for match, following in zip_longest(matches, matches[1:]):
        if _is_strong(match[0]) and not _is_subject(match[0], following[0] if following else ""):
            break
        kept.append(match)
    while kept and _says_nothing_of_a_case(kept[-1][0], alone=len(kept) == 1):
        kept.pop()
    case = stem[: kept[-1].end()] if kept else ""
    return case if any(c.isdigit() for c in case) else ""


def _says_nothing_of_a_case(token: str, *, alone: bool) -> bool:
    """p2 in front is a patient, elsewhere parallel imaging."""
    return fold(token) in NEUTRAL | MADE | TECHNIQUE and not (alone and fold(token) in ("p2", "p3"))


def _is_subject(token: str, following: str) -> bool:
    """`sub_01` is a subject, `SUB_3D` a subtraction."""
    numbered = following[:1].isdigit() and not _is_strong(following) and fold(following) not in NEUTRAL
    return token.lower() == "sub" and numbered


def _is_strong(token: str) -> bool:
    return any(part in _STRONG for part in _parts(fold(token)))


def protocol_part(text: str) -> str:
    """The words without numbers, to see that two names are of one protocol."""
    return " ".join(w for w in _read(text).words if not w.isdigit())


def _sequence(read: _Read) -> tuple[str | None, str | None]:
    """(sequence, doubt)."""
    found = {SEQUENCE_WORDS[w] for w in read.words if w in SEQUENCE_WORDS}
    if "tirm" in read.words and FLAIR not in found:
        return None, "TIRM may be FLAIR or STIR"
    if found & {T1} and found & {T2}:
        return None, "names both T1 and T2"
    if found == {T1, FLAIR}:
        return T1, None
    if FLAIR in found:
        return FLAIR, None
    if found == {T2} and {"pd", "de", "dual", "double"} & set(read.words):
        return None, "may hold proton density beside T2"
    return next(iter(found), None), None


def _refusal(read: _Read, sequence: str | None) -> tuple[str | None, str]:
    """(reason, word) of the first word that refuses."""
    words = read.words
    gradient = [w for w in words if w in ("gre", "ffe", "fl2d", "merge", "eg")]
    if gradient and sequence == T2:
        return "susceptibility-weighted or T2*", f"t2 {gradient[0]}"
    if "firstecho" in words and sequence == T2:
        return "proton density", "t2 first echo"
    if "gre" in gradient and sequence is None:
        return "susceptibility-weighted or T2*", "gre"
    if "dixon" in words and words[-1] in ("f", "fat", "in", "opp", "ip", "op"):
        return "the fat or phase part of a Dixon image", f"dixon {words[-1]}"
    no_doubt = [w for w in words if not (w in ("pd", "pdw") and T2 in {SEQUENCE_WORDS.get(v) for v in words})]
    for reason, vocabulary in REFUSALS.items():
        word = next((w for w in no_doubt if w in vocabulary), None)
        if word:
            return reason, word
    elsewhere = read.of(BODY_PARTS)
    if elsewhere and not read.of(BRAIN_WORDS):
        return "of another body part, or a slab", elsewhere[0]
    return None, ""


def _contrast(read: _Read) -> tuple[bool | None, str | None]:
    """(after contrast agent?, clash)."""
    if "wwo" in read.words:
        return None, "says with and without contrast agent"
    pairs = zip(read.words, read.words[1:], strict=False)
    after = [w for w in read.words if w in AFTER_CONTRAST or w in CONTRAST_IN_SEQUENCE]
    after += [f"{a} c" for a, b in pairs if b == "c" and SEQUENCE_WORDS.get(a) == T1]  # T1 C
    before = read.of(BEFORE_CONTRAST)
    odd = _not_understood(read)
    if odd and not before:
        return None, odd
    if not (after or before):
        for word, doubt in _DOUBTS.items():
            if word in read.words:
                return None, doubt
    if after and before:
        return None, f"says both {after[0]} and {before[0]}"
    return (True if after else False if before else None), None


def _not_understood(read: _Read) -> str | None:
    """An agent's word behind a word that is not understood: it may mean without."""
    for word, following in zip(read.words, read.words[1:], strict=False):
        if following in AGENT_WORDS and not understood(word) and not any(c.isdigit() for c in word):
            return f"{word} {following} may mean with or without contrast agent"
    return None


@lru_cache(maxsize=4096)
def _read(text: str) -> _Read:
    lower = re.sub(r"\s+", " ", plain(text))
    for pattern, word in PHRASES:
        lower = pattern.sub(word, lower)
    words = [part for token in _TOKENS.findall(lower) for part in _parts(token)]
    return _Read(tuple(words))


def read_words(text: str) -> tuple[str, ...]:
    """The words of a text, those of several words or signs (`with and without`, `+C`) as one."""
    return _read(text).words


def telling(word: str) -> bool:
    """Whether a word says which image of a study it is."""
    return word in _STRONG


def understood(word: str) -> bool:
    """Whether a word says what an image is or how it was made: it is no patient's name."""
    return word in _UNDERSTOOD


def made_by(text: str) -> frozenset[str]:
    """The words that say how an image was prepared: `reg`, `n4`, `brain`."""
    return frozenset(w for w in _read(text).words if w in MADE)


def plain(text: str) -> str:
    """Folded, with words set apart that only a capital letter divides: T1Gd, PreOp."""
    return fold(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text.replace("_", " ")))


@lru_cache(maxsize=4096)
def _parts(token: str) -> tuple[str, ...]:
    """A word of the vocabulary, or several glued together of which one names a sequence; else the token itself."""
    if token in _KNOWN or token in BRAIN_WORDS:
        return (token,)
    prefixed = _PREFIXED.match(token)
    whole = prefixed[1] if prefixed else token
    found = _unglue(whole)
    return found if found and any(p in SEQUENCE_WORDS for p in found) else (token,)


def _unglue(token: str) -> tuple[str, ...] | None:
    """The fewest words of GLUED and SEQUENCE_WORDS that make up the token."""
    best: list[tuple[str, ...] | None] = [()] + [None] * len(token)
    for end in range(1, len(token) + 1):
        for start in range(end):
            head, piece = best[start], token[start:end]
            if head is None or not (piece in GLUED or piece in SEQUENCE_WORDS):
                continue
            longer = best[end]
            if longer is None or len(head) + 1 < len(longer):
                best[end] = (*head, piece)
    return best[-1]
