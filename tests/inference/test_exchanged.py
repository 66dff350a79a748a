"""T1 and T1ce whose names are exchanged: the pixels tell, and the answer has a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ccsd.inference.pipeline import common_input, doubts
from ccsd.method.task import BRATS
from ccsd.studies.study import read_with_target, study_of
from tests.conftest import SHARED_DATA

STUDIES = sorted((SHARED_DATA / "brats2018" / "check").glob("*/"))[
    ::3
]  # one with much enhancement, one with hardly any


def warnings_of(folder: Path) -> list[str]:
    """On the images of an inference from T1 and T1ce, as a folder of files has them."""
    study = study_of(next(folder.glob("*_t1.nii.gz"))).restricted(["t1", "t1ce"])
    volumes, asked = read_with_target(study, study.sources["t1"].path)
    _, common = common_input(study, volumes, asked, BRATS)
    return doubts(study, volumes, common, BRATS, "auto")


@pytest.mark.skipif(not STUDIES, reason="the real studies of ../shared/data are not on this machine")
@pytest.mark.parametrize("study", STUDIES, ids=lambda s: s.name)
def test_exchanged_names_are_told_and_right_ones_are_not_doubted(study: Path, tmp_path: Path) -> None:
    for folder, names in (("right", ("t1", "t1ce")), ("exchanged", ("t1ce", "t1"))):
        (tmp_path / folder).mkdir()
        for name, kept_as in zip(("t1", "t1ce"), names, strict=True):
            shutil.copy(study / f"{study.name}_{name}.nii.gz", tmp_path / folder / f"case_{kept_as}.nii.gz")
    assert not any("exchanged" in sentence for sentence in warnings_of(tmp_path / "right"))
    assert any("t1 and t1ce look exchanged" in sentence for sentence in warnings_of(tmp_path / "exchanged"))
