# ruff: noqa: E501, RUF001  (other scripts than Latin, whose signs look alike or are counted as two)
"""Contrast agent in many languages: patterns of several words or signs -> one word of `vocabulary`. Data, no logic.

A language's words for without, before and after go with the words for the agent of any language: `ohne KM`,
`S/ CONTRASTE`, `KM-`, `kontrastsiz`, `造影前`. Texts come folded (lower case, no accents), and so are the words here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_LETTERS = str.maketrans({"ø": "oe", "ł": "l", "ı": "i", "đ": "d", "æ": "ae", "œ": "oe", "ß": "ss"})  # not decomposed


def fold(text: str) -> str:
    """Lower case without accents (apres, pos), other scripts kept."""
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("\u0307", "")).translate(_LETTERS)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _any(words: str | Iterable[str]) -> str:
    """A pattern for any of the words, the longer first."""
    words = words.split() if isinstance(words, str) else words
    return "(?:" + "|".join(fold(w) for w in sorted(words, key=len, reverse=True)) + ")"


BRANDS = (
    "gadavist gadovist dotarem magnevist multihance prohance omniscan clariscan vueway elucirem optimark ablavar "
    "dotagraf cyclolux primovist eovist artirem pixxoscan gadobutrol gadoterate gadoterat gadopiclenol"
)
_CONTRAST = r"contrast(?:e|o|ed|s|ul|at|ado|ada|agent|medium|media)?"
_AGENT = _any(
    [*BRANDS.split(), _CONTRAST, r"kontra(?:st|szt|s)\w*", r"gado\w*", r"gad(?:o|olin\w*)?", "gd-?dtpa", "gd", "gdpa",
     "dtpa", "ce", "km", r"k\.\s?m\.?", "cm", r"c\.\s?m\.?", "mdc", r"m\.\s?d\.\s?c\.?", "pdc", "civ", "cev", "sdc", "mc",
     "agent", "inj", r"injec\w*", r"injek\w*", r"iniezion\w*", r"inyecc?\w*", r"enhanc\w*", "enh", r"wzmocn\w*", r"sr\.?\s?kontr\w*",
     r"tehoste\w*", r"varjoain\w*", "kl", r"k\.\s?l\.?", r"контраст\w*", r"гадо\w*", r"усилени\w*", "ку", "кв", "кс",
     r"підсилен\w*", r"σκιαγραφικ\w*", r"ενισχυσ\w*", r"realce", r"rehauss\w*", r"con(?=\s|$)", r"medio\w*\s+de\s+contrast\w*",
     "חומר ניגוד", "ניגוד", "صبغة", "تباين", "ماده حاجب", "thuoc", "tuong phan", "조영제?", "造影剂?", "增强", "增強"]
)  # fmt: skip
_WITHOUT = _any(
    """without w/o wo wout no non not none minus kein keine keinem ohne sans ss senza sin sem zonder utan uten uden bez bes ilman
    fara χωρις без ללא בלי بدون tanpa khong brez ilma sine lacking w-o o s/ sz. s/o"""
)
_SURELY_WITHOUT = _any(
    "without w/o wo ohne sans senza sin sem zonder utan uten uden bez ilman fara χωρις без ללא بدون tanpa"
)
_BEFORE = _any(
    """pre before prior avant av vor antes antea prima voor foer fore pred przed ennen inainte πριν до перед преди לפני قبل
    sebelum truoc prae ante prije pries pirms"""
)
_AFTER = _any(
    """post with after nach mit avec apres con dopo despues tras com apos pos depois met na med efter etter po cu dupa με μετα
    после след після אחרי بعد با setelah dengan sau w m n w/ c/ z ze sa so с со з k."""
)
_LINK = r"[\s./:,()'’_-]*"
_GAP = (
    rf"(?:{_LINK}(?:de|di|iv|i\.v\.|ev|e\.v\.|the|any|il|la|le|l|du|des|da|do|del|della|of|to|mezzo|mezzi|produit|injection|"
    rf"administration|admin|adm|gabe|podani\w*|podan\w*|введени\w*|в/в|intraven\w*|medio|agente|bolus)(?![^\W_]))*"
)
_END = r"(?![^\W\d_])"
_START = r"(?<![^\W_])"
_STOP = r"(?=[\s)\],;]|$)"
_AND = r"[\s&+/,-]*(?:and|und|et|y|e|en|och|og|i|a|u|и|و|ve|si|oraz|or|oder|ou|o)?[\s&+/,-]*"
_SIGNED = (
    r"(?:c|ce|gd|gad|gado|gadolinium|km|cm|mdc|kl|contrast\w{0,2}|kontrast\w{0,3}|dotarem|gadovist|контраст|civ|inj|iv)"
)

CONTRAST_PHRASES: tuple[tuple[str, str], ...] = (
    (fold("未增强|未增強|无增强|無增強|不增强|非造影|非增强|非增強|没有增强|造影なし|造影前|增强前|增強前|造影無し?|비조영|조영\\s?전"), "noncontrast"),
    (fold("造影\\s?(?:剂|剤)?\\s?前|(?:注射|注药|投与|打药|ガド\\w*|gd)\\s?前|조영제?\\s?(?:주입)?\\s?전"), "noncontrast"),
    (fold("平扫|平掃|単純|平素|비증강"), "plain"),
    (fold("造影\\s?(?:剂|剤)?\\s?(?:後|后)?|增强后?|增強後?|强化后?|強化|조영제?\\s?(?:후|증강)?|증강"), "postcontrast"),
    (fold(r"kontrastsiz\w*|нативн\w*|kontrast(?:frei|los|free)\w*|contrast-?(?:free|less)|(?:km|kontrast)-?(?:frei|los)|yagsiz\b"), "noncontrast"),
    (fold(r"kontrastli\w*"), "postcontrast"),
    # signs: KM-, gado (-), C-; not in Gd-DTPA and T1-C
    (rf"(?:{_START}|(?<=t1)){_SIGNED}\s?[(\[]\s?[-–−]\s?[)\]]", "noncontrast"),
    (rf"(?:{_START}|(?<=t1)){_SIGNED}\s?[(\[]\s?\+\s?[)\]]", "postcontrast"),
    (rf"(?:{_START}|(?<=t1)){_SIGNED}[-–−]{_STOP}", "noncontrast"),
    (rf"{_START}{_SIGNED}\s[-–−]$", "noncontrast"),
    (r"[(\[]\s?[-–−]\s?(?:c|ce|gd|gad|gado|km|contrast|kontrast)\s?[)\]]|[(\[]\s?[-–−]\s?[)\]]", "noncontrast"),
    (r"[(\[]\s?\+\s?[)\]]|kontraszttal", "postcontrast"),
    (r"(?:pre|un)-?(?:contrast\w*|kontrast\w*|gad\w*|inj\w*)", "noncontrast"),
    (rf"{_START}t1ohne\s?km", "t1 noncontrast"),
    (rf"{_START}t1nach\s?km", "t1 postcontrast"),
    (rf"(?:\+\s?/\s?-|±)\s*{_SIGNED}", "wwo"),
    (rf"{_START}{_SIGNED}\s?(?:[:=]\s?)?(?:minus|no|none|non|neg|negativ\w*|nein|ohne|nicht|off|0|yok|net|нет|brak|nao|nie){_END}(?!\w)", "noncontrast"),
    # with and without
    (rf"{_START}{_AFTER}{_END}{_AND}{_SURELY_WITHOUT}{_END}", "wwo"),
    (rf"{_START}{_SURELY_WITHOUT}{_END}{_AND}(?:with|w|mit|avec|con|com|met|med|z|ze|s|cu|с|со|з|με|c/){_END}(?=\W|$)", "wwo"),
    (rf"{_START}(?:c/s|s/c\s?contraste?|csc|con/sin|mit/ohne|o\.?/m\.?|m\.?/o\.?)(?![a-z])", "wwo"),
    (rf"{_START}{_AGENT}\s+(?:oncesi|oncesinde|elott|nelkul|ennen|ilman|free|frei|naive){_END}", "noncontrast"),
    (rf"{_START}{_AGENT}\s+(?:sonrasi|sonra|jalkeen|utan){_END}", "postcontrast"),
    (rf"{_START}s[/\s.]+c(?![a-z])(?!/)", "noncontrast"),
    (rf"{_START}c/c(?![a-z])", "postcontrast"),
    (rf"{_START}s[\s/.]+(?:contraste?|gado\w*|gad|gd|mdc|realce|civ){_END}", "noncontrast"),
    (rf"{_START}s[\s.]+(?:kontrast\w*|k\.?\s?l\.?){_END}", "postcontrast"),
    (rf"{_START}(?:in\s)?(?:{_WITHOUT}|{_BEFORE}){_LINK}{_GAP}{_LINK}(?<![^\W_]){_AGENT}{_END}", "noncontrast"),
    (rf"{_START}for\s+(?:kontrast\w*|contrast|gad\w*){_END}", "eitherway"),
    (rf"{_START}c[\s/.]+(?:contraste|contraste?|realce){_END}", "postcontrast"),
    (rf"{_START}{_AFTER}{_LINK}{_GAP}{_LINK}(?<![^\W_]){_AGENT}{_END}", "postcontrast"),
    (r"\+\s*(?:c|ce|gd|gad\w*|km|cm|mdc|contrast\w*|kontrast\w*)(?![a-z])", "postcontrast"),
    (r"(?<![a-z0-9])(?:c|ce|gd|gad|gado|km)\s?\+", "postcontrast"),
)  # fmt: skip

AGENT_WORDS = frozenset(
    fold(word)
    for word in f"""contrast contraste contrasto contrasted contrastul contrasti kontrast kontrasto kontrasta kontrastu
    kontrastem kontrastom kontrastie kontrastmittel kontrastmedel kontrasztos kontraszt kontras gad gado gadolinium
    gadolinio gadolin gd gdpa gddtpa dtpa ce km cm mdc pdc civ sdc inj injection injecte injectee {BRANDS} контраст
    контраста контрастом контрастирование контрастированием гадолиний гадовист ку контрастный контрастное
    контрастная""".split()
)
