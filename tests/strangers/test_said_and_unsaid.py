"""Several T1 or T2 of a study: what is said goes before silence, and pixels before the alphabet.

Reported of GE exports (`bravo` beside `t1_pre` and `t1_gd`), of dcm2niix (`_e1` and `_e2` of a double echo, the first
of which is proton density), and of Philips studies whose T1 before and after contrast agent have one description.
"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ccsd.studies.study import Study, study_of, survey
from tests.studies.test_enhancement import enhanced, head


def place(path: Path, data: np.ndarray | None = None) -> Path:
    voxels = np.random.default_rng(0).normal(100, 10, (8, 8, 8)) if data is None else data
    nib.loadsave.save(nib.nifti1.Nifti1Image(voxels.astype(np.float32), np.diag([2.0, 2, 2, 1])), path)
    return path


def used(study: Study) -> dict[str, str]:
    return {m: s.path.name.removesuffix(".nii") for m, s in study.sources.items()}


@pytest.mark.parametrize("silent", ["bravo", "MPRAGE_sag", "T1_3D"])
def test_a_t1_that_says_before_goes_before_one_that_says_nothing(tmp_path: Path, silent: str) -> None:
    for name in (silent, "t1_pre", "t1_gd", "flair"):
        place(tmp_path / f"{name}.nii")
    assert used(study_of(tmp_path / "flair.nii")) == {"flair": "flair", "t1": "t1_pre", "t1ce": "t1_gd"}


def test_the_first_echo_of_a_t2_is_proton_density_and_a_later_one_is_used(tmp_path: Path) -> None:
    for name in ("t2_ax_e1", "t2_ax_e2", "flair"):
        place(tmp_path / f"{name}.nii")
    assert used(study_of(tmp_path / "flair.nii")) == {"flair": "flair", "t2": "t2_ax_e2"}
    (tmp_path / "t2_ax_e2.nii").unlink()
    assert used(study_of(tmp_path / "flair.nii")) == {"flair": "flair"}


def test_the_asked_image_takes_sisters_that_were_prepared_as_it_was(tmp_path: Path) -> None:
    for name in ("t1", "t1_reg", "flair", "flair_reg"):
        place(tmp_path / f"{name}.nii")
    assert used(study_of(tmp_path / "flair_reg.nii")) == {"flair": "flair_reg", "t1": "t1_reg"}
    assert used(study_of(tmp_path / "flair.nii")) == {"flair": "flair", "t1": "t1"}


@pytest.mark.parametrize("after", ["T1_SE_AX_3", "T1_SE_AX_9"])
def test_of_two_runs_of_a_protocol_the_one_that_enhances_is_after(tmp_path: Path, after: str) -> None:
    for seed, name in enumerate(("T1_SE_AX_3", "T1_SE_AX_9")):
        place(tmp_path / f"{name}.nii", enhanced(head(seed)) if name == after else head(seed))
    (study,) = survey(tmp_path)
    assert used(study)["t1ce"] == after
    assert "enhance" in study.sources["t1ce"].rule
