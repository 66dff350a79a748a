# ruff: noqa: E501, RUF001  (other scripts than Latin, whose signs look alike or are counted as two)
"""T1 with and without contrast agent in the words of many languages, as protocols and exports have them.

Reported of exports from hospitals in Latin America, Japan, Germany, Turkey and others: a description that says
without in words that were not known (`S/ CONTRASTE`, `KM-`, `gado (-)`) was taken for T1 after contrast agent.
"""

from __future__ import annotations

import pytest

from ccsd.imaging.tags import Tags
from ccsd.studies.tags import evidence_from_tags
from ccsd.studies.words import evidence_from_words

BEFORE = """
    T1 S/ CONTRASTE | T1 造影前 | T1 KM- | T1 gado (-) | T1 non-enhanced | T1 ohne KM | T1 sans injection | T1
    senza mdc | T1 без контраста | T1 kontrastsız | T1 zonder contrast | T1 utan kontrast | T1 bez kontrastu |
    T1 uden kontrast | T1 sem contraste | T1 pre-gad | T1 C- | T1 -C | T1 w/o | T1 w/o contrast |
    T1_w_o_contrast | T1 before contrast | T1 prior to contrast | T1 avant injection | T1 avant gado | T1 vor
    KM-Gabe | T1 vor Kontrastmittel | T1 vor KM | T1 o. KM | T1 ohne Kontrastmittel | T1 nativ | T1 nativa | T1
    natif | T1 sin contraste | T1 sin CIV | T1 antes de contraste | T1 prima di mdc | T1 senza contrasto | T1
    senza mezzo di contrasto | T1 basale | T1 in bianco | T1 voor contrast | T1 blanco | T1 före kontrast | T1
    før kontrast | T1 uten kontrast | T1 ilman tehostetta | T1 ilman kontrastia | T1 bez kontrastu | T1 przed
    kontrastem | T1 przed podaniem kontrastu | T1 pred kontrastem | T1 před kontrastem | T1 bez k.l. | T1 bez KL
    | T1 kontraszt nélkül | T1 kontraszt előtt | T1 natív | T1 fără contrast | T1 înainte de contrast | T1 χωρίς
    σκιαγραφικό | T1 до контраста | T1 до введения контраста | T1 без КУ | T1 без контрастирования | T1 нативная
    | T1 контраст- | T1 kontrast öncesi | T1 kontrast yok | T1 ללא חומר ניגוד | T1 بدون صبغة | T1平扫 | T1 增强前 |
    T1 未增强 | T1 非造影 | T1 造影なし | T1 単純 | T1 조영전 | T1 조영 전 | T1 비조영 | T1 không thuốc | T1 tanpa kontras | T1 GD- |
    T1 Gd (-) | T1 (-) | T1 gad- | T1 CE- | T1 contrast: no | T1 contrast free | T1 KM frei | T1 noncontrast |
    T1 non contrast | T1 NON-CON | T1 unenhanced | T1 not enhanced | T1 no gad | T1 nogad | T1 no contrast | T1
    minus contrast | T1 S/C | T1 s/ gado | T1 S_CONTRASTE | T1_KM-_AX | T1_Gd- | T1 AX sans PDC | T1 sans
    gadolinium | T1 sans contraste | T1 sans IV | T1 non injecté | T1 non injectée | T1 kein KM | T1
    kontrastfrei | T1 ohne Gadovist | T1 without gadolinium | T1 without IV contrast | T1 without i.v. contrast
    | T1 w-o gad | T1 wo gad | T1 wout contrast | T1 brez kontrasta | T1 prije kontrasta | T1 bez contrasta | T1
    bes kontrasta | T1 bez kontrastní látky | T1 bez wzmocnienia | T1 ilma kontrastita | T1 simples | T1 sem
    gadolínio | T1 pré contraste | T1 pré-contraste | T1 PRE GD | T1 PRE-CONTRAST | T1 precontraste | T1 PRÉ |
    T1 ANTES | T1 avant | T1 prekontrast | T1 non contrasté | T1 ss injection | T1 ss gado | T1 C minus | T1 Gd
    minus | T1 no-contrast | T1 native | T1 sz. kontraszt | T1 utan KM | T1 (KM-) | T1 (-KM) | T1 [-C] | T1 -
    contrast- | T1 TRA O KM | T1W_SE_ohne_Kontrast | t1_tra_ohneKM | t1_ohneKM | T1ohneKM | T1-sin-contraste |
    AX_T1_SIN_GADOLINIO | T1_sin_gado | T1 CONTRASTE NO | T1 без введения контраста | T1 без контрастного
    усиления | T1 до контрастирования | T1 перед контрастом | T1 без КВ | T1 без в/в контраста | T1 без усиления
    | T1 sans produit de contraste | T1 sans inj | T1 senza m.d.c. | T1 senza m d c | T1 senza gadolinio | T1
    zonder gadolinium | T1 zonder KM | T1 zonder contrastmiddel | T1 zonder i.v. contrast | T1 vóór contrast |
    T1 utan gadolinium | T1 bez gadolinu | T1 przed gadolinem | T1 uden gadolinium | T1 KM nein | T1 KM: nein |
    T1 KM neg | T1 CM- | T1 ohne CM | T1 Gado - | T1 pregado | T1 pre injection | T1 preinjection | T1
    non-injected | T1 uninjected | T1 sans rehaussement | T1 sem realce | T1 no enhancement
"""
AFTER = """
    T1 C/ CONTRASTE | T1 造影後 | T1 KM+ | T1 gado (+) | T1 enhanced | T1 mit KM | T1 nach KM | T1 avec injection |
    T1 après injection | T1 con mdc | T1 dopo mdc | T1 с контрастом | T1 после контраста | T1 kontrastlı | T1
    met contrast | T1 na contrast | T1 med kontrast | T1 efter kontrast | T1 s kontrastem | T1 po kontrastu | T1
    z kontrastem | T1 po kontraście | T1 po podaniu kontrastu | T1 com contraste | T1 após contraste | T1 pós
    contraste | T1 pós-gd | T1 post-gad | T1 C+ | T1 +C | T1 w/ contrast | T1 w contrast | T1 with gad | T1 cu
    contrast | T1 după contrast | T1 με σκιαγραφικό | T1 增强 | T1 增强后 | T1WI+C | T1 조영증강 | T1 造影 | T1 kontraszt
    után | T1 kontraszttal | T1 tehosteen jälkeen | T1 kontrast sonrası | T1 Gd-DTPA | T1-Gd | T1 KM | T1
    Gadovist 7.5ml | T1 con contraste | T1 con gadolinio | T1 CON CIV | T1 tras contraste | T1 gado | T1 GD | T1
    (+) | T1 (KM+) | T1 +KM | T1 + Gd | T1 CE | T1 Kontrast | T1 post injection | T1 mit Kontrastmittel | T1
    nach Kontrastmittelgabe | T1 nach KM-Gabe | T1 nach Gd | T1 n. KM | T1 m. KM | T1 contrast enhanced | T1
    contrast-enhanced | T1 injecté | T1 inj | T1 med KM | T1 z KM | T1 с КУ | T1 s KL | T1 po KL |
    T1_tra_nach_KM | t1_mprage_KM | t1_mitKM | T1nachKM
"""
UNSAID = """
    T1 xyz KM | T1 blub gado | T1 hebban contrast | T1 W/WO | T1 con y sin contraste | T1 mit und ohne KM | T1
    senza e con mdc | T1 sans et avec gado | T1 com e sem contraste | T1 +/- contrast | T1 pre/post | T1 z i bez
    kontrastu | T1-C | T1 -GAD | T1 for kontrast |
    T1 be kontrasto | T1 ss IV | T1 dopo e senza
"""


def texts(listed: str) -> list[str]:
    return [" ".join(text.split()) for text in listed.split("|")]


@pytest.mark.parametrize("text", texts(BEFORE))
def test_without_and_before_are_understood_in_names_and_descriptions(text: str) -> None:
    assert evidence_from_words(text).modality == "t1"
    assert evidence_from_words(text.replace(" ", "_")).modality == "t1"
    assert evidence_from_tags(Tags(description=text)).modality == "t1"


@pytest.mark.parametrize("text", texts(AFTER))
def test_with_and_after_are_understood_in_names_and_descriptions(text: str) -> None:
    assert evidence_from_words(text).modality == "t1ce"
    assert evidence_from_words(text.replace(" ", "_")).modality == "t1ce"
    assert evidence_from_tags(Tags(description=text)).modality == "t1ce"


@pytest.mark.parametrize("text", texts(UNSAID))
def test_an_agent_behind_a_word_that_is_not_understood_is_unknown(text: str) -> None:
    assert evidence_from_words(text).unsure
    assert evidence_from_words(text).modality is None
