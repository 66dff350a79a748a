"""Several data folders with a share of the crops each, and labels that know one region."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsd.common.errors import InputError
from ccsd.evaluation.lattice import read_labelled
from ccsd.method.task import BRATS
from ccsd.studies.study import find_studies
from ccsd.training.cases import load_case
from ccsd.training.folders import DataFolder, crop_weights


@pytest.fixture
def of_one_region(study_folder: Path) -> Path:
    """The study of `study_folder` with the whole tumour alone drawn: `case_wt.nii.gz` holds 0 and 1."""
    label = nib.load(study_folder / "case_seg.nii.gz")
    whole = (np.asarray(label.dataobj) > 0).astype(np.uint8)
    nib.save(nib.Nifti1Image(whole, label.affine), study_folder / "case_wt.nii.gz")
    (study_folder / "case_seg.nii.gz").unlink()
    return study_folder


def test_a_folder_may_say_its_share(tmp_path: Path) -> None:
    assert DataFolder.parse("made:0.3") == DataFolder(Path("made"), 0.3)
    assert DataFolder.parse("made") == DataFolder(Path("made"), None)
    (tmp_path / "visit:2").mkdir()
    assert DataFolder.parse(str(tmp_path / "visit:2")).path == tmp_path / "visit:2"


@pytest.mark.parametrize("text", ["made:0", "made:1.5", "made:nan", "made:half"])
def test_a_share_that_is_none_is_refused_with_the_folder(text: str) -> None:
    with pytest.raises(InputError, match=r"--data made:.*between 0 and 1"):
        DataFolder.parse(text)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.floats(0.05, 0.9))
def test_each_group_gives_its_share_and_the_others_divide_the_rest_by_their_studies(
    counts: list[int], share: float
) -> None:
    weights = crop_weights([*counts, 5], [None] * len(counts) + [share])
    assert sum(weights) == pytest.approx(1)
    assert sum(weights[-5:]) == pytest.approx(share)
    assert len(set(weights[:-5])) == 1


@pytest.mark.parametrize("shares", [[0.5, 0.6], [0.5, 0.4], [0.5, 0.5, None]])
def test_shares_that_do_not_add_up_are_refused(shares: list[float | None]) -> None:
    with pytest.raises(InputError, match="the shares of the crops add up to"):
        crop_weights([3] * len(shares), shares)


def test_a_share_for_a_source_without_a_study_is_refused() -> None:
    with pytest.raises(InputError, match="has no study"):
        crop_weights([3, 0], [None, 0.2])


def test_a_label_named_by_a_region_is_that_region_and_knows_no_other(of_one_region: Path) -> None:
    (study,) = find_studies(of_one_region, BRATS.modalities)
    assert study.label is not None
    case = load_case(study, study.label, BRATS)
    assert case.label.unique().tolist() == [0, BRATS.region_labels["WT"]]
    assert case.annotated.tolist() == [True, False, False]
    assert read_labelled(study, BRATS).annotated == ("WT",)
