"""Images of several patients or visits side by side, and one study spread over folders.

Reported of LiviaNET (all patients flat in one folder, modality first, number last), image-time-series (several
follow-ups a patient), the BraTS 2013 to 2015 archives (a folder an image, label `OT`), Kaggle's copies of BraTS 2020
and 2021 (each `x.nii` is a folder with the file in it; training case 355 has its label under another name).
"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ccsd.studies.study import Study, find_studies, study_of, survey

IMAGE = nib.nifti1.Nifti1Image(np.random.default_rng(0).normal(100, 10, (8, 8, 8)).astype(np.float32), np.eye(4))
CONTENT = IMAGE.to_bytes()


def place(root: Path, *files: str) -> None:
    for file in files:
        path = root / f"{file}.nii"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)


def stems(study: Study) -> list[str]:
    return sorted(s.path.name.removesuffix(".nii") for s in study.sources.values())


SEPARATE = [  # names of one study | names of another
    "t1_0 t1ce_0 flair_0 | t1_1 t1ce_1 flair_1",
    "t1-01 t2-01 flair-01 | t1-02 t2-02 flair-02",
    "T1_baseline T1_post_baseline FLAIR_baseline | T1_followup T1_post_followup FLAIR_followup",
    "smith_T1_reg smith_FLAIR_reg | jones_T1_reg jones_FLAIR_reg",
    "smith_T1_reg | jones_FLAIR_reg",
    "smith_T1 | jones_FLAIR_reg",
    "t1_smith | flair_jones",
    "иванов_T1_n4 иванов_FLAIR_n4 | петров_T1_n4 петров_FLAIR_n4",
    "Müller_T1_brain Müller_FLAIR_brain | Çelik_T1_brain Çelik_FLAIR_brain",
    "T1_preop FLAIR_preop | T1_postop FLAIR_postop",
    "pre-op_T1_n4 pre-op_FLAIR_n4 | post-op_T1_n4 post-op_FLAIR_n4",
    "T1_2019-04-23 FLAIR_2019-04-23 | T1_2020-01-02 FLAIR_2020-01-02",
    "T1_20190423101010_3 FLAIR_20190423102010_5 | T1_20200102101010_3 FLAIR_20200102101110_4",
    "T1_day_1 | FLAIR_day_2",
    "T1_v1 FLAIR_v1 | T1_v2 FLAIR_v2",
    "T1 FLAIR | T1_followup FLAIR_followup",
    "T1_A FLAIR_A | T1_B FLAIR_B",
    "T1_p2_reg FLAIR_p2_reg | T1_p3_reg FLAIR_p3_reg",
    "T1_12345_3 FLAIR_12345_4 | T1_67890_4 FLAIR_67890_3",
    "week0_T1_n4 week0_FLAIR_n4 | week12_T1_n4 week12_FLAIR_n4",
    "reg_smith_t1 reg_smith_flair | reg_jones_t1 reg_jones_flair",
]


@pytest.mark.parametrize("text", SEPARATE)
def test_images_of_another_patient_or_visit_are_never_used_together(tmp_path: Path, text: str) -> None:
    studies = [sorted(side.split()) for side in text.split("|")]
    place(tmp_path, *(name for study in studies for name in study))
    assert sorted(stems(s) for s in find_studies(tmp_path)) == sorted(studies)
    for study in studies:
        for name in study:
            assert stems(study_of(tmp_path / f"{name}.nii")) == study


TOGETHER = [
    "MRHR_FLAIR_AX_SE_IR_5_tir2d1_21 MRHR_T1_AX_POST_GAD_SE_13_se2d1r MRHR_T2_AX_SE_2_tse2d1_11 T1_AX_SE_10_se2d1",
    "301_T1 501_FLAIR",
    "301_T1 401_T2 501_FLAIR 901_T1_KM",
    "3-T1 5-FLAIR 7-T1ce 9-T2",
    "T1_301 FLAIR_501",
    "t1_reg t1ce_reg flair t2_n4",
    "t1_mprage_sag_p2_iso_4 t2_tse_tra_320_4mm_7 t2_tirm_tra_dark-fluid_3mm_9 t1_mprage_sag_p2_iso_KM_12",
    "smith_T1_pre smith_T1_post smith_FLAIR smith_T2_ax",
    "brain_20190423101010_T1_AX_3 brain_20190423101510_FLAIR_AX_5",
    "sub.01.v2.FLAIR.post sub.01.v2.T1.pre sub.01.v2.T1.post",
]


@pytest.mark.parametrize("text", TOGETHER)
def test_series_of_one_study_stay_together_whatever_else_their_names_say(tmp_path: Path, text: str) -> None:
    place(tmp_path, *text.split())
    (study,) = survey(tmp_path)
    assert stems(study) == sorted(text.split())


def test_an_image_that_is_used_alone_says_which_others_lie_beside_it(tmp_path: Path) -> None:
    place(tmp_path, "smith_T1_reg", "jones_FLAIR_reg")
    note = study_of(tmp_path / "smith_T1_reg.nii").note
    assert note.startswith("smith_T1_reg.nii is used alone: by their names jones_FLAIR_reg.nii beside it")


def test_a_whole_study_beside_others_needs_no_sentence(tmp_path: Path) -> None:
    place(tmp_path, "t1_0", "flair_0", "t1_1", "flair_1")
    assert study_of(tmp_path / "t1_0.nii").note == ""


def test_each_visit_has_its_own_label(tmp_path: Path) -> None:
    place(tmp_path, "t1_0", "flair_0", "seg_0", "t1_1", "flair_1", "seg_1")
    assert {(s.id, s.label and s.label.name) for s in find_studies(tmp_path / ".")} == {
        (f"{tmp_path.name}_{n}", f"seg_{n}.nii") for n in "01"
    }


VSD = [
    "VSD.Brain.XX.O.MR_Flair.35543", "VSD.Brain.XX.O.MR_T1.35544", "VSD.Brain.XX.O.MR_T1c.35545",
    "VSD.Brain.XX.O.MR_T2.35546", "VSD.Brain_3more.XX.O.OT.35547",
]  # fmt: skip


def test_a_folder_an_image_is_one_study_with_the_label_ot(tmp_path: Path) -> None:
    for patient in ("pat105", "pat106"):
        place(tmp_path / "HGG" / patient, *(f"{name}/{name}" for name in VSD))
    first, second = find_studies(tmp_path)
    assert (first.id, second.id) == ("pat105", "pat106")
    assert sorted(first.sources) == ["flair", "t1", "t1ce", "t2"]
    assert first.label is not None
    assert ".OT." in first.label.name
    again = study_of(first.files["t1ce"])
    assert (again.id, again.files, again.label) == (first.id, first.files, first.label)


def test_a_folder_named_like_the_file_in_it_stands_for_the_file(tmp_path: Path) -> None:
    inner = {"flair": "00000057_brain_flair", "t1": "00000057_brain_t1", "seg": "00000057_final_seg"}
    for modality, name in inner.items():
        place(tmp_path / "BraTS2021_00495", f"BraTS2021_00495_{modality}.nii/{name}")
    for modality in ("flair", "t1", "t1ce", "t2"):
        place(tmp_path / "B20", f"BraTS20_Training_001_{modality}.nii/BraTS20_Training_001_{modality}")
    other, one = find_studies(tmp_path)
    assert (one.id, sorted(one.sources)) == ("BraTS20_Training_001", ["flair", "t1", "t1ce", "t2"])
    assert (other.id, sorted(other.sources)) == ("BraTS2021_00495", ["flair", "t1"])
    assert other.label is not None
    assert study_of(other.files["t1"]).files == other.files


def test_a_folder_a_modality_with_a_file_a_patient_is_a_study_a_patient(tmp_path: Path) -> None:
    for modality in ("T1", "T1ce", "FLAIR", "seg"):
        place(tmp_path, *(f"{modality}/{patient}" for patient in ("anna", "bela", "0003")))
    studies = find_studies(tmp_path)
    assert [s.id for s in studies] == ["0003", "anna", "bela"]
    assert all(sorted(s.sources) == ["flair", "t1", "t1ce"] and s.label for s in studies)
    assert {p.stem for p in study_of(tmp_path / "T1" / "anna.nii").files.values()} == {"anna"}


def test_a_patient_whose_folder_is_named_like_a_modality_is_left_as_it_is(tmp_path: Path) -> None:
    place(tmp_path, "t1_study/t1", "t1_study/flair", "flair_study/t1", "flair_study/flair")
    assert [sorted(s.sources) for s in find_studies(tmp_path)] == [["flair", "t1"], ["flair", "t1"]]


def test_the_one_label_of_a_folder_of_one_case_is_its_label_whatever_its_name(tmp_path: Path) -> None:
    place(tmp_path, *(f"BraTS20_Training_355_{m}" for m in ("t1", "t1ce", "t2", "flair")), "W39_1998.09.19_Segm")
    (study,) = survey(tmp_path)
    assert (study.id, study.label) == ("BraTS20_Training_355", tmp_path / "W39_1998.09.19_Segm.nii")
