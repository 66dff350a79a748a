"""What people call the parts of a brain tumour -> the value that a task gives them. A word that is not known makes the
whole name unknown: a guess would be stored as somebody's label."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

# Segments that Slicer keeps beside the labels: what is drawn in them is background.
NO_LABEL = {"background", "backgroundscribbles", "foregroundscribbles"}

_CONCEPTS = {
    "tumor": "tumor tumors tumour tumours tumoral tumorous tumeur tumorale tumore lesion lesions lasion lesione lesao"
    " neoplasm neoplasia neoplasie glioma gliom gliome glioblastoma glioblastom gbm metastasis metastase mass gtv"
    " 肿瘤 опухоль",
    "whole": "whole complete total totale entire gross gesamt gesamter entero completo entiere ganzer",
    "core": "core kern kernel noyau nucleo nucleus 核心 ядро",
    "enhancing": "enhancing enhanced enhancement enhances enh ce active anreichernd anreichernder anreichernde "
    "anreicherung aufnehmend aufnehmender rehaussement rehaussee rehausse prise realce realzante captante 强化",
    "not enhancing": "nonenhancing nonenhanced unenhanced unenhancing nen net netc",
    "not": "non not no nicht sin sans ohne",
    "necrosis": "necrosis necrotic necrotising necrotizing ncr nec necr nekrose nekrotisch nekrotischer necrose "
    "necrotico necrotica necrotique necrosi 坏死 некроз",
    "edema": "edema oedema oedem oedeme odem edeme edematous oedematous ed snfh 水肿 отек",
    "": "gd gad gadolinium contrast contraste kontrast kontrastmittel km region area part component segment label mask "
    "roi seg segmentation manual brain cerebral peritumoral peritumorales peritumorale perifocal perifokales vasogenic"
    " intratumoral primary residual recurrent left right volume and und y e of the de du des del di der die das",
}
_ONE_WORD = {  # for several concepts
    "wt": ("whole", "tumor"),
    "tc": ("core", "tumor"),
    "et": ("enhancing", "tumor"),
    "at": ("enhancing", "tumor"),
    "cet": ("enhancing", "tumor"),
    "tumorkern": ("core", "tumor"),
    "gesamttumor": ("whole", "tumor"),
    "tumornekrose": ("necrosis",),
    "tumorodem": ("edema",),
}
_WORDS: dict[str, tuple[str, ...]] = {
    **{word: (concept,) if concept else () for concept, words in _CONCEPTS.items() for word in words.split()},
    **_ONE_WORD,
}
_OF_TUMOUR = {"tumor", "core"}


def value_of_name(name: str, names: Mapping[str, int]) -> int | None:
    """The task's value of a segment of this name: as the task spells it, else by what its words say. None: unknown.

    Args:
        names: the task's own names -> values.
    """
    spelled = {plain_name(known): value for known, value in names.items()}
    candidates = (plain_name(name), re.sub(r"\d+$", "", plain_name(name)), *_canonical(_concepts(name)))
    return next((spelled[one] for one in candidates if one in spelled), None)


def values_of_names(found: Iterable[str], names: Mapping[str, int]) -> set[int]:
    """The task's values of those names that it knows."""
    return {value for name in found if (value := value_of_name(name, names)) is not None}


def is_no_label(name: str) -> bool:
    """Whether what is drawn in a segment of this name counts as background."""
    return plain_name(name) in NO_LABEL


def plain_name(name: str) -> str:
    """A label's name without what spellings differ in: case, accents, separators, British or American."""
    american = _folded(name).replace("tumour", "tumor").replace("oedema", "edema")
    return "".join(c for c in american if c.isalnum())


def _folded(name: str) -> str:
    parts = unicodedata.normalize("NFKD", name.lower().replace("œ", "oe"))
    return "".join(c for c in parts if not unicodedata.combining(c))


def _concepts(name: str) -> frozenset[str]:
    """What the words of a name say, "not enhancing" being one thing; empty if a word is not known."""
    words = re.findall(r"[^\W\d_]+", _folded(name))
    if not all(word in _WORDS for word in words):
        return frozenset()
    said = [concept for word in words for concept in _WORDS[word]]
    for at, concept in enumerate(said):
        if concept == "enhancing" and at and said[at - 1] == "not":
            said[at - 1 : at + 1] = ["", "not enhancing"]
    return frozenset(said) - {""}


def _canonical(concepts: frozenset[str]) -> tuple[str, ...]:
    """The names that tasks may have for it."""
    rest = concepts - _OF_TUMOUR
    if rest == {"enhancing"}:
        return ("enhancingtumor", "enhancing")
    if rest and rest <= {"necrosis", "not enhancing"}:
        return ("necrosis", "nonenhancingtumor")
    if concepts == {"edema"}:
        return ("edema",)
    if concepts == {"tumor", "core"}:
        return ("tumorcore",)
    return ("wholetumor", "tumor") if concepts in ({"tumor"}, {"tumor", "whole"}) else ()
