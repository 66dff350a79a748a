from __future__ import annotations

import pytest

from lib.studies import names

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
    ("FLAIR.nii.gz", "FLAIR", "flair"),
]


@pytest.mark.parametrize(("filename", "case", "modality"), SPELLINGS)
def test_the_spellings_of_all_years_are_understood(filename: str, case: str, modality: str) -> None:
    assert names.parse(filename) == names.ImageName(case, modality, False)


@pytest.mark.parametrize("filename", ["Brats18_2013_11_1_seg.nii.gz", "BraTS-GLI-00001-000-seg.nii.gz", "x_silver.nii"])
def test_label_files_are_no_images(filename: str) -> None:
    assert names.parse(filename).is_label
    assert names.parse(filename).modality is None


@pytest.mark.parametrize("filename", ["scan.nii.gz", "MRHR_T2_AX_SE_2_tse2d1_11.nii.gz", "case_adc.nii.gz"])
def test_an_unknown_name_is_never_guessed(filename: str) -> None:
    assert names.parse(filename).modality is None
    assert not names.parse(filename).is_label
