from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsd.studies import names

SPELLINGS = [
    ("Brats18_2013_11_1_t1ce.nii.gz", "Brats18_2013_11_1", "t1ce"),
    ("Brats18_TCIA03_265_1_flair.nii", "Brats18_TCIA03_265_1", "flair"),
    ("BraTS19_CBICA_AAB_1_t1.nii.gz", "BraTS19_CBICA_AAB_1", "t1"),
    ("BraTS20_Training_001_t2.nii.gz", "BraTS20_Training_001", "t2"),
    ("BraTS2021_00000_t1ce.nii.gz", "BraTS2021_00000", "t1ce"),
    ("BraTS-GLI-00001-000-t1c.nii.gz", "BraTS-GLI-00001-000", "t1ce"),
    ("BraTS-GLI-00001-000-t1n.nii.gz", "BraTS-GLI-00001-000", "t1"),
    ("BraTS-MET-00110-000-t2f.nii.gz", "BraTS-MET-00110-000", "flair"),
    ("BraTS-MET-00110-000-t2w.nii.gz", "BraTS-MET-00110-000", "t2"),
    ("TCGA-02-0003_1997.06.08_t1Gd.nii.gz", "TCGA-02-0003_1997.06.08", "t1ce"),
    ("TCGA-FG-6692_flair.nii.gz", "TCGA-FG-6692", "flair"),
    ("patient 7_T1W.nii.gz", "patient 7", "t1"),
    ("patient7_T1_ce.nrrd", "patient7", "t1ce"),
    ("patient7_T1_FLAIR.nrrd", "patient7", "t1"),
    ("patient7_T2-FLAIR.nrrd", "patient7", "flair"),
    ("FLAIR.nii.gz", "FLAIR", "flair"),
    ("sub-01_ses-2_ce-gadolinium_T1w.nii.gz", "sub-01_ses-2", "t1ce"),
    ("sub-01_acq-mprage_run-2_T1w.nii.gz", "sub-01", "t1"),
    ("BRATS_001_0002.nii.gz", "BRATS_001", "t1ce"),
]


@pytest.mark.parametrize(("filename", "case", "modality"), SPELLINGS)
def test_the_spellings_of_all_years_are_understood(filename: str, case: str, modality: str) -> None:
    parsed = names.parse(filename)
    assert (parsed.case, parsed.modality, parsed.is_label) == (case, modality, False)
    assert parsed.rule


@pytest.mark.parametrize(
    "filename",
    ["Brats18_2013_11_1_seg.nii.gz", "BraTS-GLI-00001-000-seg.nii.gz", "x_silver.nii", "x_dseg.nii"],
)
def test_label_files_are_no_images(filename: str) -> None:
    assert names.parse(filename).is_label
    assert names.parse(filename).modality is None


@pytest.mark.parametrize(
    "filename",
    [
        "scan.nii.gz",
        "MRHR_T2_AX_SE_2_tse2d1_11.nii.gz",
        "case_adc.nii.gz",
        "p_T1-C.nii",
        "x_brain_segmentation.nii",
        "T1_0012.nii",
    ],
)
def test_an_unknown_name_is_never_guessed(filename: str) -> None:
    assert names.parse(filename).modality is None
    assert not names.parse(filename).is_label


def test_a_decathlon_file_holds_four_channels_in_its_own_order() -> None:
    assert names.parse("BRATS_001.nii.gz").stack == ("flair", "t1", "t1ce", "t2")
    assert names.parse("BRATS_001.nii.gz", channels=("t1", "t1ce", "t2", "flair")).stack[0] == "t1"


def test_the_modalities_of_another_task_are_strict_names_as_they_are_written() -> None:
    prostate = ("t2", "adc", "highb")
    assert names.parse("case_ADC.nii.gz", prostate).modality == "adc"
    assert names.parse("case_T2w.nii.gz", prostate).modality == "t2"
    assert names.parse("case_0001.nii.gz", prostate).modality == "adc"
    assert names.parse("case_flair.nii.gz", prostate).modality is None
    assert names.parse("case_0003.nii.gz", prostate).modality is None


def test_the_suffixes_of_bids_that_are_no_modality_are_refused_by_name() -> None:
    assert names.parse("sub-01_T2star.nii.gz").refused == "T2*-weighted (BIDS suffix T2star)"
    assert names.parse("sub-01_part-phase_T2w.nii.gz").refused == "not a magnitude image (BIDS part-phase)"


@given(
    case=st.from_regex(r"[A-Za-z]{1,8}[0-9]{1,5}([-_.][0-9]{1,4}){0,2}", fullmatch=True),
    spelling=st.sampled_from(sorted(names.SPELLINGS)),
    upper=st.booleans(),
    separator=st.sampled_from("-_. "),
    extension=st.sampled_from([".nii", ".nii.gz", ".nrrd", ".NII.GZ"]),
)
def test_case_separator_and_extension_do_not_matter(
    case: str, spelling: str, upper: bool, separator: str, extension: str
) -> None:
    written = spelling.upper() if upper else spelling
    parsed = names.parse(f"{case}{separator}{written}{extension}")
    assert (parsed.case, parsed.modality) == (case, names.SPELLINGS[spelling])


@given(st.text(max_size=60))
def test_any_text_is_taken_apart_without_failing(text: str) -> None:
    parsed = names.parse(text.replace("/", "_") + ".nii.gz")
    assert parsed.modality in (None, "t1", "t1ce", "t2", "flair")
