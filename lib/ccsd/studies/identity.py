"""What of a name says whose image it is, and when it was made: all that is neither modality nor technique.

Names of patients and of visits stand in front (`smith_T1_reg`), behind (`T1_followup`, `t1_0`) or between. Numbers may
be those of series, patients or visits: that shows only beside the other names of the folder, see `partition`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ccsd.studies.vocabulary import word_set
from ccsd.studies.words import plain, read_words, telling, understood

_LABELS = word_set("ot gt truth groundtruth")  # OT: BraTS 2013 to 2015
_SEGMENTATIONS = word_set("seg segm segmentation segmented label labels dseg")

_COUNTED = (
    "day|week|wk|month|mon|mo|year|visit|ses|session|timepoint|timept|time|tp|scan|exam|study|patient|pat|pt|subject|"
    "subj|sub|case|fu|follow-?_?up|baseline|tag|woche|monat|jahr|visite|paciente|paziente"
)
_VISITS = (
    "baseline|base_?line|follow[-_ ]?ups?|fup|(?:pre|post|intra)[-_ ]?(?:op|operative|operativ|surgery|surgical|surg|"
    "rt|xrt|chemo|treatment|treat|tx|therapy|ther|radiation|rad|biopsy|resection)|before[-_ ]?(?:surgery|rt|treatment)|"
    "after[-_ ]?(?:surgery|rt|treatment)|initial|first|second|third|last|recurrence|recurrent|progression|relapse|"
    "yesterday|today|verlauf|kontrolle|control|controle|seguimiento|erst|prior|current|previous|nadir"
)
_DATE = re.compile(
    r"(?<!\d)(?:(?P<y>(?:19|20)\d\d)(?P<s>[-._]?)(?P<m>0[1-9]|1[0-2])(?P=s)(?P<d>[0-2]\d|3[01])(?:[t_-]?\d{6}(?:\.\d+)?)?"
    r"|(?P<d2>[0-2]?\d|3[01])(?P<s2>[-._])(?P<m2>0?[1-9]|1[0-2])(?P=s2)(?P<y2>(?:19|20)\d\d))(?!\d)"
)
_COUNTER = re.compile(rf"(?<![a-z])({_COUNTED})[-_ .#]*(\d+|[ab](?![a-z0-9]))(?![a-z])")
_VISIT = re.compile(rf"(?<![a-z])({_VISITS})(?![a-z])")
_SUBJECT = re.compile(r"^(sub)-([a-z0-9]+)")
_NUMBER = re.compile(r"(?:[a-z]{1,2}|run|series|ser|rep|img)?0*(\d{1,9})")
_MEASURE = re.compile(r"\d+(?:mm|ms|t|b|k|slices?|ch|deg|min|sec|x\d+)|(?:e|echo|te|tr|ti|b|dis|new)\d+d?|[23]d")
_PULSES = re.compile(r"(?:b?ssfse|epfid|ep|tfl|tse|tir|spcir|spc|tfi|fl|se|ir|gr|swi|me|fse)[brm]?[23]d?\d*[a-z]*\d*")
_MATRICES = word_set("128 192 224 240 256 288 320 352 384 448 512 640 768")
_FACTORS = word_set("p2 p3 p4")  # of parallel imaging


@dataclass(frozen=True)
class Identity:
    """A name taken apart for comparison with others.

    Attributes:
        words: patients, visits, dates and all words that are not understood.
        visits: those of them that surely tell one examination from another.
        numbers: those that stand alone, in their order.
        frame: the words that say which image of a study it is.
    """

    words: frozenset[str]
    visits: frozenset[str]
    numbers: tuple[str, ...]
    frame: tuple[str, ...]


@lru_cache(maxsize=4096)
def identity_of(text: str) -> Identity:
    """Example: `smith_T1_post_day2_reg_5` -> words smith and day2, numbers 5, frame (post, t1)."""
    rest, visits = _without_visits(plain(text))
    words, numbers = set(), []
    read = read_words(rest)
    several = sum(telling(w) for w in read) > 1
    for position, word in enumerate(read):
        number = _NUMBER.fullmatch(word)
        if several and (word in _MATRICES or word in _FACTORS):
            continue
        if number and not telling(word) and not _MEASURE.fullmatch(word):
            numbers.append(number[1])
        elif not understood(word) and not (_MEASURE.fullmatch(word) or _PULSES.fullmatch(word)):
            words.add(word)
        if position == 0 and number and word[0].isalpha() and not telling(word):
            words.add(word)  # p2 in front is a patient, elsewhere parallel imaging
    frame = tuple(sorted({w for w in read if telling(w)}))
    return Identity(frozenset(words) | visits, visits, tuple(numbers), frame)


def is_label_name(text: str) -> bool:
    """Whether a free-form name speaks of a segmentation, and not of that of the brain."""
    read = set(read_words(text))
    return bool(read & _LABELS) or bool(read & _SEGMENTATIONS and not read & {"brain", "head", "skull", "mask"})


def _without_visits(text: str) -> tuple[str, frozenset[str]]:
    """(the text without them, visits and dates)."""
    visits: set[str] = set()

    def date(found: re.Match[str]) -> str:
        parts = found["y"] or found["y2"], found["m"] or found["m2"], found["d"] or found["d2"]
        visits.add("".join(part.zfill(2) for part in parts))
        return " "

    def counted(found: re.Match[str]) -> str:
        visits.add(re.sub(r"[^a-z]", "", found[1]) + (found[2].lstrip("0") or "0"))
        return " "

    def visit(found: re.Match[str]) -> str:
        visits.add(re.sub(r"[^a-z]", "", found[1]))
        return " "

    for pattern, take in ((_SUBJECT, counted), (_DATE, date), (_COUNTER, counted), (_VISIT, visit)):
        text = pattern.sub(take, text)
    return text, frozenset(visits)
