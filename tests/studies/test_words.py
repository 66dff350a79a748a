from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsd.studies.words import case_part, contrast_in, evidence_from_words, speaks_of_contrast


@pytest.mark.parametrize(
    ("text", "sequence", "contrast"),
    [
        ("AX T1 POST GAD", "t1", True),
        ("T2 FLAIR", "flair", None),
        ("T1 FLAIR", "t1", None),
        ("T2 FLAIR +C", "flair", True),
        ("T1 -C", "t1", False),
        ("T1 ohne KM", "t1", False),
        ("T1 PRE CONTRAST", "t1", False),
        ("T1 w/o contrast", "t1", False),
        ("T1 W/ CONTRAST", "t1", True),
        ("AX T1 - GAD", "t1", True),
        ("T1  C", "t1", True),
        ("T2 c", "t2", None),
        ("T1 postop", "t1", None),
        ("T1 without fat sat", "t1", None),
        ("AXT1POST", "t1", True),
        ("vsT1W_3D", "t1", None),
    ],
)
def test_sequence_and_contrast_agent_are_read_together(text: str, sequence: str, contrast: bool | None) -> None:
    evidence = evidence_from_words(text)
    assert (evidence.sequence, evidence.contrast, evidence.refused, evidence.unsure) == (sequence, contrast, None, None)


@pytest.mark.parametrize(
    "text",
    ["T1 T2", "T1-C", "T1 pre post", "T1 W/WO", "PD T2 TSE", "t2_tirm_tra", "T1 IR IV", "T1 - C", "T1 -GAD", "T1 ax C"],
)
def test_what_can_be_read_two_ways_is_said_to_be_unsure(text: str) -> None:
    evidence = evidence_from_words(text)
    assert evidence.unsure
    assert evidence.modality is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ep2d_diff_ADC", "diffusion"),
        ("T1 POST SUB", "subtraction"),
        ("T1 MPR COR", "reformat"),
        ("T2*", "susceptibility"),
        ("T2 FFE", "susceptibility"),
        ("T1 MAP", "a map"),
        ("T2 C-SPINE", "another body part"),
        ("AAHead_Scout", "localiser"),
        ("T1 brain mask", "mask"),
        ("DSC perfusion", "perfusion"),
    ],
)
def test_what_is_no_image_to_segment_from_is_refused_with_the_word(text: str, reason: str) -> None:
    assert reason in (evidence_from_words(text).refused or "")


def test_of_perfusions_only_those_with_a_bolus_date_the_injection() -> None:
    assert evidence_from_words("ep2d_perf_dsc").bolus
    assert not evidence_from_words("pcASL perfusion 3D").bolus
    assert not evidence_from_words("ep2d_diff").bolus


@pytest.mark.parametrize(
    ("stem", "case"),
    [
        ("patient7_AX_T1_POST", "patient7"),
        ("sub_001_AX_T2", "sub_001"),
        ("TCGA-02-0003 T1 post", "TCGA-02-0003"),
        ("T1_AX_SE_10", ""),
        ("MRHR_T1_AX", ""),
        ("p1_brain_T1_AX", "p1"),
        ("AXT1POST", ""),
    ],
)
def test_what_stands_before_the_first_telling_word_is_the_case_if_it_has_a_digit(stem: str, case: str) -> None:
    assert case_part(stem) == case


def test_the_name_of_a_study_tells_whether_contrast_agent_was_given() -> None:
    assert speaks_of_contrast("MRI BRAIN W WO CONTRAST")
    assert speaks_of_contrast("MRT Schädel mit KM")
    assert not speaks_of_contrast("MRI BRAIN WO CONTRAST")
    assert not speaks_of_contrast("MRT Schädel nativ")
    assert contrast_in("MRI BRAIN W WO CONTRAST") is None


WORDS = ["t1", "t2", "flair", "post", "gad", "pre", "ax", "sag", "se", "tse", "fs", "3d", "km", "nativ", "adc", "dwi"]


@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=5, unique=True),
    st.sampled_from([" ", "_", "-", " - ", "  "]),
)
def test_case_and_separators_do_not_change_what_a_name_says(words: list[str], separator: str) -> None:
    plain = evidence_from_words(" ".join(words))
    for text in (separator.join(words), separator.join(words).upper()):
        evidence = evidence_from_words(text)
        assert (evidence.sequence, evidence.contrast, bool(evidence.refused)) == (
            plain.sequence,
            plain.contrast,
            bool(plain.refused),
        )


@given(st.text(max_size=80))
def test_any_text_is_read_without_failing(text: str) -> None:
    assert evidence_from_words(text).modality in (None, "t1", "t1ce", "t2", "flair")
