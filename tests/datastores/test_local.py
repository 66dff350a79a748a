from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from lib.ccsd.task import BRATS
from lib.datastores.local import StudyDatastore
from lib.errors import GridMismatchError, InputError, NotFoundError
from lib.studies.volumes import Grid, write_volume
from tests.studies.dicom_files import Made, some_data, write_series


def noise(path: Path, shape: tuple[int, ...] = (12, 12, 12)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)
    nib.loadsave.save(nib.nifti1.Nifti1Image(data, np.eye(4)), path)
    return path


def listed(root: Path) -> list[str]:
    return sorted(StudyDatastore(str(root), BRATS).list_images())


def test_images_of_known_modality_are_listed_by_file_name_and_labels_are_not(study_folder: Path) -> None:
    noise(study_folder / "scan.nii.gz")
    assert listed(study_folder) == ["case_flair", "case_t1", "case_t1ce", "case_t2"]


def test_free_form_names_and_second_choices_are_listed(tmp_path: Path) -> None:
    for name in ("T2_AX_TSE", "T2_COR_TSE", "AX_FLAIR", "DWI_b1000"):
        noise(tmp_path / "p" / f"{name}.nii.gz")
    assert listed(tmp_path) == ["AX_FLAIR", "T2_AX_TSE", "T2_COR_TSE"]


def test_equal_names_in_two_folders_get_ids_of_their_own(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        noise(tmp_path / folder / "T1.nii.gz")
    store = StudyDatastore(str(tmp_path), BRATS)
    assert sorted(store.list_images()) == ["T1", "b__T1"]
    assert Path(store.get_image_uri("b__T1")) == (tmp_path / "b" / "T1.nii.gz").resolve()


def test_a_4d_file_is_one_image_whose_label_lies_on_its_first_three_axes(tmp_path: Path) -> None:
    noise(tmp_path / "BRATS_001.nii.gz", (12, 12, 12, 4))
    store = StudyDatastore(str(tmp_path), BRATS)
    assert store.list_images() == ["BRATS_001"]
    write_volume(tmp_path / ".label.nii.gz", np.ones((12, 12, 12), np.uint8), Grid((12, 12, 12), np.eye(4)))
    assert store.save_label("BRATS_001", str(tmp_path / ".label.nii.gz"), "final", {}) == "BRATS_001"
    assert [Path(row["label"]).name for row in store.datalist()] == ["BRATS_001.nii.gz"]


def test_dicom_series_are_not_listed(tmp_path: Path) -> None:
    write_series(tmp_path / "dicom", Made(some_data(), tags={"SeriesDescription": "AX T2"}))
    noise(tmp_path / "x_t1.nii.gz")
    assert listed(tmp_path) == ["x_t1"]


def test_a_label_on_another_grid_is_refused_and_not_kept(study_folder: Path, tmp_path: Path) -> None:
    store = StudyDatastore(str(study_folder), BRATS)
    label = noise(tmp_path / "label" / "x.nii.gz")
    with pytest.raises(GridMismatchError):
        store.save_label("case_t1", str(label), "final", {})
    with pytest.raises(NotFoundError):
        store.save_label("absent", str(label), "final", {})
    with pytest.raises(InputError, match="tag is"):
        store.save_label("case_t1", str(study_folder / "case_seg.nii.gz"), "../x", {})
    assert store.datalist() == []


def test_new_files_are_found_without_a_restart(study_folder: Path) -> None:
    store = StudyDatastore(str(study_folder), BRATS)
    shutil.copy(study_folder / "case_t1.nii.gz", study_folder / "new_t1.nii.gz")
    assert store.get_image_uri("new_t1")
