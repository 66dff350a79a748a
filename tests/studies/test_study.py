from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from lib.errors import InputError, NotFoundError
from lib.studies.study import find_studies, study_of


@pytest.mark.parametrize("asked", ["t1", "t1ce", "t2", "flair"])
def test_any_modality_finds_the_whole_study(study_folder: Path, asked: str) -> None:
    study = study_of(study_folder / f"case_{asked}.nii.gz")
    assert study.id == "case"
    assert set(study.files) == {"t1", "t1ce", "t2", "flair"}
    assert study.label == study_folder / "case_seg.nii.gz"


def test_two_studies_in_one_folder_are_kept_apart(study_folder: Path) -> None:
    shutil.copy(study_folder / "case_t1.nii.gz", study_folder / "other_t1.nii.gz")
    found = {s.id: set(s.files) for s in find_studies(study_folder)}
    assert found == {"case": {"t1", "t1ce", "t2", "flair"}, "other": {"t1"}}


def test_saved_labels_and_hidden_files_are_not_studies(study_folder: Path) -> None:
    (study_folder / "labels" / "final").mkdir(parents=True)
    shutil.copy(study_folder / "case_t1.nii.gz", study_folder / "labels" / "final" / "case_t1.nii.gz")
    shutil.copy(study_folder / "case_t1.nii.gz", study_folder / ".writing-x_t2.nii.gz")
    assert len(find_studies(study_folder)) == 1


def test_a_modality_twice_is_refused_with_both_files(study_folder: Path) -> None:
    shutil.copy(study_folder / "case_t1ce.nii.gz", study_folder / "case_t1c.nii.gz")
    with pytest.raises(InputError, match=r"two files for t1ce: case_t1c\.nii\.gz and case_t1ce\.nii\.gz"):
        study_of(study_folder / "case_t1.nii.gz")


def test_a_study_that_cannot_be_used_does_not_hide_the_others(
    study_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(study_folder / "case_t1ce.nii.gz", study_folder / "case_t1c.nii.gz")
    shutil.copy(study_folder / "case_t1.nii.gz", study_folder / "other_t1.nii.gz")
    with caplog.at_level(logging.WARNING):
        assert [s.id for s in find_studies(study_folder)] == ["other"]
    assert "two files for t1ce" in caplog.text


def test_an_unrecognised_name_asks_for_its_modality(study_folder: Path) -> None:
    image = shutil.move(study_folder / "case_t1.nii.gz", study_folder / "upload.nii.gz")
    with pytest.raises(InputError, match=r"cannot tell the modality of upload\.nii\.gz"):
        study_of(Path(image))
    assert study_of(Path(image), modality="t1").files == {"t1": Path(image)}


def test_restricting_to_an_absent_modality_is_refused(study_folder: Path) -> None:
    (study_folder / "case_t2.nii.gz").unlink()
    study = study_of(study_folder / "case_t1.nii.gz")
    with pytest.raises(InputError, match="study case has no t2, expected some of flair, t1, t1ce"):
        study.restricted(["t2", "t1"])


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"image x_t1\.nii\.gz does not exist"):
        study_of(tmp_path / "x_t1.nii.gz")
    with pytest.raises(NotFoundError, match="does not exist"):
        find_studies(tmp_path / "absent")
